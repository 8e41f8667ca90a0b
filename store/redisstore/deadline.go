package redisstore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// deadlines gives every operation a deadline of its own. Making a context with a
// timeout costs more than half a microsecond, so operations that begin within an
// eighth of the timeout share one, which ends a timeout after the last of them
// could begin.
type deadlines struct {
	timeout time.Duration
	current atomic.Pointer[shared]
	mu      sync.Mutex
}

type shared struct {
	ctx    context.Context
	cancel context.CancelFunc
	start  time.Time
}

// begin returns a context that is done when ctx is, or when the timeout is over.
// cancel must be called after the operation.
func (d *deadlines) begin(ctx context.Context) (call context.Context, cancel context.CancelFunc) {
	if ctx.Done() == nil {
		return d.share(time.Now()), nothing
	}
	if at, ok := ctx.Deadline(); ok && time.Until(at) <= d.timeout {
		return ctx, nothing
	}
	return context.WithTimeout(ctx, d.timeout)
}

func nothing() {}

// share returns a context that ends between 8/8 and 9/8 of the timeout from now.
func (d *deadlines) share(now time.Time) context.Context {
	slice := d.timeout / 8
	if s := d.current.Load(); s != nil && now.Sub(s.start) < slice {
		return s.ctx
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.current.Load(); s != nil && now.Sub(s.start) < slice {
		return s.ctx
	}
	s := &shared{start: now}
	s.ctx, s.cancel = context.WithDeadline(context.Background(), now.Add(d.timeout+slice))
	d.current.Store(s) // the one before ends by itself
	return s.ctx
}

// stop ends the current context.
func (d *deadlines) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.current.Swap(nil); s != nil {
		s.cancel()
	}
}
