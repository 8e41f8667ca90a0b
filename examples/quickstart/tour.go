package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

// A tour is the steps of the program.
type tour struct {
	db       *database
	listings *strata.Cache[int64, Listing]
	redisURL string
	report   *report

	source sample // of reads without a cache
}

func (t *tour) steps() []func(context.Context) error {
	steps := []func(context.Context) error{t.uncached, t.cold, t.crowd, t.popular, t.changes, t.absent}
	if t.redisURL != "" {
		steps = append(steps, t.newcomer, t.peer)
	}
	return steps
}

func (t *tour) introduce() {
	l2 := "none; it would be a Redis that processes share: set REDIS_URL"
	if t.redisURL != "" {
		l2 = "the Redis of REDIS_URL or -redis, which processes share"
	}
	fmt.Fprintf(t.report.out, `A cache in front of a slow source.

  source  an imitation of a database: %s listings of 20 fields, 2-5 ms a read, %d at a time
  L1      %d MiB of the memory of this process
  L2      %s

Reads go to L1, then to L2, then to the source, and stop where there is an answer.

`, count(listingCount), atOnce, memory>>20, l2)
	t.report.header()
}

// read measures n reads of c and adds a row.
func (t *tour) read(c *strata.Cache[int64, Listing], what string, n, goroutines int, read func(i int) error) (row, error) {
	before, loads := c.Stats(), t.db.reads.Load()
	took, err := measure(n, goroutines, read)
	after := c.Stats()
	w := row{
		what: what, took: took, loads: int(t.db.reads.Load() - loads),
		l1: int(after.L1Hits - before.L1Hits), l2: int(after.L2Hits - before.L2Hits),
	}
	t.report.row(w)
	return w, err
}

// get returns a function that reads the listing with the i-th id through the cache.
func get(ctx context.Context, c *strata.Cache[int64, Listing], id func(i int) int64) func(int) error {
	return func(i int) error {
		_, err := c.Get(ctx, id(i))
		return err
	}
}

func (t *tour) uncached(ctx context.Context) error {
	const n = 1000
	before := t.db.reads.Load()
	took, err := measure(n, atOnce, func(i int) error {
		_, err := t.db.Listing(ctx, int64(i)+1)
		return err
	})
	t.source = took
	t.report.row(row{what: "the source, without a cache", l1: -1, l2: -1, loads: int(t.db.reads.Load() - before), took: took})
	return err
}

func (t *tour) cold(ctx context.Context) error {
	const n = 1000
	_, err := t.read(t.listings, "cold: listings that nobody has read yet", n, atOnce,
		get(ctx, t.listings, func(i int) int64 { return int64(i) + 1 }))
	return err
}

// crowd makes many callers read one cold listing at the same time.
func (t *tour) crowd(ctx context.Context) error {
	const callers = 1000
	var wrong atomic.Int64
	w, err := t.read(t.listings, "a crowd: 1,000 callers, one cold listing", callers, callers, func(int) error {
		l, err := t.listings.Get(ctx, slowest)
		if l.ID != slowest {
			wrong.Add(1)
		}
		return err
	})
	t.report.check(w.loads == 1 && wrong.Load() == 0,
		"%s callers at once wanted the same cold listing: %s of the source, for all of them", count(callers), reads(w.loads))
	return err
}

// popular reads like users, some listings much more often than others.
func (t *tour) popular(ctx context.Context) error {
	const goroutines = atOnce
	ids := popular(200_000)
	read := get(ctx, t.listings, func(i int) int64 { return ids[i] })
	if _, err := t.read(t.listings, "warming up: popular listings more often", len(ids), goroutines, read); err != nil {
		return err
	}
	w, err := t.read(t.listings, "warm: the same reads again", len(ids), goroutines, read)
	t.report.check(w.took.median() < t.source.median() && w.l1 > w.loads,
		"a warm read is some %s times as fast as one of the source (median)", count(rounded(int(t.source.median()/max(w.took.median(), 1)))))
	return err
}

// changes changes listings at the source and deletes them from the cache.
func (t *tour) changes(ctx context.Context) error {
	const n = 100
	var stale atomic.Int64
	id := func(i int) int64 { return int64(i) + 1 }
	for i := range n {
		if _, err := t.listings.Get(ctx, id(i)); err != nil { // it is in the cache
			return err
		}
		t.db.Reprice(id(i))
		if err := t.listings.Delete(ctx, id(i)); err != nil {
			return err
		}
	}
	_, err := t.read(t.listings, "changed: the first read after Delete", n, atOnce, func(i int) error {
		l, err := t.listings.Get(ctx, id(i))
		if l.Version != 1 {
			stale.Add(1)
		}
		return err
	})
	t.report.check(stale.Load() == 0,
		"%d listings were changed at the source and deleted from the cache: %s of the next reads saw the old one", n, none(stale.Load()))
	return err
}

// absent reads listings that do not exist.
func (t *tour) absent(ctx context.Context) error {
	const ids, each = 200, 5
	w, err := t.read(t.listings, "absent: 200 ids that do not exist, 5 times", ids*each, atOnce, func(i int) error {
		_, err := t.listings.Get(ctx, listingCount+1+int64(i%ids))
		if err == nil {
			return errors.New("a listing that does not exist was found")
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	t.report.check(w.loads == ids,
		"%d ids that do not exist were asked for %d times each: %s of the source", ids, each, reads(w.loads))
	return err
}

// newcomer opens everything a second time, like a new process: its L1 is empty, but L2 is
// not.
func (t *tour) newcomer(ctx context.Context) error {
	const n = 1000
	backend, listings, err := open(ctx, t.redisURL, t.db.Listing)
	if err != nil {
		return err
	}
	defer backend.Close()
	w, err := t.read(listings, "newcomer: an empty L1 behind a full L2", n, atOnce,
		get(ctx, listings, func(i int) int64 { return int64(i) + 1 }))
	t.report.check(w.loads == 0 && w.l2 == n,
		"an empty L1 got %s of %s listings from L2: %s of the source", count(w.l2), count(n), reads(w.loads))
	return err
}

// rounded keeps the first two digits of n and replaces the others by zeros.
func rounded(n int) int {
	unit := 1
	for n/unit >= 100 {
		unit *= 10
	}
	return n / unit * unit
}

func none(n int64) string {
	if n == 0 {
		return "none"
	}
	return count(int(n))
}

func reads(n int) string {
	switch n {
	case 0:
		return "no read"
	case 1:
		return "one read"
	default:
		return count(n) + " reads"
	}
}
