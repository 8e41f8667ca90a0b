package layered

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/store"
)

// Counts are the counters of a Store since New.
type Counts struct {
	L1Hits      uint64 // answers from this process's memory
	L2Hits      uint64 // answers from the shared tier
	Misses      uint64 // reads that found nothing fresh in either tier
	Loads       uint64 // calls of the loader
	LoadErrors  uint64 // of which failed; "not found" is no failure
	Shared      uint64 // callers that got the result of another caller's load or L2 read
	Waits       uint64 // waits for the load of another process
	StaleServed uint64 // stale answers because the load failed, was refused, or is running
	Suspect     uint64 // of which were suspect: L2 could not be asked either
	Overloads   uint64 // loads refused by Options.MaxLoads or LoadBudget
	Defaults    uint64 // answers of Source.Default

	Refreshes     uint64 // refreshes of existing values; their loads are in Loads, too
	NotModified   uint64 // loads that returned store.ErrNotModified
	RefreshErrors uint64 // refreshes that failed; overtaken ones are in Refused

	L2Errors      uint64 // operations of L2 that failed while reading
	EncodeErrors  uint64 // loaded values that a tier could not hold: see store.ErrUnstorable and store.ErrTooLarge
	Invalidations uint64 // keys that L2 has pushed: a process changed them, perhaps this one, or L2 expired or evicted them
	OwnChanges    uint64 // keys that this process changed; a change of all counts as one
	Outdated      uint64 // copies in L1 that a read found to have a tag that any process has invalidated; of a value that another process loads again before, L2 pushes the key
	Lost          uint64 // times that invalidations were possibly missed, and all of L1 was suspect
	Revalidated   uint64 // suspect copies that L2 confirmed
	Refused       uint64 // copies and loads not kept because a change overtook them

	RetryQueue  int           // keys with a write that L2 has not acknowledged; -1: all
	RetryOldest time.Duration // age of the oldest of them
	RetryErr    error         // error of the last retry; nil if the queue is empty, or nothing was retried yet
	Retried     uint64        // retries of the queue

	// RetryRefused counts queued writes that L2 permanently refused, for example of a key
	// that is too long. The Observer is notified of each.
	RetryRefused uint64

	Replayed uint64 // keys deleted again after a rollback of L2: see Options.RecentWritesFor; a Clear counts as one

	Sampled      uint64                       // answers of L1 compared with L2
	SampledStale uint64                       // of which differed
	StaleFor     [len(StaleBounds) + 1]uint64 // of those, by the time until L1 dropped the copy

	L1 store.Stats // of the tier; its hits and misses count every look
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
		Suspect:       s.count.suspect.Load(),
		Overloads:     s.count.overloads.Load(),
		Defaults:      s.count.defaults.Load(),
		L2Errors:      s.count.l2Errors.Load(),
		EncodeErrors:  s.count.unstorable.Load(),
		Invalidations: s.count.invalidations.Load(),
		OwnChanges:    s.count.ownChanges.Load(),
		Outdated:      s.count.tagged.Load(),
		Lost:          s.count.lost.Load(),
		Refused:       s.count.refused.Load(),
		Revalidated:   s.count.revalidated.Load(),
		Waits:         s.count.waits.Load(),
		Refreshes:     s.count.refreshes.Load(),
		RefreshErrors: s.count.refreshErrors.Load(),
		NotModified:   s.count.notModified.Load(),
	}
	c.RetryQueue, c.RetryOldest = s.retryQueue.Counts()
	c.RetryErr = s.retryQueue.Err()
	c.RetryRefused, _ = s.Refused()
	c.Retried = s.retryQueue.Tries()
	c.Replayed = s.count.replayed.Load()
	c.SampledStale = s.sampler.stale.Load()
	c.Sampled = s.sampler.current.Load() + c.SampledStale
	for i := range c.StaleFor {
		c.StaleFor[i] = s.sampler.staleFor[i].Load()
	}
	notServed := s.count.l1Stale.Load() // read first: then it never exceeds the hits
	if !s.countL1 {
		c.L1, _ = store.StatsOf(context.Background(), s.l1) // in memory
		c.L1Hits = c.L1.Hits - min(notServed, c.L1.Hits)
	}
	return c
}

// RetryQueue returns the number of keys with a write that L2 has not acknowledged, -1 for
// all keys, and the age of the oldest write.
func (s *Store[T]) RetryQueue() (n int, oldest time.Duration) { return s.retryQueue.Counts() }

// RetryQueueErr returns the error of the last retry, or nil if the queue is empty.
func (s *Store[T]) RetryQueueErr() error { return s.retryQueue.Err() }

// Stats returns the counters as those of one store: a hit is an answer from either tier; sets
// and deletes are those of the lowest tier, sizes those of L1. L2 may be asked over the
// network: see [store.Reporter].
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
