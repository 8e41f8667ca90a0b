package layered

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

// counters count what goes beyond L1. A hit in L1 is counted by L1 itself, if it
// is a Reporter, and once is enough: l1Stale are those of them that did not serve.
type counters struct {
	l1Hits, l1Stale, l2Hits, misses, l2Errors atomic.Uint64
	loads, loadErrors, shared                 atomic.Uint64
	staleServed, invalidations, lost, refused atomic.Uint64
	waits, rechecked, replayed, doubtful      atomic.Uint64
	refreshes, refreshErrors, notModified     atomic.Uint64
	overloads, defaults, unstorable           atomic.Uint64
}

// Counts are what a Store did since it was made.
type Counts struct {
	L1Hits      uint64 // answers from this process's memory
	L2Hits      uint64 // answers from the shared tier
	Misses      uint64 // reads that found nothing fresh in either tier
	Loads       uint64 // calls of the loader
	LoadErrors  uint64 // of which failed; "not found" is no failure
	Shared      uint64 // callers who got the result of another's load or L2 read
	Waits       uint64 // times that another process's load was waited for
	StaleServed uint64 // stale answers because the source failed, was overloaded, or was still being asked
	Doubtful    uint64 // of which L2 could not be asked about either
	Overloads   uint64 // loads that did not begin, because of Options.MaxLoads or LoadBudget
	Defaults    uint64 // answers by [Store.FallBack]

	Refreshes     uint64 // values that began to be loaded anew while they stood; their loads count above, too
	NotModified   uint64 // loads that found the value that they were given to be the one still
	RefreshErrors uint64 // of which failed; those that were overtaken by a change are among Refused

	L2Errors      uint64 // operations of L2 that failed while reading
	EncodeErrors  uint64 // loaded values that a tier could not hold: see store.ErrUnstorable and store.ErrTooLarge
	Invalidations uint64 // changes made elsewhere that were told
	Lost          uint64 // times that changes may have been missed and all of L1 was in doubt
	Rechecked     uint64 // copies in doubt that L2 confirmed
	Refused       uint64 // copies and loads that were not kept because they had been overtaken

	Pending    int           // keys that were changed here and that L2 has not heard of; -1: all
	PendingFor time.Duration // the oldest of them
	PendingErr error         // why L2 could not be told at the last try; nil if nothing is pending, or nothing was tried yet
	Retried    uint64        // times that L2 was tried again

	// PendingRefused counts keys that were pending and that L2 refuses, a key that is too
	// long for instance: L2 cannot have them. The observer is told of each.
	PendingRefused uint64

	Replayed uint64 // keys, of Options.JournalFor, that L2 may have lost the change of; a Clear counts as one

	Sampled      uint64                       // answers of L1 that were compared with L2
	SampledStale uint64                       // of which L2 had another
	StaleFor     [len(StaleBounds) + 1]uint64 // those, by how long after the answer L1 had dropped it

	L1 store.Stats // of the tier itself; its misses and hits count every look
}

// Counts returns the counters. It does no I/O.
func (s *Store[T]) Counts() Counts {
	c := Counts{
		L1Hits:        s.count.l1Hits.Load(),
		L2Hits:        s.count.l2Hits.Load(),
		Misses:        s.count.misses.Load(),
		Loads:         s.count.loads.Load(),
		LoadErrors:    s.count.loadErrors.Load(),
		Shared:        s.count.shared.Load(),
		StaleServed:   s.count.staleServed.Load(),
		Doubtful:      s.count.doubtful.Load(),
		Overloads:     s.count.overloads.Load(),
		Defaults:      s.count.defaults.Load(),
		L2Errors:      s.count.l2Errors.Load(),
		EncodeErrors:  s.count.unstorable.Load(),
		Invalidations: s.count.invalidations.Load(),
		Lost:          s.count.lost.Load(),
		Refused:       s.count.refused.Load(),
		Rechecked:     s.count.rechecked.Load(),
		Waits:         s.count.waits.Load(),
		Refreshes:     s.count.refreshes.Load(),
		RefreshErrors: s.count.refreshErrors.Load(),
		NotModified:   s.count.notModified.Load(),
	}
	c.Pending, c.PendingFor = s.pending.counts()
	c.PendingErr = s.pending.why()
	c.PendingRefused, _ = s.Refused()
	c.Retried = s.pending.retried.Load()
	c.Replayed = s.count.replayed.Load()
	c.SampledStale = s.sampler.stale.Load()
	c.Sampled = s.sampler.current.Load() + c.SampledStale
	for i := range c.StaleFor {
		c.StaleFor[i] = s.sampler.staleFor[i].Load()
	}
	notServed := s.count.l1Stale.Load() // read first: it never exceeds the hits then
	if !s.countL1 {
		c.L1, _ = store.StatsOf(context.Background(), s.l1) // in memory
		c.L1Hits = c.L1.Hits - min(notServed, c.L1.Hits)
	}
	return c
}

// Pending returns how many keys were changed here that L2 has not heard of, -1 for all,
// and for how long the oldest: what is in Counts, without the rest.
func (s *Store[T]) Pending() (n int, oldest time.Duration) { return s.pending.counts() }

// PendingErr returns why L2 could not be told of what is pending, at the last try.
func (s *Store[T]) PendingErr() error { return s.pending.why() }

// Stats returns the counters as those of one store: a hit is an answer from
// either tier; sets and deletes are those of the lowest tier, sizes those of L1.
// L2 may be asked over the network, as [store.Reporter] says.
func (s *Store[T]) Stats(ctx context.Context) (store.Stats, error) {
	if s.closed.Load() {
		return store.Stats{}, s.errClosed("stats", "")
	}
	c := s.Counts()
	st := c.L1
	st.Hits, st.Misses = c.L1Hits+c.L2Hits, c.Misses
	if !s.hasL2 {
		return st, nil
	}
	l2, err := store.StatsOf(ctx, s.l2)
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	st.Sets, st.Deletes = l2.Sets, l2.Deletes
	st.Corrupt, st.Errors, st.Server = st.Corrupt+l2.Corrupt, st.Errors+l2.Errors, l2.Server
	return st, s.named(err)
}
