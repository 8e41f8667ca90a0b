package store

import "context"

// A Rechecker can tell whether a copy is still right without moving its value.
type Rechecker[T any] interface {
	// Recheck returns e with its present expiry if the entry under key is still
	// of e.Version, which is not zero, and ErrNotFound if it is another or
	// none. Watchers are told of later changes as if the entry had been read.
	Recheck(ctx context.Context, key string, e Entry[T]) (Entry[T], error)
}
