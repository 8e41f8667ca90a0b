package store

import "context"

// Stats are counters of a store since it was made, and sizes at the moment. All
// fields are of the view that was asked, but for those that say otherwise. A
// field that the store does not know is zero.
type Stats struct {
	Hits      uint64 // Gets that found an entry, absent ones included
	Misses    uint64 // Gets that found none
	Sets      uint64 // entries that were set
	Deletes   uint64 // keys that were deleted
	Evictions uint64 // entries that had to make room
	Rejected  uint64 // entries that were set but not kept
	Corrupt   uint64 // values that could not be decoded, each of which counts once; reads of them are misses
	Errors    uint64 // operations that failed

	Entries  int64 // entries held; may include some that have expired
	Bytes    int64 // what they are counted as, against the budget
	MaxBytes int64 // the budget, which other views may share

	Server *ServerStats // of the server behind the store; nil if there is none
}

// HitRatio returns the share of Gets that were hits, in 0..1; 0 before the first.
func (s Stats) HitRatio() float64 {
	if n := s.Hits + s.Misses; n > 0 {
		return float64(s.Hits) / float64(n)
	}
	return 0
}

// ServerStats are of a whole server, or the sum over the nodes of a cluster,
// with all that its other users do.
type ServerStats struct {
	Nodes     int    // primaries that answered
	Keys      int64  // keys in all databases
	Bytes     int64  // memory in use
	MaxBytes  int64  // memory limit; 0: none
	Hits      uint64 // key look-ups that found something
	Misses    uint64
	Evictions uint64
	Expired   uint64
}

// A Reporter is a Store that counts what it does.
type Reporter interface {
	// Stats returns the counters. A store with a server asks it; if it does
	// not answer, the error says so and the counters of this process are
	// returned all the same.
	Stats(ctx context.Context) (Stats, error)
}

// StatsOf returns the counters of s as [Reporter] describes it. Without the
// capability it returns an error that is errors.ErrUnsupported.
func StatsOf[T any](ctx context.Context, s Store[T]) (Stats, error) {
	if r, ok := s.(Reporter); ok {
		return r.Stats(ctx)
	}
	return Stats{}, unsupported(s, "stats")
}
