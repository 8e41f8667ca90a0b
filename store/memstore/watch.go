package memstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/store"
)

// A watcher is what was passed to Watch of one of the peers.
type watcher[T any] struct {
	of *Store[T]
	store.Watching
}

// Watch implements [store.Watcher]. Changed is called on the goroutine that makes the change,
// after it was made and before the call that makes it returns. Entries that expire or
// are evicted did not change, and watchers are not notified of them. Connected is called by
// [Shared.Disconnect] and [Shared.Reconnect], and RolledBack by the function that
// [Shared.Snapshot] returns. err is nil.
func (s *Store[T]) Watch(w store.Watching) (stop func(), err error) {
	of := &watcher[T]{s, w}
	s.watch.Lock()
	defer s.watch.Unlock()
	s.watchers[of] = true
	if w.Connected != nil {
		w.Connected(!s.isOffline())
	}
	return func() {
		s.watch.Lock() // waits for calls that are running
		defer s.watch.Unlock()
		delete(s.watchers, of)
	}, nil
}

// MaxStale implements [store.Watcher]: it returns that of [Options].
func (s *Store[T]) MaxStale() time.Duration { return s.maxStale }

// Fill implements [store.Filler]. Nothing comes in between here, so watched is
// true, unless e has expired and nothing was kept.
func (s *Store[T]) Fill(_ context.Context, key string, e store.Entry[T]) (store.Entry[T], bool, error) {
	if err := s.begin("fill", key); err != nil {
		return store.Entry[T]{}, false, err
	}
	if err := s.check(key, &e); err != nil {
		s.mu.Unlock()
		return store.Entry[T]{}, false, failure("fill", key, err)
	}
	kept, ok := s.set(key, e)
	s.mu.Unlock()
	s.notify(s, key)
	return kept, ok, nil
}

// notify notifies the watchers that the entries under keys changed, but for those of
// except. The data is not locked.
func (s *Store[T]) notify(except *Store[T], keys ...string) {
	if len(keys) > 0 {
		s.notifyAll(except, store.Invalidation{Keys: keys})
	}
}

func (s *Store[T]) notifyAll(except *Store[T], inv store.Invalidation) {
	s.watch.RLock()
	defer s.watch.RUnlock()
	for w := range s.watchers {
		if w.Changed != nil && w.of != except && (w.of == s || s.maxStale == 0) && !w.of.isOffline() {
			w.Changed(inv)
		}
	}
}
