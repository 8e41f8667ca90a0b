package layered

import "context"

// Alike reports whether two of keys share a place among what is remembered by hash, so
// that they disturb one another, which is rare and does no harm.
func (s *Store[T]) Alike(ctx context.Context, keys ...string) bool {
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
