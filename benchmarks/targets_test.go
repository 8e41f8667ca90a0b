package benchmarks_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/lokroom/strata"
)

// A target is what Strata should cost, as a multiple of the time of a peer that does the
// same work.
func target(most float64) goal { return goal{most: most} }

// TestTargets compares strata with the peer of each target, in interleaved rounds. "make
// bench-targets" runs it in full.
func TestTargets(t *testing.T) {
	tab := newTable(t)
	defer tab.print()
	l1 := hitsOf(t)
	tab.compare("L1 hit, int64 id, pointer, serial", target(1.05), l1[0], l1[1], by(1))
	tab.compare("L1 hit, int64 id, pointer, parallel", target(1.20), l1[0], l1[1], by(processors()))
	for _, took := range []struct {
		name   string
		time   time.Duration
		target float64
	}{{"nothing", 0, 3.5}, {"1 µs", time.Microsecond, 2}} {
		impls := loadsOf(t, took.time)
		tab.compare("miss, load of "+took.name+", L1", target(took.target), impls[0], impls[1], by(1))
	}
	hits := named(l2Impls(t, newListing, idOf))
	tab.compare("L2 hit, 1 caller", target(1.15), hits["rueidis"], hits["strata"], by(1))
	tab.compare("L2 hit, 64 callers", target(0.75), hits["rueidis"], hits["strata"], by(64))
	// With a context that can be cancelled, as in a request, rueidis leaves the goroutine of the
	// caller, as a connection that receives invalidations always does.
	requests := named(inRequest(t))
	tab.compare("L2 hit, 1 caller in a request", goal{}, requests["rueidis"], requests["strata"], by(1))
	batches := named(batchL2(t))
	tab.compare("batch of 100, L2", target(1.10), batches["rueidis-mget"], batches["strata"], by(1))
	misses := named(loadsL2(t))
	tab.compare("miss and load, L1+L2, 64 callers", target(2), misses["otter+rueidis"], misses["strata"], by(64))
	fill(t, flush(t))
}

func named(impls []contender) map[string]contender {
	by := make(map[string]contender, len(impls))
	for _, c := range impls {
		by[c.name] = c
	}
	return by
}

// hitsOf returns otter with its loader and an expiry, and strata, which have all hot keys in
// memory as pointers.
func hitsOf(t testing.TB) []contender {
	t.Helper()
	load := func(_ context.Context, id int64) (*listing, error) { l := newListing(int(id)); return &l, nil }
	peer, err := otter.New(&otter.Options[int64, *listing]{
		MaximumWeight: memory, Weigher: func(int64, *listing) uint32 { return rawCost },
		ExpiryCalculator: otter.ExpiryWriting[int64, *listing](life),
	})
	fill(t, err)
	t.Cleanup(func() { peer.StopAllGoroutines() })
	cache := openCache(t, strata.Otter, load)
	return []contender{
		{"otter-loader", func(i int) error {
			_, err := peer.Get(ctx, int64(i), otter.LoaderFunc[int64, *listing](load))
			return err
		}},
		{"strata", func(i int) error { _, err := cache.Get(ctx, int64(i)); return err }},
	}
}

// A pair is a small value.
type pair struct{ a, b int64 }

var lastID atomic.Int64

// loadsOf returns otter with its loader and an expiry, and strata, which both load new ids for
// a time. It is spent by computing: a sleep would be longer.
func loadsOf(t testing.TB, took time.Duration) []contender {
	t.Helper()
	load := func(_ context.Context, id int64) (pair, error) {
		if took > 0 {
			for start := time.Now(); time.Since(start) < took; {
			}
		}
		return pair{id, id}, nil
	}
	peer, err := otter.New(&otter.Options[int64, pair]{
		MaximumWeight: memory, Weigher: func(int64, pair) uint32 { return 128 },
		ExpiryCalculator: otter.ExpiryWriting[int64, pair](life),
	})
	fill(t, err)
	t.Cleanup(func() { peer.StopAllGoroutines() })
	cache := openCache(t, strata.Otter, load)
	right := func(id int64, v pair, err error) error {
		if err == nil && v.a != id {
			err = errWrong
		}
		return err
	}
	return []contender{
		{"otter-loader", func(int) error {
			id := lastID.Add(1)
			v, err := peer.Get(ctx, id, otter.LoaderFunc[int64, pair](load))
			return right(id, v, err)
		}},
		{"strata", func(int) error {
			id := lastID.Add(1)
			v, err := cache.Get(ctx, id)
			return right(id, v, err)
		}},
	}
}
