package heartbeat

import (
	"context"
	"slices"
	"time"

	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
)

func (p *Heartbeat) Listen(l *notify.Listener, prefix string) (stop func()) {
	p.add(l, prefix)
	return func() {
		p.remove(l)
		l.Stop()
	}
}

const (
	heartbeatKey = "heartbeat"        // behind the prefix of the Tags that the heartbeat serves
	anyKey       = "!" + heartbeatKey // without Tags
)

// ownKey returns the key that is written.
func (p *Heartbeat) ownKey() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key
}

// Offer says that keys with this prefix may be written: the user of Redis need not have the
// right to others.
func (p *Heartbeat) Offer(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil && p.key == anyKey {
		p.key = prefix + heartbeatKey
	}
}

func (p *Heartbeat) add(l *notify.Listener, prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners = append(p.listeners, l)
	if p.ctx == nil && p.MaxDisconnected > 0 && !p.closed {
		p.key = prefix + heartbeatKey
		p.ctx, p.cancel = context.WithCancel(context.Background())
		p.lastContact, p.answered = time.Now(), false
		p.Generation.Add(1) // what happened before was not watched
		p.Work.Add(1)
		go p.run(p.ctx)
	}
	l.Connected(p.MaxDisconnected <= 0 || p.connected.Load())
}

func (p *Heartbeat) remove(l *notify.Listener) {
	p.mu.Lock()
	p.listeners = slices.DeleteFunc(p.listeners, func(x *notify.Listener) bool { return x == l })
	if len(p.listeners) == 0 {
		p.end()
	}
	p.mu.Unlock()
}

func (p *Heartbeat) Health() (connected bool, lastContact time.Time, noPushes, noFailovers string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil || !p.answered {
		return false, time.Time{}, "", ""
	}
	if p.noPushes != nil {
		noPushes = p.noPushes.Error()
	}
	if p.noInfo != nil {
		noFailovers = "INFO is refused: " + link.ReplyCause(p.noInfo.Error(), p.noInfo).Error()
	}
	return p.connected.Load(), p.lastContact, noPushes, noFailovers
}

// Took returns how long the last heartbeat took that was answered, or 0.
func (p *Heartbeat) Took() time.Duration { return time.Duration(p.took.Load()) }
