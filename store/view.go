package store

import "context"

// A Viewer is a Store in this process that can show an entry where it is kept,
// which spares the reader a copy of it.
type Viewer[T any] interface {
	// View is Get that returns the kept entry itself, which must not be
	// changed. It stays as it is when the store forgets or replaces it. Of a
	// miss it returns nil and ErrNotFound; an absent entry is returned with
	// a nil error.
	View(ctx context.Context, key string) (*Entry[T], error)
}

// View returns the entry under key as [Viewer] describes it. Without the
// capability it returns a copy.
func View[T any](ctx context.Context, s Store[T], key string) (*Entry[T], error) {
	if v, ok := s.(Viewer[T]); ok {
		return v.View(ctx, key)
	}
	e, err := s.Get(ctx, key)
	if err != nil && !e.Absent {
		return nil, err
	}
	return &e, nil
}
