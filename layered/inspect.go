package layered

import (
	"context"
	"errors"

	"github.com/lokroom/strata/store"
)

// Inspect returns the entries that L1 and L2 have under key, fresh or stale, absent ones
// included; nil: none. It calls no loader, copies nothing from tier to tier, and counts no hit
// or miss. The error is that of L2, and the entry of L1 is returned with it. It is for tools
// that do not know T.
func (s *Store[T]) Inspect(ctx context.Context, key string) (l1, l2 *store.Entry[any], err error) {
	if s.closed.Load() {
		return nil, nil, s.errClosed("inspect", key)
	}
	if e, err := s.l1.Get(ctx, key); err == nil || e.Absent {
		s.count.l1Stale.Add(1) // L1 has counted a hit, which is no answer
		l1 = untyped(e)
	}
	if !s.hasL2 {
		return l1, nil, nil
	}
	e, err := s.l2.Get(ctx, key)
	switch {
	case err == nil, e.Absent:
		return l1, untyped(e), nil
	case errors.Is(err, store.ErrNotFound):
		return l1, nil, nil
	}
	return l1, nil, s.named(err)
}

func untyped[T any](e store.Entry[T]) *store.Entry[any] {
	u := store.WithValue(&e, any(e.Value))
	return &u
}
