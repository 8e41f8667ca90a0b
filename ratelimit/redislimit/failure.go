package redislimit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/meter"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/internal/rediserr"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store"
)

// An outage is what is known of Redis not answering.
type outage struct {
	until atomic.Int64 // when to try again, a [store.Time]; 0: there is none
}

// passes reports whether a call may go to Redis: always, but in an outage one in each
// pause.
func (o *outage) passes(pause time.Duration) bool {
	until := o.until.Load()
	if until == 0 {
		return true
	}
	now := store.Now()
	return now >= store.Time(until) && o.until.CompareAndSwap(until, int64(now.Add(pause)))
}

// ended notes how a call ended.
func (o *outage) ended(ok bool, pause time.Duration) {
	switch {
	case ok && o.until.Load() != 0:
		o.until.Store(0)
	case !ok && pause > 0:
		o.until.Store(int64(store.In(pause)))
	}
}

// errPause is the cause while Redis is left alone.
var errPause = fmt.Errorf("%w: it did not answer a moment ago", store.ErrUnavailable)

// exchange runs f, which asks Redis, unless Redis is left alone. The error is nil,
// ctx.Err() if ctx is done, or says that Redis could not be asked.
func (l *Limiter) exchange(ctx context.Context, op, key string, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return failed(op, key, err)
	}
	if !l.outage.passes(l.options.Pause) {
		return failed(op, key, errPause)
	}
	observed, end := store.Observe(ctx, l.options.Observer, store.Op{Store: storeName, Name: op, Key: key, Keys: 1})
	call, cancel := l.deadlines.Begin(observed)
	err := f(call)
	if redisdial.IsReadOnly(err) && l.redial(call) {
		err = f(call) // a replica refuses before it changes anything
	}
	cancel()
	if err != nil {
		err = failed(op, key, cause(ctx, err))
	}
	end(0, err)
	if ctx.Err() == nil { // else it says nothing about Redis
		l.outage.ended(err == nil || isReply(err), l.options.Pause)
	}
	return err
}

// redial replaces the connections, which lead to a server that is no primary any more, and
// reports whether a server answers on the new ones.
func (l *Limiter) redial(ctx context.Context) bool {
	d, ok := l.client.(*dialled)
	if !ok {
		return false
	}
	d.conns.Redial("")
	const tries = 3 // the first may still go over a connection that is being closed
	for range tries {
		if d.Do(ctx, d.B().Ping().Build()).Error() == nil {
			return true
		}
	}
	return false
}

// errNoAnswer is the cause where Redis did not answer in time.
var errNoAnswer = fmt.Errorf("%w: no answer in time", store.ErrUnavailable)

// isReply reports whether err is what Redis answered: it may be about this key only, and
// it did not take long.
func isReply(err error) bool {
	var reply *rueidis.RedisError
	return errors.As(err, &reply) || errors.Is(err, errReply)
}

// cause says what an error of rueidis means to the caller, whose context is ctx.
func cause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, rueidis.ErrClosing):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, store.ErrClosed)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		// Not the caller's context, which the chain must not suggest.
		return errNoAnswer
	}
	if cause := rediserr.Reply(replyText(err), err); errors.Is(cause, store.ErrAuth) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, cause)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// replyText returns the text of the error reply that err is; empty if it is none.
func replyText(err error) string {
	var reply *rueidis.RedisError
	if errors.As(err, &reply) {
		return reply.Error()
	}
	return ""
}

// without decides without Redis, which failed with err.
func (l *Limiter) without(ctx context.Context, op, key string, n int, mode meter.Mode, err error) (taken int, r ratelimit.Result, _ error) {
	switch {
	case ctx.Err() != nil:
		return 0, ratelimit.Result{}, err
	case l.options.OnFailure == FailClosed:
		return 0, l.blind(false, n, ratelimit.SourceClosed), err
	case l.options.OnFailure == FailOpen:
		if mode != meter.Peek {
			taken = n
		}
		return taken, l.blind(true, n, ratelimit.SourceOpen), nil
	}
	switch mode {
	case meter.Some:
		taken, r, err = l.local.Take(ctx, key, n)
	case meter.Peek:
		r, err = l.local.Peek(ctx, key)
	default:
		if r, err = l.local.AllowN(ctx, key, n); r.Allowed {
			taken = n
		}
	}
	r.Source = ratelimit.SourceFallback
	if r.RetryAfter < 0 && l.fits(n) {
		r.RetryAfter = l.pause() // more than a share, but not too much for Redis
	}
	return taken, r, err
}

// fits reports whether n can pass all policies at once.
func (l *Limiter) fits(n int) bool {
	for _, r := range l.rules {
		if int64(n) > r.Capacity {
			return false
		}
	}
	return true
}

// blind is the result of a decision that nobody made. It names the first policy.
func (l *Limiter) blind(allowed bool, n int, s ratelimit.Source) ratelimit.Result {
	r := ratelimit.Result{Allowed: allowed, Policy: l.policies[0].Name, Limit: int(l.rules[0].Capacity), Source: s}
	if allowed {
		r.Remaining = r.Limit
		return r
	}
	if r.RetryAfter = l.pause(); !l.fits(n) {
		r.RetryAfter = ratelimit.Never
	}
	return r
}

// pause returns after how long it makes sense to try again.
func (l *Limiter) pause() time.Duration { return max(l.options.Pause, l.options.Timeout) }
