// Package breaker keeps work from being sent to what does not do it: a circuit breaker
// (Nygard, Release It!, 2007).
package breaker

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A State says whether work is sent.
type State uint8

// The states.
const (
	Closed   State = iota // it is
	HalfOpen              // some is, to see whether it gets done
	Open                  // it is not
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

// Settings of a Breaker. All but Changed must be above zero.
type Settings struct {
	Threshold int           // how many failures in a row open it
	First     time.Duration // how long it is open at first, less up to half at random
	Last      time.Duration // what that doubles to while nothing gets done
	Trials    int           // how many must succeed before it closes; no more are tried at a time

	// Changed is called after each change of the state, by whoever caused it.
	Changed func(now State)
}

// A Breaker is closed until as much has failed in a row as its settings say. Then it
// is open for a while, and half-open after it: a few are tried, which close it, or
// open it for longer. Its methods may be called concurrently.
type Breaker struct {
	settings Settings
	uneasy   atomic.Bool // it is not closed, or something has failed since anything succeeded

	mu       sync.Mutex
	state    State
	since    time.Time // of the state; zero: it was never another
	opened   uint64    // how often it was
	failures int       // in a row, while closed
	wait     time.Duration
	until    time.Time // open until then
	given    int       // trials, while half-open
	gave     time.Time // the last of them
	done     int       // of which succeeded
}

// New returns a closed Breaker.
func New(s Settings) *Breaker { return &Breaker{settings: s} }

// Allow reports whether work may be sent: what comes of it is then to be told to
// Succeeded or Failed, unless that says nothing. Where somebody probes, who tells
// Mended, nothing is tried while it is open. While it is closed and nothing fails it
// costs one atomic load.
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
	b.tell(changed, HalfOpen)
	return ok
}

// give reports whether one more may be tried. Of those that were, some may never tell.
// The lock is held.
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

// Succeeded says that work got done. While nothing fails it costs one atomic load.
func (b *Breaker) Succeeded() {
	if b.uneasy.Load() {
		b.succeeded(false)
	}
}

// Mended is Succeeded of who probes: if it was open, it is half-open.
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
	b.tell(is != was, is)
}

// Failed says that work did not get done. What was sent before it opened may say so
// late, which means nothing.
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
	b.tell(is != was, is)
}

// Failing says that a probe failed: while it is open it stays so for longer.
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

// Trip opens it, if it is not open, whatever has failed.
func (b *Breaker) Trip() {
	b.mu.Lock()
	was := b.state
	if was != Open {
		b.uneasy.Store(true)
		b.open(time.Now())
	}
	b.mu.Unlock()
	b.tell(was != Open, Open)
}

// open opens it, or keeps it open, for longer than the last time. The lock is held.
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

func (b *Breaker) tell(changed bool, now State) {
	if changed && b.settings.Changed != nil {
		b.settings.Changed(now)
	}
}

// Easy reports whether it is closed and nothing has failed since anything succeeded.
func (b *Breaker) Easy() bool { return !b.uneasy.Load() }

// A Status is what there is to know of a Breaker.
type Status struct {
	State  State
	Since  time.Time // when it became so; zero: it was never otherwise
	Opened uint64    // how often it was opened
}

// Status returns the state.
func (b *Breaker) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Status{b.state, b.since, b.opened}
}

// Wait returns how long it is until the next probe, if it is open.
func (b *Breaker) Wait() (d time.Duration, open bool) {
	if !b.uneasy.Load() {
		return 0, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(time.Until(b.until), 0), b.state == Open
}
