package ratelimit_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	"github.com/lokroom/strata/ratelimit"
)

// TestWorstWindows prints how much the worst window of each algorithm admits, as a
// multiple of the limit, and how much it admits in all, as a share of what a log of all
// calls would. docs/ratelimit-algorithms.md shows the table. What is promised is asserted: a
// StrictWindow has at most 1, and all others at most 2.
func TestWorstWindows(t *testing.T) {
	const limit, window = 100, time.Second
	loads := []struct {
		name string
		gap  func(*rand.Rand, time.Time) time.Duration
	}{
		{"random, as many as allowed", poisson(limit)},
		{"random, 1.5 times as many", poisson(1.5 * limit)},
		{"on and off", func(rnd *rand.Rand, now time.Time) time.Duration {
			if now.UnixMilli()/300%4 == 0 {
				return poisson(6*limit)(rnd, now)
			}
			return poisson(limit/3)(rnd, now)
		}},
		{"ten times as many", poisson(10 * limit)},
		{"an adversary", adversary(window)},
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "worst window / admitted in all")
	for _, load := range loads {
		fmt.Fprint(w, "\t", load.name)
	}
	for _, p := range []ratelimit.Policy{
		{Name: "strict", Algorithm: ratelimit.StrictWindow, Limit: limit, Window: window},
		{Name: "strict, 10 buckets", Algorithm: ratelimit.StrictWindow, Limit: limit, Window: window, Buckets: 10},
		{Name: "GCRA, burst a tenth", Limit: limit, Window: window, Burst: limit / 10},
		{Name: "GCRA", Limit: limit, Window: window},
		{Name: "sliding counter", Algorithm: ratelimit.SlidingCounter, Limit: limit, Window: window},
		{Name: "fixed window", Algorithm: ratelimit.FixedWindow, Limit: limit, Window: window},
	} {
		fmt.Fprintf(w, "\n%s", p.Name)
		p.Name = "p"
		for _, load := range loads {
			synctest.Test(t, func(t *testing.T) {
				got, all := admitted(t, p, load.gap)
				exact := p
				exact.Algorithm, exact.Buckets, exact.Burst = ratelimit.StrictWindow, limit, 0
				_, log := admitted(t, exact, load.gap)
				most := float64(got) / limit
				if bound := map[bool]float64{true: 1, false: 2}[p.Algorithm == ratelimit.StrictWindow]; most > bound {
					t.Errorf("%v, %s: a window with %v times the limit", p.Algorithm, load.name, most)
				}
				fmt.Fprintf(w, "\t%.2f / %.2f", most, float64(all)/float64(log))
			})
		}
	}
	w.Flush()
	t.Logf("limit %d in %v\n%s", limit, window, text.String())
}

// admitted runs one load for a while.
func admitted(t *testing.T, p ratelimit.Policy, gap func(*rand.Rand, time.Time) time.Duration) (most, all int) {
	l, rnd := local(t, p), rand.New(rand.NewPCG(6, 6))
	var times []time.Time
	for end := time.Now().Add(40 * p.Window); time.Now().Before(end); {
		if allowN(t, l, "k", 1).Allowed {
			times = append(times, time.Now())
		}
		time.Sleep(gap(rnd, time.Now()))
	}
	return worst(times, p.Window), len(times)
}

func poisson(perSecond float64) func(*rand.Rand, time.Time) time.Duration {
	return func(rnd *rand.Rand, _ time.Time) time.Duration {
		return time.Duration(-math.Log(1-rnd.Float64()) / perSecond * 1e9).Truncate(time.Microsecond)
	}
}

// adversary rests for two windows and a bit, so that a crowd arrives just before a
// boundary, and then asks all the time, for a window.
func adversary(window time.Duration) func(*rand.Rand, time.Time) time.Duration {
	return func(_ *rand.Rand, now time.Time) time.Duration {
		into := time.Duration(now.UnixNano() % int64(4*window))
		switch crowd := 3*window - 2*time.Millisecond; {
		case into < 200*time.Microsecond:
			return crowd - into
		case into < crowd && into > window:
			return crowd - into
		case into >= crowd && into < crowd+150*time.Microsecond:
			return time.Microsecond
		default:
			return 200 * time.Microsecond
		}
	}
}
