// Package deadline bounds the time of operations, at less than the cost of a context for
// each.
package deadline

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A Pool provides contexts with a timeout. Creating one costs more than half a microsecond.
// Operations that begin within an eighth of the timeout therefore share a context, which
// ends one timeout after the last of them could begin.
type Pool struct {
	// Timeout is how long an operation may take. It must be positive.
	Timeout time.Duration

	slots [16]slot // several, because all waiters of one context contend for its lock
}

// A slot is one of the contexts in use.
type slot struct {
	current atomic.Pointer[shared]
	mu      sync.Mutex
	_       [48]byte
}

type shared struct {
	ctx    context.Context
	cancel context.CancelFunc
	start  time.Time
}

// Begin returns a context that is done when ctx is, or when the timeout has passed. The
// caller must call cancel after the operation.
func (p *Pool) Begin(ctx context.Context) (call context.Context, cancel context.CancelFunc) {
	return p.BeginAt(ctx, time.Now())
}

// BeginAt is Begin with the current time.
func (p *Pool) BeginAt(ctx context.Context, now time.Time) (call context.Context, cancel context.CancelFunc) {
	if ctx.Done() == nil {
		return p.slots[rand.IntN(len(p.slots))].share(now, p.Timeout), nothing
	}
	if at, ok := ctx.Deadline(); ok && at.Sub(now) <= p.Timeout {
		return ctx, nothing
	}
	return context.WithTimeout(ctx, p.Timeout)
}

func nothing() {}

// share returns a context that ends between 8/8 and 9/8 of timeout from now.
func (sl *slot) share(now time.Time, timeout time.Duration) context.Context {
	slice := timeout / 8
	if s := sl.current.Load(); s != nil && now.Sub(s.start) < slice {
		return s.ctx
	}
	sl.mu.Lock()
	defer sl.mu.Unlock()
	if s := sl.current.Load(); s != nil && now.Sub(s.start) < slice {
		return s.ctx
	}
	s := &shared{start: now}
	s.ctx, s.cancel = context.WithDeadline(context.Background(), now.Add(timeout+slice))
	sl.current.Store(s) // the previous one ends by its timeout
	return s.ctx
}

// Stop ends the current contexts.
func (p *Pool) Stop() {
	for i := range p.slots {
		sl := &p.slots[i]
		sl.mu.Lock()
		if s := sl.current.Swap(nil); s != nil {
			s.cancel()
		}
		sl.mu.Unlock()
	}
}
