//go:build !race

// The race detector allocates: "make test" runs this without it, too.

package ratelimit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata/ratelimit"
)

// A decision on a key that is there allocates nothing, whatever the algorithm and
// the outcome.
func TestLocal_allocs(t *testing.T) {
	for algorithm := ratelimit.GCRA; algorithm <= ratelimit.Concurrency; algorithm++ {
		for _, limit := range []int{3, 1_000} { // mostly denied, mostly allowed
			l := local(t, ratelimit.Policy{Name: "p", Algorithm: algorithm, Limit: limit, Window: 10 * time.Millisecond},
				ratelimit.Policy{Name: "q", Limit: 1_000_000, Window: time.Second})
			ks := make([]string, 100)
			for i := range ks {
				ks[i] = fmt.Sprint("key", i)
			}
			call := func() {
				for _, k := range ks {
					if _, err := l.Allow(ctx, k); err != nil {
						t.Fatal(err)
					}
				}
			}
			for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
				call() // the logs grow to their size
			}
			if n := testing.AllocsPerRun(100, call); n > 2 {
				t.Errorf("%v, limit %d: %v allocations for %d calls", algorithm, limit, n, len(ks))
			}
		}
	}
}
