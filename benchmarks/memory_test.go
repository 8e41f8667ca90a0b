package benchmarks_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/maypok86/otter/v2"

	"github.com/lokroom/strata"
)

// heap returns the bytes of live objects.
func heap() float64 {
	runtime.GC()
	runtime.GC() // of what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// perEntry returns the bytes of each of n entries that fill has put into what it returns.
func perEntry(n int, fill func(n int) (held any)) float64 {
	before := heap()
	held := fill(n)
	bytes := (heap() - before) / float64(n)
	runtime.KeepAlive(held)
	return bytes
}

// TestMemoryPerEntry compares what an entry takes with the same in bare otter: a small struct
// under an integer, which otter has as a string, with an expiry. Bounds on bytes hold on every
// 64-bit machine.
func TestMemoryPerEntry(t *testing.T) {
	const n = 1 << 18 // the hash tables double at the same sizes
	bare := perEntry(n, func(n int) any {
		cache, err := otter.New(&otter.Options[string, pair]{
			MaximumSize: 2 * n, ExpiryCalculator: otter.ExpiryWriting[string, pair](life),
		})
		fill(t, err)
		t.Cleanup(func() { cache.StopAllGoroutines() })
		for i := range n {
			cache.Set(strconv.Itoa(i), pair{})
		}
		cache.CleanUp()
		return cache
	})
	for _, c := range []struct {
		engine strata.Engine
		most   float64 // times bare otter
	}{{strata.Otter, mostOtter}, {strata.Ristretto, mostRistretto}} {
		bytes := perEntry(n, func(n int) any { return filled(t, c.engine, n) })
		t.Logf("%v: %.0f bytes for an entry, otter with a string key %.0f: %.2f", c.engine, bytes, bare, bytes/bare)
		if *measure {
			fmt.Printf("memory for an entry, %v: %.0f bytes, otter with a string key %.0f: %.2fx\n", c.engine, bytes, bare, bytes/bare)
		}
		if bytes > c.most*bare {
			t.Errorf("%v: %.0f bytes for an entry, want at most %.2f times those of otter, %.0f", c.engine, bytes, c.most, bare)
		}
	}
}

// What an entry may take, as a multiple of that of bare otter. The target is 1.15.
const (
	mostOtter     = 2.05
	mostRistretto = 4.9
)

// filled returns a cache with n entries.
func filled(t *testing.T, engine strata.Engine, n int) *strata.Cache[int64, pair] {
	t.Helper()
	backend, err := strata.Open(ctx, &strata.Config{Engine: engine, Memory: 1 << 30})
	fill(t, err)
	t.Cleanup(func() { backend.Close() })
	cache, err := strata.New(backend, "pair", func(_ context.Context, id int64) (pair, error) { return pair{id, id}, nil },
		&strata.Options[int64, pair]{TTL: life})
	fill(t, err)
	for i := range n {
		fill(t, cache.Set(ctx, int64(i), pair{}))
	}
	return cache
}
