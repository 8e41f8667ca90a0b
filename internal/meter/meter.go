// Package meter has the algorithms of rate limiting as arithmetic: what a key has
// used, what that leaves at a moment, and how long until it leaves more. It has no
// clock, no lock and no keys; package ratelimit adds those, and
// ratelimit/redislimit does the same arithmetic in a script.
//
// Times are microseconds since 1970, and all numbers are whole. None is 2^53 or
// more, so that a script, whose only numbers are floating-point, gets the same.
package meter

import (
	"errors"
	"fmt"
)

// A Kind is an algorithm.
type Kind uint8

// The algorithms.
const (
	GCRA    Kind   = iota // a bucket that drains evenly
	Fixed                 // counts by window, aligned to 1970
	Counter               // two windows, of which the older counts in proportion
	Strict                // never more than the limit in any window
	Slots                 // Strict, and what was admitted can be given back
	Kinds   = iota        // how many there are
)

// exact bounds the numbers that a float64 counts by one.
const exact = 1 << 53

// Limits of what [New] takes: no sum or product of theirs can go wrong unnoticed.
const (
	MaxLimit   = 1 << 40
	MaxWindow  = 10 * 366 * 24 * 3600 * 1e6 // ten years
	MaxBuckets = 1 << 12
)

// A Rule is a policy in numbers. The fields that its Kind does not use are zero.
type Rule struct {
	Kind     Kind
	Capacity int64 // how much can pass at once
	Window   int64
	Tick     int64 // GCRA and Counter see time in whole ticks
	Unit     int64 // GCRA: the debt that one makes
	Drain    int64 // GCRA: how much debt a tick takes away
	Full     int64 // GCRA: after how many ticks no debt is left, whatever it was
	Grain    int64 // Strict and Slots: times are rounded up to a multiple of it
}

// New returns the rule for limit in every window. A GCRA passes burst at once; a
// Strict tells no times apart that are in the same of the buckets of a window.
func New(kind Kind, limit, window, burst, buckets int64) (Rule, error) {
	r := Rule{Kind: kind, Capacity: limit, Window: window, Tick: 1}
	switch kind {
	case GCRA:
		return newGCRA(r, limit, burst)
	case Counter:
		return newCounter(r)
	case Strict:
		// With a bucket for each that may pass every time is kept as it is.
		if r.Grain = 1; limit > buckets {
			r.Grain = (window + buckets - 1) / buckets
		}
	case Slots:
		r.Grain = 1
	}
	return r, nil
}

// errInexact says what to do where whole numbers would get too large.
var errInexact = errors.New("limit and window have no common measure that is exact: choose rounder ones")

// coarsen finds the finest tick with which fits, of the ticks in a window, holds.
func (r *Rule) coarsen(fits func(ticks int64) bool) error {
	for r.Tick = 1; r.Tick <= 1e6; r.Tick *= 1000 {
		if r.Window%r.Tick == 0 && fits(r.Window/r.Tick) {
			return nil
		}
	}
	return fmt.Errorf("%d in %d us: %w", r.Capacity, r.Window, errInexact)
}

// A Cell is what one key has used of one rule. The zero Cell is that of a key
// nobody has heard of. What the numbers mean is for the Kind to say.
type Cell struct {
	A, B, C int64
	Log     *Log // of Strict and Slots; nil while empty
}

// Advance makes a cell that was true at last, at now, which is not before.
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

// Left returns how much may pass now. It is never negative.
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

// Wait returns how long until n may pass if nothing else does meanwhile: 0 if it may
// now, [Never] if it is more than can.
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

// Never is the wait for more than a rule can let pass.
const Never = -1

// Reset returns how long until the cell is as if it had never been used.
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

// Add lets n pass, which is not more than Left. What passes a Slots can be found
// again by its id, unless that is 0.
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
