package store

import (
	"context"
	"sync"
	"time"
)

// A ManyLeaser is a [Leaser] that does for many keys what it does for one, at less
// than the cost of as many calls.
type ManyLeaser[T any] interface {
	// LeaseMany asks for the leases of keys, each given once, as Lease does: not[i]
	// is a version that counts as stale for keys[i]. The grants are in the places
	// of their keys. The error is a *ManyError[string] of those keys for which it
	// failed, whose grants are zero.
	LeaseMany(ctx context.Context, keys []string, d time.Duration, not []uint64) ([]Grant, error)

	// FillManyLeased keeps what was loaded under leases as FillLeased does, and
	// returns what became of each fill in its place.
	FillManyLeased(ctx context.Context, fills []LeasedFill[T]) []Filled[T]
}

// A LeasedFill is an entry that was loaded under a lease.
type LeasedFill[T any] struct {
	Key   string
	Lease uint64
	Entry Entry[T]
}

// Filled is what became of a [LeasedFill]: what FillLeased returns.
type Filled[T any] struct {
	Entry   Entry[T] // as it was kept
	Watched bool
	Err     error
}

// leasesAtOnce is how many calls are under way at once where many keys are leased or
// filled one by one: what can share an exchange then does.
const leasesAtOnce = 32

// LeaseMany asks l for the leases of keys as [ManyLeaser] describes it. Without the
// capability it calls Lease for each, several at a time.
func LeaseMany[T any](ctx context.Context, l Leaser[T], keys []string, d time.Duration, not []uint64) ([]Grant, error) {
	if m, ok := l.(ManyLeaser[T]); ok {
		return m.LeaseMany(ctx, keys, d, not)
	}
	grants, failed := make([]Grant, len(keys)), make([]error, len(keys))
	inParallel(len(keys), func(i int) {
		if grants[i], failed[i] = l.Lease(ctx, keys[i], d, not[i]); failed[i] != nil {
			grants[i] = Grant{}
		}
	})
	errs := make(map[string]error)
	for i, err := range failed {
		if err != nil {
			errs[keys[i]] = err
		}
	}
	return grants, NewManyError(errs)
}

// FillManyLeased has l keep fills as [ManyLeaser] describes it. Without the
// capability it calls FillLeased for each, several at a time.
func FillManyLeased[T any](ctx context.Context, l Leaser[T], fills []LeasedFill[T]) []Filled[T] {
	if m, ok := l.(ManyLeaser[T]); ok {
		return m.FillManyLeased(ctx, fills)
	}
	filled := make([]Filled[T], len(fills))
	inParallel(len(fills), func(i int) {
		x, f := &fills[i], &filled[i]
		f.Entry, f.Watched, f.Err = l.FillLeased(ctx, x.Key, x.Lease, x.Entry)
	})
	return filled
}

// inParallel calls f for 0..n-1, several at a time.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, leasesAtOnce)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}
