package benchmarks_test

import (
	"container/list"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/ristrettostore"
)

// capacity is the number of entries that fit in the caches of TestHitRatio.
const capacity = 10_000

// A trace returns the key of the i-th read.
type trace struct {
	name string
	next func(i int) uint64
}

// traces has one trace about frequency, and three about recency: what an LFU does well and
// badly.
func traces() []trace {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.01, 1, 1<<20)
	r := rand.New(rand.NewPCG(3, 4))
	small := rand.NewZipf(rand.New(rand.NewPCG(5, 6)), 1.01, 1, 1<<16)
	return []trace{
		{"zipf", func(int) uint64 { return zipf.Uint64() }},
		{"loop", func(i int) uint64 { return uint64(i % (capacity * 5 / 4)) }},
		{"scan", func(i int) uint64 { // every other 20,000 reads are of keys that are read once
			if i/20_000%2 == 1 {
				return 1<<32 + uint64(i)
			}
			return small.Uint64()
		}},
		{"drift", func(i int) uint64 { // new keys are read for a while, and never again
			return 1<<32 + uint64(i/8) - uint64(r.ExpFloat64()*capacity/4)
		}},
	}
}

// TestHitRatio replays traces through our stores of both engines, with room for 10,000
// entries, and through an exact LRU. "make bench-hits" prints the hit ratios; nothing is
// asserted.
//
// A miss is followed by a Set at once, or "paced", as after a load that takes a moment: the
// engine of ristrettostore works in the background, and drops Sets that arrive faster.
func TestHitRatio(t *testing.T) {
	reads := 1000
	if *measure {
		reads = 1_000_000
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "trace\tlru\totter\tristretto\tristretto, paced\t")
	for i := range traces() {
		lru := replay(traces()[i], reads, newLRU())
		otter := replay(traces()[i], reads, newSubject(t, strata.Otter, 0))
		full := replay(traces()[i], reads, newSubject(t, strata.Ristretto, 0))
		paced := replay(traces()[i], reads, newSubject(t, strata.Ristretto, 20*time.Microsecond))
		fmt.Fprintf(w, "%s\t%.1f %%\t%.1f %%\t%.1f %%\t%.1f %%\t\n", traces()[i].name, 100*lru, 100*otter, 100*full, 100*paced)
	}
	w.Flush()
	if *measure {
		fmt.Printf("%d reads, room for %d entries\n%s\n", reads, capacity, text.String())
	}
}

// A subject reads a key and keeps it if it was missing.
type subject func(key uint64) (hit bool)

func replay(tr trace, reads int, read subject) float64 {
	hits := 0
	for i := range reads {
		hits += btoi(read(tr.next(i)))
	}
	return float64(hits) / float64(reads)
}

// newSubject returns one of our stores with equal costs for all entries. It waits for pace
// before each Set.
func newSubject(t *testing.T, engine strata.Engine, pace time.Duration) subject {
	t.Helper()
	const cost = 1 << 10
	fixed := func(string, *store.Entry[uint64]) int64 { return cost }
	var s store.Store[uint64]
	if engine == strata.Ristretto {
		budget, err := ristrettostore.NewBudgetFor(capacity*cost, capacity)
		fill(t, err)
		t.Cleanup(budget.Close)
		s = ristrettostore.New(budget, &ristrettostore.Options[uint64]{Cost: fixed})
	} else {
		budget, err := otterstore.NewBudget(capacity * cost)
		fill(t, err)
		t.Cleanup(budget.Close)
		s = otterstore.New(budget, &otterstore.Options[uint64]{Cost: fixed})
	}
	return func(id uint64) bool {
		key := strconv.FormatUint(id, 10)
		_, err := s.Get(ctx, key)
		if !errors.Is(err, store.ErrNotFound) {
			fill(t, err)
			return true
		}
		for start := time.Now(); pace > 0 && time.Since(start) < pace; {
			runtime.Gosched()
		}
		fill(t, s.Set(ctx, key, store.Entry[uint64]{Value: id}))
		return false
	}
}

// newLRU returns an exact LRU for comparison.
func newLRU() subject {
	places, recent := make(map[uint64]*list.Element, capacity), list.New()
	return func(id uint64) bool {
		if e, ok := places[id]; ok {
			recent.MoveToFront(e)
			return true
		}
		if recent.Len() == capacity {
			last := recent.Back()
			delete(places, recent.Remove(last).(uint64))
		}
		places[id] = recent.PushFront(id)
		return false
	}
}
