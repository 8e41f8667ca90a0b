package memstore

import (
	"context"

	"github.com/lokroom/strata/store"
)

// A watcher is a function that was passed to Watch of one of the peers.
type watcher[T any] struct {
	of *Store[T]
	fn func(store.Invalidation)
}

// Watch implements [store.Watcher]. fn is called on the goroutine of whoever
// makes the change, after it was made and before the call that makes it returns.
// Entries that expire or are evicted did not change and are not told.
func (s *Store[T]) Watch(fn func(store.Invalidation)) (stop func()) {
	w := &watcher[T]{of: s, fn: fn}
	s.watch.Lock()
	defer s.watch.Unlock()
	s.told[w] = true
	return func() {
		// Waits for the calls that are under way.
		s.watch.Lock()
		defer s.watch.Unlock()
		delete(s.told, w)
	}
}

// Fill implements [store.Filler]. Nothing comes in between here, so watched is
// true, unless e has expired and nothing was kept.
func (s *Store[T]) Fill(_ context.Context, key string, e store.Entry[T]) (store.Entry[T], bool, error) {
	if err := s.begin("fill", key); err != nil {
		return store.Entry[T]{}, false, err
	}
	kept, ok := s.write(key, e)
	s.mu.Unlock()
	s.tell(s, key)
	return kept, ok, nil
}

// tell tells the watchers that the entries under keys changed, but for those of
// except. The data is not locked.
func (s *Store[T]) tell(except *Store[T], keys ...string) {
	if len(keys) > 0 {
		s.tellAll(except, store.Invalidation{Keys: keys})
	}
}

func (s *Store[T]) tellAll(except *Store[T], inv store.Invalidation) {
	s.watch.RLock()
	defer s.watch.RUnlock()
	for w := range s.told {
		if w.of != except {
			w.fn(inv)
		}
	}
}
