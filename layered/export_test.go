package layered

import (
	"context"
	"hash/maphash"
)

// Separate gives each of keys a place of its own among what is remembered by hash. Two
// that share one disturb one another, which is rare and does no harm. Nothing must be
// remembered yet, and nobody else use s.
func (s *Store[T]) Separate(ctx context.Context, keys ...string) {
	for s.alike(ctx, keys) {
		if s.pace != nil {
			s.pace.seed = maphash.MakeSeed()
		}
		if s.failures != nil {
			s.failures.seed = maphash.MakeSeed()
		}
	}
}

func (s *Store[T]) alike(ctx context.Context, keys []string) bool {
	places := make(map[any]bool)
	n := 0
	note := func(place any) { places[place], n = true, n+1 }
	for _, key := range keys {
		e, err := s.view(ctx, key)
		if err != nil && s.hasL2 {
			in2, _ := s.l2.Get(ctx, key)
			e = &in2
		}
		if s.pace != nil && e != nil {
			note(s.pace.place(dueOf(key, e)))
		}
		if s.failures != nil {
			note(s.failures.place(key))
		}
	}
	return len(places) < n
}
