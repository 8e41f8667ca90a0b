// Package meter implements the arithmetic of rate limiting: the usage of a key, what it
// leaves at a given time, and how long until it leaves more. It has no clock, lock or keys.
// Package ratelimit adds those, and ratelimit/redislimit does the same arithmetic in a
// script.
//
// Times are microseconds since 1970, and all numbers are whole. All are below 2^53, so that
// a script, which has only floating-point numbers, gets the same results.
package meter

import (
	"errors"
	"fmt"
)

// A Kind is an algorithm.
type Kind uint8

// Algorithms.
const (
	GCRA    Kind   = iota // a bucket that drains evenly
	Fixed                 // counts by window, aligned to 1970
	Counter               // two windows; the older counts in proportion
	Strict                // never more than the limit in any window
	Slots                 // Strict, with units that can be released
	Kinds   = iota        // number of kinds
)

// exact bounds the integers that a float64 represents exactly.
const exact = 1 << 53

// Limits of the arguments of [New]: with these, no sum or product overflows.
const (
	MaxLimit   = 1 << 40
	MaxWindow  = 10 * 366 * 24 * 3600 * 1e6 // ten years
	MaxBuckets = 1 << 12
)

// A Rule is the numeric form of a policy. Fields that its Kind does not use are zero.
type Rule struct {
	Kind     Kind
	Capacity int64 // how much can pass at once
	Window   int64
	Tick     int64 // GCRA and Counter count time in whole ticks
	Unit     int64 // GCRA: debt of one unit
	Drain    int64 // GCRA: debt removed per tick
	Full     int64 // GCRA: ticks after which any debt is gone
	Grain    int64 // Strict and Slots: times are rounded up to multiples of it
}

// New returns a rule for limit per window. GCRA admits burst at once. Strict rounds times
// to one of the buckets of a window.
func New(kind Kind, limit, window, burst, buckets int64) (Rule, error) {
	r := Rule{Kind: kind, Capacity: limit, Window: window, Tick: 1}
	switch kind {
	case GCRA:
		return newGCRA(r, limit, burst)
	case Counter:
		return newCounter(r)
	case Strict:
		// With a bucket for each unit, every time is stored exactly.
		if r.Grain = 1; limit > buckets {
			r.Grain = (window + buckets - 1) / buckets
		}
	case Slots:
		r.Grain = 1
	}
	return r, nil
}

// errInexact is returned if whole numbers would be too large.
var errInexact = errors.New("limit and window have no common measure that is exact: choose rounder ones")

// coarsen sets the finest tick for which fits returns true, given the ticks in a window.
func (r *Rule) coarsen(fits func(ticks int64) bool) error {
	for r.Tick = 1; r.Tick <= 1e6; r.Tick *= 1000 {
		if r.Window%r.Tick == 0 && fits(r.Window/r.Tick) {
			return nil
		}
	}
	return fmt.Errorf("%d in %d us: %w", r.Capacity, r.Window, errInexact)
}

// A Cell is the usage of one rule by one key. The zero Cell is unused. The meaning of the
// numbers depends on the Kind.
type Cell struct {
	A, B, C int64
	Log     *Log // of Strict and Slots; nil while empty
}

// Advance moves a cell from its state at last to now, which is not earlier.
func (r *Rule) Advance(c *Cell, last, now int64) {
	switch r.Kind {
	case GCRA:
		r.drain(c, last, now)
	case Fixed, Counter:
		r.turn(c, now)
	default:
		c.Log.forget(now - r.Window)
	}
}

// Left returns the amount that may pass now. It is never negative.
func (r *Rule) Left(c *Cell, now int64) int64 {
	switch r.Kind {
	case GCRA:
		return max(0, r.Capacity*r.Unit-c.A) / r.Unit
	case Counter:
		return r.counterLeft(c, now)
	case Fixed:
		return max(0, r.Capacity-c.B)
	default:
		return max(0, r.Capacity-c.Log.Total())
	}
}

// Wait returns the time until n may pass if no other call passes: 0 if it may pass now,
// [Never] if it never can.
func (r *Rule) Wait(c *Cell, now, n int64) int64 {
	switch {
	case n > r.Capacity:
		return Never
	case n <= r.Left(c, now):
		return 0
	}
	return r.until(c, now, n)
}

// until is Wait for an n that may not pass now, but can.
func (r *Rule) until(c *Cell, now, n int64) int64 {
	switch r.Kind {
	case GCRA:
		return r.after(now, ceil(c.A+n*r.Unit-r.Capacity*r.Unit, r.Drain))
	case Counter:
		return r.counterWait(c, now, n)
	case Fixed:
		return c.A + r.Window - now
	default:
		return c.Log.until(r.Capacity-n) + r.Window - now
	}
}

// Never is the wait for an n that can never pass.
const Never = -1

// Reset returns the time until the cell is as if unused.
func (r *Rule) Reset(c *Cell, now int64) int64 {
	switch r.Kind {
	case GCRA:
		return r.after(now, ceil(c.A, r.Drain))
	case Counter:
		return r.counterReset(c, now)
	case Fixed:
		if c.B == 0 {
			return 0
		}
		return c.A + r.Window - now
	default:
		if c.Log.Total() == 0 {
			return 0
		}
		return c.Log.marks[len(c.Log.marks)-1].at + r.Window - now
	}
}

// Add charges n, which must not exceed Left. Units of Slots can be found by their id,
// unless it is 0.
func (r *Rule) Add(c *Cell, now, n int64, id uint64) {
	switch r.Kind {
	case GCRA:
		c.A += n * r.Unit
	case Fixed, Counter:
		c.B += n
	default:
		if c.Log == nil {
			c.Log = new(Log)
		}
		if r.Kind == Strict {
			id = 0
		}
		c.Log.add(mark{at: now - now%r.Grain + r.Grain - 1, n: n, id: id})
	}
}

// ceil returns a/b rounded up, for a that is not negative.
func ceil(a, b int64) int64 { return (a + b - 1) / b }
