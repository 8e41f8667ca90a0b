// Package clock tells the time at the price of a memory read, for code that
// asks on every cache hit.
package clock

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

const (
	// tick is how often a running clock reads the time.
	tick = 2 * time.Millisecond

	// linger is how many ticks apart the clock looks whether it is still
	// used: it stops after one to two such spans without a reader.
	linger = 50

	// near is how close to a moment Passed asks for the exact time, in
	// milliseconds. It is many ticks, because a machine with more to do than
	// it can runs the ticking goroutine late: by 150 ms, and more, has been seen.
	near = store.Time(1000)
)

// A Coarse clock tells the present moment up to two ticks (4 ms) late, at the
// cost of two atomic loads. A goroutine keeps it going while it is used and
// ends about 100 ms after the last reader; the next reader starts it again and
// gets the exact time. The zero Coarse is ready to use. It must not be copied,
// and belongs to the testing/synctest bubble that first reads it, if any.
type Coarse struct {
	now  atomic.Int64 // a store.Time; 0: the clock stands still
	used atomic.Bool  // somebody has read the clock since it last looked

	mu      sync.Mutex
	stopped bool
	quit    chan struct{} // of the present goroutine
	done    chan struct{}
}

// New returns a Coarse.
func New() *Coarse { return new(Coarse) }

// Now returns the present moment: never one to come, and as long as the machine
// runs the clock's goroutine in time, none more than 4 ms ago.
func (c *Coarse) Now() store.Time {
	now := c.now.Load()
	if now == 0 {
		return c.start()
	}
	// Only stored when it changes: otherwise all readers would fight for the
	// cache line.
	if !c.used.Load() {
		c.used.Store(true)
	}
	return store.Time(now)
}

// Passed reports whether t has passed. In the last second before t it asks the
// exact clock, so that it is right even where Now is late by as much. The zero
// Time never passes.
func (c *Coarse) Passed(t store.Time) bool {
	// The usual answer, without another call.
	if now := store.Time(c.now.Load()); now != 0 && t-now > near && c.used.Load() {
		return false
	}
	return t != 0 && c.passed(t)
}

func (c *Coarse) passed(t store.Time) bool {
	left := t - c.Now()
	return left <= 0 || left <= near && store.Now() >= t
}

// Stop ends the clock's goroutine and waits for it. Afterwards Now returns the
// exact time, without a goroutine. Stop may be called more than once.
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

// advance reads the time. If look is set and nobody has used the clock since
// the last look, it stops the clock instead and returns false.
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
