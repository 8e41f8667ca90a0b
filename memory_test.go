package strata_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// mostUnused is the maximum number of bytes of an unused cache.
const mostUnused = 9 << 10

// An unused cache takes little memory and has no goroutine.
func TestNew_unusedCacheAllocatesLittle(t *testing.T) {
	for name, cfg := range map[string]*strata.Config{
		"in memory": {}, "ristretto": {Engine: strata.Ristretto}, "with Redis": {RedisURL: redistest.Start(t, nil).URL()},
	} {
		t.Run(name, func(t *testing.T) {
			b := backend(t, cfg)
			unusedCaches(t, b, "first", 1) // starts what all caches share
			before, goroutines := heap(), runtime.NumGoroutine()
			const n = 1000
			caches := unusedCaches(t, b, "more", n)
			each := int64(heap()-before) / n
			t.Logf("%d bytes each", each)
			if each > mostUnused {
				t.Errorf("an unused cache takes %d bytes, want at most %d", each, mostUnused)
			}
			if more := runtime.NumGoroutine() - goroutines; more > 10 { // some of the connection come and go
				t.Errorf("%d goroutines more for %d caches", more, n)
			}
			runtime.KeepAlive(caches)
		})
	}
}

func unusedCaches(t *testing.T, b *strata.Backend, name string, n int) (caches []*strata.Cache[int, listing]) {
	for i := range n {
		c, err := strata.New(b, fmt.Sprint(name, i), func(context.Context, int) (listing, error) { return listing{}, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		caches = append(caches, c)
	}
	return caches
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
