package store

import "context"

// A Confirmer is a [Refresher] that can give an entry another life without being sent
// its value once more.
type Confirmer[T any] interface {
	// Confirm is [Refresher].Replace of old, as it was read, by e, which is old with
	// other ExpiresAt, StaleAt and LoadedAt: nothing else of e counts, and e.Stamp
	// is old.Stamp. The entry has a new Version then, as if it had been replaced.
	Confirm(ctx context.Context, key string, old, e Entry[T]) (kept Entry[T], watched bool, err error)
}
