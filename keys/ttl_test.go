package keys_test

import (
	"math"
	"testing"
	"time"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

func TestJitter_onlySubtracts(t *testing.T) {
	for _, d := range []time.Duration{1, 2, time.Millisecond, keys.Short, keys.VeryLong, math.MaxInt64 - 1} {
		for _, share := range []float64{0.01, 0.1, 0.5, 1, 7, math.Inf(1)} {
			least := time.Duration(float64(d) * (1 - min(share, 1)))
			for range 200 {
				got := keys.Jitter(d, share)
				// A float64 does not hold all of a large duration.
				if got > d || got < 1 || float64(got) < float64(least)*(1-1e-9)-1 {
					t.Fatalf("Jitter(%v, %v) = %v", d, share, got)
				}
			}
		}
	}
}

func TestJitter_unchanged(t *testing.T) {
	for _, share := range []float64{0, -0.5, math.NaN(), math.Inf(-1)} {
		if got := keys.Jitter(time.Hour, share); got != time.Hour {
			t.Errorf("Jitter(1h, %v) = %v", share, got)
		}
	}
	for _, d := range []time.Duration{0, -1, -time.Hour, store.Forever} {
		if got := keys.Jitter(d, 0.5); got != d {
			t.Errorf("Jitter(%v, 0.5) = %v", d, got)
		}
	}
}

// With 100,000 draws each tenth of the range has 10,000 of them, give or take 95;
// ten times that does not happen.
func TestJitter_uniform(t *testing.T) {
	const draws, share = 100_000, 0.25
	var tenths [10]int
	for range draws {
		less := time.Hour - keys.Jitter(time.Hour, share)
		tenths[min(int(float64(less)/(share*float64(time.Hour))*10), 9)]++
	}
	for i, n := range tenths {
		if n < draws/10-1000 || n > draws/10+1000 {
			t.Errorf("the tenth %d of the range has %d of %d draws", i, n, draws)
		}
	}
}

func BenchmarkJitter(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		keys.Jitter(keys.Medium, 0.1)
	}
}
