package deadline

import (
	"context"
	"sync"
	"time"
)

// A Context is a context with an optional deadline that can be cancelled. It becomes one of
// package context when a caller needs its channel or its cause. Until then, it allocates
// nothing: many operations never wait for the end of their context.
//
// The zero Context is invalid: Start must be called first. A Context must not be copied.
type Context struct {
	parent context.Context
	at     time.Time // zero: no deadline

	mu     sync.Mutex
	over   bool            // Cancel was called
	cause  error           // of Cancel
	real   context.Context // nil: not needed yet
	cancel context.CancelCauseFunc
}

// Start makes c a context with the values of parent that ends with parent, at a time, or
// with Cancel. A zero time is no deadline. Start must be called once, before c is used.
func (c *Context) Start(parent context.Context, at time.Time) { c.parent, c.at = parent, at }

// Cancel ends c with a cause; nil: context.Canceled. Only the first Cancel has an effect.
func (c *Context) Cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.over, c.cause = true, cause
	if c.cancel != nil {
		c.cancel(cause)
	}
}

// Cancelled reports whether Cancel was called.
func (c *Context) Cancelled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// made returns the context of package context that stands for c.
func (c *Context) made() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real
	}
	c.real, c.cancel = context.WithCancelCause(c.parent)
	if c.over {
		c.cancel(c.cause)
	}
	if !c.at.IsZero() {
		var stop context.CancelFunc
		c.real, stop = context.WithDeadline(c.real, c.at)
		_ = stop // cancel stops the timer, too
	}
	return c.real
}

// Deadline returns the earlier deadline of c and its parent.
func (c *Context) Deadline() (at time.Time, ok bool) {
	at, ok = c.parent.Deadline()
	if c.at.IsZero() || ok && at.Before(c.at) {
		return at, ok
	}
	return c.at, true
}

// Done returns a channel that is closed at the end of c.
func (c *Context) Done() <-chan struct{} { return c.made().Done() }

// Err returns why c has ended, or nil.
func (c *Context) Err() error {
	c.mu.Lock()
	made, over := c.real, c.over
	c.mu.Unlock()
	if made != nil {
		return made.Err()
	}
	if err := c.parent.Err(); err != nil {
		return err
	}
	switch {
	case over:
		return context.Canceled
	case !c.at.IsZero() && !time.Now().Before(c.at):
		return context.DeadlineExceeded
	}
	return nil
}

// Value returns the value of the parent for key. Package context itself asks with a *int,
// for the context that can be cancelled.
func (c *Context) Value(key any) any {
	if _, ok := key.(*int); ok {
		return c.made().Value(key)
	}
	return c.parent.Value(key)
}
