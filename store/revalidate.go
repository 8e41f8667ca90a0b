package store

import "time"

// A Revalidated store is a [Watcher] that may not be notified of the changes that other
// processes make, so that a copy of an entry is valid for a limited time only.
type Revalidated interface {
	Watcher

	// MaxStale returns for how long a copy may be served after the read, or the
	// [Rechecker].Recheck, that confirmed it was sent. The Watcher then need not keep its
	// guarantee for changes by other processes. Zero: it keeps it, and copies have no
	// such limit.
	MaxStale() time.Duration
}

// MaxStale returns that of s, or zero if s is not [Revalidated].
func MaxStale[T any](s Store[T]) time.Duration {
	if r, ok := s.(Revalidated); ok {
		return r.MaxStale()
	}
	return 0
}
