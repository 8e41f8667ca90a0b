package link

import (
	"errors"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

// A LastError is the last reason why Redis could not be used. All methods may be called
// concurrently.
type LastError struct {
	mu    sync.Mutex
	text  string
	at    time.Time
	count uint64
}

// Note remembers err if it says that Redis could not be used, or refused the user. That
// it is not asked any more says nothing new.
func (l *LastError) Note(err error) {
	if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrAuth) || errors.Is(err, errOpen) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text, l.at = err.Error(), time.Now()
	l.count++
}

func (l *LastError) Get() (text string, at time.Time, count uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text, l.at, l.count
}
