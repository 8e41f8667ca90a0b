package layered

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/lokroom/strata/layered/internal/cooldown"
	"github.com/lokroom/strata/store"
)

// Separate gives each of keys a slot of its own in what is remembered by hash. Keys that
// share a slot disturb each other, which is rare and harmless. It must be called before
// anything is remembered, and not concurrently with other methods.
func (s *Store[T]) Separate(ctx context.Context, keys ...string) {
	for s.failures != nil && !separateFailures(s.failures, keys) {
		s.failures = cooldown.NewFailures()
	}
	for _, key := range keys {
		if s.failures != nil {
			s.failures.Forget(key)
		}
	}
	for s.refreshSlots != nil && !s.separatePlaces(ctx, keys) {
		s.refreshSlots.seed = maphash.MakeSeed()
	}
}

func separateFailures(f *cooldown.Failures, keys []string) bool {
	for _, key := range keys {
		f.Note(key, store.In(time.Hour), errors.New("any"))
	}
	for _, key := range keys {
		if f.Err(key, store.Now()) == nil {
			return false
		}
	}
	return true
}

func (s *Store[T]) separatePlaces(ctx context.Context, keys []string) bool {
	places := make(map[*refreshSlot]bool)
	n := 0
	for _, key := range keys {
		e, err := s.view(ctx, key)
		if err != nil && s.hasL2 {
			in2, _ := s.l2.Get(ctx, key)
			e = &in2
		}
		if e != nil {
			places[s.refreshSlots.slot(dueOf(key, e))], n = true, n+1
		}
	}
	return len(places) == n
}
