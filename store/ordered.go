package store

import "context"

// An OrderedGetter is a [ManyGetter] that need not make a map of what it reads.
type OrderedGetter[T any] interface {
	// GetOrdered returns the entries under keys, each in the place of its key:
	// nil where none is there, or where it could not be read. What GetMany says
	// of absent entries and of errors holds for it, too. The entries are the
	// caller's.
	GetOrdered(ctx context.Context, keys []string) ([]*Entry[T], error)
}

// GetOrdered returns the entries of s under keys as [OrderedGetter] describes it.
// Without the capability it calls [GetMany].
func GetOrdered[T any](ctx context.Context, s Store[T], keys []string) ([]*Entry[T], error) {
	if o, ok := s.(OrderedGetter[T]); ok {
		return o.GetOrdered(ctx, keys)
	}
	found, err := GetMany(ctx, s, keys)
	ordered := make([]*Entry[T], len(keys))
	for i, key := range keys {
		if e, ok := found[key]; ok {
			ordered[i] = &e
		}
	}
	return ordered, err
}
