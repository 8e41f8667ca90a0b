// Package clock returns the time at the cost of a memory read, for code that needs it on
// every cache hit.
package clock

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

const (
	// tick is how often a running clock updates the time.
	tick = 2 * time.Millisecond

	// linger is the number of ticks between two checks whether the clock is in use. It
	// stops after one to two such periods without a reader.
	linger = 50

	// near is the distance in milliseconds at which Passed uses the exact time. It is many
	// ticks, because an overloaded machine runs the ticking goroutine late; 150 ms and more
	// have been observed.
	near = store.Time(1000)
)

// A Coarse clock returns a time that is up to two ticks (4 ms) late, at the cost of two
// atomic loads. A goroutine updates it while it is in use and ends about 100 ms after the
// last reader. The next reader starts it again and gets the exact time. The zero Coarse is
// ready to use. It must not be copied. It belongs to the testing/synctest bubble that first
// reads it, if any.
type Coarse struct {
	now  atomic.Int64 // a store.Time; 0: the clock is stopped
	used atomic.Bool  // the clock was read since the last check

	mu      sync.Mutex
	stopped bool
	quit    chan struct{} // of the current goroutine
	done    chan struct{}
}

// New returns a Coarse.
func New() *Coarse { return new(Coarse) }

// Now returns the current time. It is never in the future, and at most 4 ms in the past if
// the goroutine of the clock is scheduled in time.
func (c *Coarse) Now() store.Time {
	now := c.now.Load()
	if now == 0 {
		return c.start()
	}
	// Stored only when it changes: otherwise all readers would contend for the cache line.
	if !c.used.Load() {
		c.used.Store(true)
	}
	return store.Time(now)
}

// Passed reports whether t has passed. In the last second before t it uses the exact clock,
// so that it is correct even if Now is late. The zero Time never passes.
func (c *Coarse) Passed(t store.Time) bool {
	// The common case, without another call.
	if now := store.Time(c.now.Load()); now != 0 && t-now > near && c.used.Load() {
		return false
	}
	return t != 0 && c.passed(t)
}

func (c *Coarse) passed(t store.Time) bool {
	left := t - c.Now()
	return left <= 0 || left <= near && store.Now() >= t
}

// Stop ends the goroutine of the clock and waits for it. Afterwards Now returns the exact
// time. Stop may be called more than once.
func (c *Coarse) Stop() {
	c.mu.Lock()
	running := c.now.Swap(0) != 0
	if running {
		close(c.quit)
	}
	c.stopped = true
	done := c.done
	c.mu.Unlock()
	if done != nil {
		<-done
	}
}

func (c *Coarse) start() store.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := store.Now()
	if c.stopped || c.now.Load() != 0 {
		return now
	}
	c.now.Store(int64(now))
	c.used.Store(true)
	c.quit, c.done = make(chan struct{}), make(chan struct{})
	go c.run(c.quit, c.done)
	return now
}

func (c *Coarse) run(quit <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	t := time.NewTicker(tick)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case <-quit:
			return
		case <-t.C:
		}
		if !c.advance(n%linger == 0) {
			return
		}
	}
}

// advance updates the time. If look is set and the clock was not used since the last check,
// it stops the clock instead and returns false.
func (c *Coarse) advance(look bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return false
	}
	if look && !c.used.Swap(false) {
		c.now.Store(0)
		return false
	}
	c.now.Store(int64(store.Now()))
	return true
}
