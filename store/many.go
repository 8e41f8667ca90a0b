package store

import (
	"context"
	"errors"
)

// A ManyGetter is a Store that reads many keys at less than the cost of as many Gets.
type ManyGetter[T any] interface {
	// GetMany returns the entries that are there. A key without an entry is
	// not in the map; an absent entry is, with Absent set. On an error the map
	// holds what was found before it or beside it, and may be used. An error
	// that does not concern all keys is a *ManyError[string].
	GetMany(ctx context.Context, keys []string) (map[string]Entry[T], error)
}

// GetMany returns the entries of s under keys as [ManyGetter] describes it.
// Without the capability it calls Get for each key. The map is never nil.
func GetMany[T any](ctx context.Context, s Store[T], keys []string) (map[string]Entry[T], error) {
	if m, ok := s.(ManyGetter[T]); ok {
		return m.GetMany(ctx, keys)
	}
	found := make(map[string]Entry[T], len(keys))
	errs := make(map[string]error)
	for _, key := range keys {
		e, err := s.Get(ctx, key)
		switch {
		case err == nil, e.Absent && errors.Is(err, ErrNotFound):
			found[key] = e
		case !errors.Is(err, ErrNotFound):
			errs[key] = err
		}
	}
	return found, NewManyError(errs)
}

// A ManySetter is a Store that writes many entries at less than the cost of as many Sets.
type ManySetter[T any] interface {
	// SetMany sets every entry as Set does. It goes on after a failure. An error
	// that does not concern all keys is a *ManyError[string].
	SetMany(ctx context.Context, entries map[string]Entry[T]) error
}

// SetMany sets entries in s as [ManySetter] describes it. Without the
// capability it calls Set for each.
func SetMany[T any](ctx context.Context, s Store[T], entries map[string]Entry[T]) error {
	if m, ok := s.(ManySetter[T]); ok {
		return m.SetMany(ctx, entries)
	}
	errs := make(map[string]error)
	for key, e := range entries {
		if err := s.Set(ctx, key, e); err != nil {
			errs[key] = err
		}
	}
	return NewManyError(errs)
}
