package benchmarks_test

import (
	"slices"
	"time"
)

// Times on a busy or throttled machine drift by more than the effects to measure. Therefore
// a contender and its baseline take turns in short rounds (base, other, other, base, base,
// ...). Each round gives a ratio, and the result is the median of the ratios.

// A turn runs n operations.
type turn func(n int) error

// A comparison is the result of interleave.
type comparison struct {
	base, other time.Duration // for one operation: the medians
	ratio       float64       // other / base: the median over the rounds
	low, high   float64       // the quartiles of the ratio
	best        float64       // the ratio of the fastest turns
	cpu         float64       // the ratio of the processor time of this process: the median; 0: unknown
}

// interleave compares two implementations of one operation. A turn takes about slice; a
// slice of 0 runs 64 operations, as a test.
func interleave(rounds int, slice time.Duration, base, other turn) (c comparison, err error) {
	var n [2]int
	for i, t := range []turn{base, other} {
		if n[i], err = calibrate(t, slice); err != nil {
			return c, err
		}
	}
	bases, others, ratios, cpus := make([]float64, rounds), make([]float64, rounds), make([]float64, rounds), make([]float64, rounds)
	for round := range rounds {
		var took, used [2]float64
		for i := range 2 {
			i := (i + round) % 2
			if took[i], used[i], err = clock([]turn{base, other}[i], n[i]); err != nil {
				return c, err
			}
		}
		bases[round], others[round], ratios[round] = took[0], took[1], took[1]/took[0]
		if used[0] > 0 {
			cpus[round] = used[1] / used[0]
		}
	}
	return comparison{
		base: time.Duration(quantile(bases, 0.5)), other: time.Duration(quantile(others, 0.5)),
		ratio: quantile(ratios, 0.5), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75),
		best: quantile(others, 0) / quantile(bases, 0), cpu: quantile(cpus, 0.5),
	}, nil
}

// calibrate returns how many operations t runs in a slice.
func calibrate(t turn, slice time.Duration) (int, error) {
	for n := 64; ; n *= 4 {
		per, _, err := clock(t, n)
		if err != nil {
			return 0, err
		}
		if took := per * float64(n); took >= float64(slice)/8 {
			return max(64, int(float64(slice)/per)), nil
		}
	}
}

// clock returns the nanoseconds per operation, and those of processor time, which other
// programs disturb less.
func clock(t turn, n int) (took, used float64, err error) {
	start, busy := time.Now(), processorTime()
	err = t(n)
	return float64(max(1, time.Since(start))) / float64(n), float64(processorTime()-busy) / float64(n), err
}

// quantile returns the q-quantile of values.
func quantile(values []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[int(q*float64(len(s)-1)+0.5)]
}
