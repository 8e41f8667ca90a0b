package notify

import "sync"

// A Listener is notified of the state of the connection.
type Listener struct {
	mu         sync.Mutex
	connected  func(bool)
	rolledBack func()
}

// NewListener returns a listener that calls connected with whether invalidations arrive, and
// rolledBack when Redis may have lost confirmed writes. Either may be nil.
func NewListener(connected func(bool), rolledBack func()) *Listener {
	return &Listener{connected: connected, rolledBack: rolledBack}
}

// Connected notifies l whether invalidations arrive.
func (l *Listener) Connected(connected bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connected != nil {
		l.connected(connected)
	}
}

// RolledBack notifies l that Redis may have lost confirmed writes.
func (l *Listener) RolledBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rolledBack != nil {
		l.rolledBack()
	}
}

// Stop waits for a call that is running. None follows.
func (l *Listener) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected, l.rolledBack = nil, nil
}
