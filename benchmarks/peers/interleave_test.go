package peers_test

import (
	"flag"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	measure = flag.Bool("measure", false, "measure, and print tables (with -v); otherwise a few operations show that it works")
	rounds  = flag.Int("rounds", 15, "rounds of each comparison, with -measure")
	slice   = flag.Duration("slice", 300*time.Millisecond, "how long a turn takes, with -measure")
)

// A contender does one piece of work; i counts them.
type contender struct {
	name string
	do   func(i int) error
}

// interleave lets contenders take turns, each round in another order, since times on a
// shared machine drift by more than what is to be shown. It returns operations a second
// of each contender, by round.
func interleave(callers int, cs []contender) ([][]float64, error) {
	n, d := *rounds, *slice
	if !*measure {
		n, d = 1, 10*time.Millisecond
	}
	out := make([][]float64, len(cs))
	for round := range n {
		for j := range cs {
			k := (round + j) % len(cs)
			rate, err := run(callers, d, cs[k].do)
			if err != nil {
				return nil, err
			}
			out[k] = append(out[k], rate)
		}
	}
	return out, nil
}

// run does work for d on so many goroutines and returns operations a second.
func run(callers int, d time.Duration, do func(i int) error) (float64, error) {
	var done, next atomic.Int64
	var failure atomic.Pointer[error]
	var wg sync.WaitGroup
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for time.Since(start) < d {
				base := int(next.Add(16))
				for i := range 16 {
					if err := do(base + i); err != nil {
						failure.Store(&err)
						return
					}
				}
				done.Add(16)
			}
		})
	}
	wg.Wait()
	if err := failure.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}

// quantile returns the value that a share q of the values are below.
func quantile(values []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[int(q*float64(len(s)-1)+0.5)]
}

// ratios divides round by round.
func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}
