// Package breaker implements a circuit breaker (Nygard, Release It!, 2007), which stops
// calls to a dependency that fails.
package breaker

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A State is the state of a Breaker.
type State uint8

// States.
const (
	Closed   State = iota // calls are allowed
	HalfOpen              // a few trial calls are allowed
	Open                  // no calls are allowed
)

// String returns "closed", "half-open" or "open".
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	default:
		return "open"
	}
}

// Settings configure a Breaker. All but Changed must be positive.
type Settings struct {
	Threshold int           // consecutive failures that open it
	First     time.Duration // first open period, shortened by up to half at random
	Last      time.Duration // the open period doubles up to this
	Trials    int           // successful trials that close it, and maximum of concurrent trials

	// Changed is called after each change of the state, on the goroutine that caused it.
	Changed func(now State)
}

// A Breaker is closed until Threshold calls in a row have failed. It is then open for a
// period, and half-open after it: a few trials close it, or open it for longer. All methods
// are safe for concurrent use.
type Breaker struct {
	settings Settings
	uneasy   atomic.Bool // not closed, or a call has failed since the last success

	mu       sync.Mutex
	state    State
	since    time.Time // last change of the state; zero: never
	opened   uint64    // number of times
	failures int       // consecutive, while closed
	wait     time.Duration
	until    time.Time // end of the open period
	given    int       // trials started while half-open
	gave     time.Time // start of the last trial
	done     int       // successful trials
}

// New returns a closed Breaker.
func New(s Settings) *Breaker { return &Breaker{settings: s} }

// Allow reports whether a call is allowed. The caller must then call Succeeded or Failed,
// unless the result is inconclusive. probed means that a probe calls Mended: then no trials
// are allowed while the Breaker is open. If it is closed and nothing fails, Allow costs one
// atomic load.
func (b *Breaker) Allow(probed bool) bool {
	if !b.uneasy.Load() {
		return true
	}
	b.mu.Lock()
	now := time.Now()
	changed := false
	switch {
	case b.state == Closed:
		b.mu.Unlock()
		return true
	case b.state == Open && !probed && !now.Before(b.until):
		b.turn(HalfOpen, now)
		changed = true
	}
	ok := b.state == HalfOpen && b.give(now)
	b.mu.Unlock()
	b.notify(changed, HalfOpen)
	return ok
}

// give reports whether another trial may start. Some trials may never report a result. The
// lock is held.
func (b *Breaker) give(now time.Time) bool {
	if b.given >= b.settings.Trials {
		if now.Sub(b.gave) < b.settings.Last {
			return false
		}
		b.given = b.done
	}
	b.given++
	b.gave = now
	return true
}

// Succeeded reports a successful call. If nothing fails, it costs one atomic load.
func (b *Breaker) Succeeded() {
	if b.uneasy.Load() {
		b.succeeded(false)
	}
}

// Mended reports a successful probe: an open Breaker becomes half-open.
func (b *Breaker) Mended() {
	if b.uneasy.Load() {
		b.succeeded(true)
	}
}

func (b *Breaker) succeeded(probe bool) {
	b.mu.Lock()
	now, was := time.Now(), b.state
	switch b.state {
	case Closed:
		b.failures = 0
		b.uneasy.Store(false)
	case HalfOpen:
		if b.done++; b.done >= b.settings.Trials {
			b.turn(Closed, now)
		}
	case Open:
		if probe {
			b.turn(HalfOpen, now)
		}
	}
	is := b.state
	b.mu.Unlock()
	b.notify(is != was, is)
}

// Failed reports a failed call. Calls that started before the Breaker opened may report
// late, and are ignored.
func (b *Breaker) Failed() {
	b.mu.Lock()
	now, was := time.Now(), b.state
	b.uneasy.Store(true)
	switch b.state {
	case Closed:
		if b.failures++; b.failures >= b.settings.Threshold {
			b.open(now)
		}
	case HalfOpen:
		b.open(now)
	}
	is := b.state
	b.mu.Unlock()
	b.notify(is != was, is)
}

// Failing reports a failed probe: an open Breaker stays open for longer.
func (b *Breaker) Failing() {
	b.mu.Lock()
	if b.state == Open {
		b.open(time.Now())
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	b.Failed()
}

// Trip opens the Breaker, regardless of failures.
func (b *Breaker) Trip() {
	b.mu.Lock()
	was := b.state
	if was != Open {
		b.uneasy.Store(true)
		b.open(time.Now())
	}
	b.mu.Unlock()
	b.notify(was != Open, Open)
}

// open opens the Breaker or keeps it open, for longer than the last time. The lock is held.
func (b *Breaker) open(now time.Time) {
	if b.state == Closed {
		b.wait = b.settings.First
	} else {
		b.wait = min(2*b.wait, b.settings.Last)
	}
	b.until = now.Add(b.wait/2 + rand.N(b.wait/2+1))
	if b.state != Open {
		b.turn(Open, now)
		b.opened++
	}
}

// turn changes the state. The lock is held.
func (b *Breaker) turn(to State, now time.Time) {
	b.state, b.since = to, now
	b.failures, b.given, b.done = 0, 0, 0
	b.uneasy.Store(to != Closed)
}

func (b *Breaker) notify(changed bool, now State) {
	if changed && b.settings.Changed != nil {
		b.settings.Changed(now)
	}
}

// Easy reports whether the Breaker is closed and no call has failed since the last success.
func (b *Breaker) Easy() bool { return !b.uneasy.Load() }

// A Status is a snapshot of a Breaker.
type Status struct {
	State  State
	Since  time.Time // last change of the state; zero: never
	Opened uint64    // number of times that it opened
}

// Status returns a snapshot.
func (b *Breaker) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Status{b.state, b.since, b.opened}
}

// Wait returns the time until the next probe, if the Breaker is open.
func (b *Breaker) Wait() (d time.Duration, open bool) {
	if !b.uneasy.Load() {
		return 0, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(time.Until(b.until), 0), b.state == Open
}
