package store

import (
	"context"
	"errors"
)

// A ManyGetter is a Store that reads many keys at less than the cost of as many Gets.
type ManyGetter[T any] interface {
	// GetMany returns the entries under keys, each in the place of its key: nil
	// where there is none, or where it could not be read. An absent entry is returned
	// with Absent set. The entries are the caller's. On an error the slice is as long as
	// keys and has what was found all the same. An error that does not concern all
	// keys is a *ManyError[string].
	GetMany(ctx context.Context, keys []string) ([]*Entry[T], error)
}

// GetMany returns the entries of s under keys as [ManyGetter] describes it.
// Without the capability it calls Get for each key.
func GetMany[T any](ctx context.Context, s Store[T], keys []string) ([]*Entry[T], error) {
	if m, ok := s.(ManyGetter[T]); ok {
		return m.GetMany(ctx, keys)
	}
	entries, errs := make([]*Entry[T], len(keys)), make(map[string]error)
	found := make([]Entry[T], 0, len(keys)) // one allocation for all
	for i, key := range keys {
		e, err := s.Get(ctx, key)
		switch {
		case err == nil, e.Absent && errors.Is(err, ErrNotFound):
			found = append(found, e)
			entries[i] = &found[len(found)-1]
		case !errors.Is(err, ErrNotFound):
			errs[key] = err
		}
	}
	return entries, NewManyError(errs)
}

// GetMap is [GetMany] that returns the entries that are there by their keys. The map is
// never nil.
func GetMap[T any](ctx context.Context, s Store[T], keys []string) (map[string]Entry[T], error) {
	entries, err := GetMany(ctx, s, keys)
	found := make(map[string]Entry[T], len(keys))
	for i, e := range entries {
		if e != nil {
			found[keys[i]] = *e
		}
	}
	return found, err
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
