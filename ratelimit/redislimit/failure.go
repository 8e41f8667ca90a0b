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

// An outage is the state of a Redis that does not answer.
type outage struct {
	until atomic.Int64 // time of the next attempt, a [store.Time]; 0: no outage
}

// passes reports whether a call may go to Redis. In an outage, one call per pause may.
func (o *outage) passes(pause time.Duration) bool {
	until := o.until.Load()
	if until == 0 {
		return true
	}
	now := store.Now()
	return now >= store.Time(until) && o.until.CompareAndSwap(until, int64(now.Add(pause)))
}

// ended records the outcome of a call.
func (o *outage) ended(ok bool, pause time.Duration) {
	switch {
	case ok && o.until.Load() != 0:
		o.until.Store(0)
	case !ok && pause > 0:
		o.until.Store(int64(store.In(pause)))
	}
}

// errPause is the cause of errors of calls that skip Redis.
var errPause = fmt.Errorf("%w: skipped for Options.Pause after a failure", store.ErrUnavailable)

// exchange runs f, which calls Redis, unless calls skip Redis. The error is nil, ctx.Err()
// if ctx is done, or a cause that wraps store.ErrUnavailable.
func (l *Limiter) exchange(ctx context.Context, op, key string, f func(context.Context, rueidis.Client) error) error {
	if err := ctx.Err(); err != nil {
		return failed(op, key, err)
	}
	if !l.outage.passes(l.options.Pause) {
		return failed(op, key, errPause)
	}
	observed, end := store.Observe(ctx, l.options.Observer, store.Op{Store: storeName, Name: op, Key: key, Keys: 1})
	call, cancel := l.deadlines.Begin(observed)
	err := l.conn.do(call, l.redisKey(key), f)
	if redisdial.IsReadOnly(err) && l.conn.redial(call) {
		err = l.conn.do(call, l.redisKey(key), f) // safe: a replica rejects the script before it changes anything
	}
	cancel()
	if err != nil {
		err = failed(op, key, cause(ctx, err))
	}
	end(0, err)
	if ctx.Err() == nil { // otherwise the call does not show the state of Redis
		l.outage.ended(err == nil || isReply(err), l.options.Pause)
	}
	return err
}

// errNoAnswer is the cause of a timeout.
var errNoAnswer = fmt.Errorf("%w: no answer in time", store.ErrUnavailable)

// isReply reports whether err is a reply of Redis: it may concern this key only, and it was
// not slow.
func isReply(err error) bool {
	var reply *rueidis.RedisError
	return errors.As(err, &reply) || errors.Is(err, errReply)
}

// cause converts an error of rueidis for a call with ctx.
func cause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case isClosed(err):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, store.ErrClosed)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		// It wraps no context error, which would look like that of the caller's context.
		return errNoAnswer
	case errors.Is(err, store.ErrUnavailable):
		return err
	case errors.Is(err, store.ErrAuth):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if cause := rediserr.Reply(replyText(err), err); errors.Is(cause, store.ErrAuth) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, cause)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// isClosed reports whether err means that the client was closed.
func isClosed(err error) bool {
	return errors.Is(err, rueidis.ErrClosing) || errors.Is(err, store.ErrClosed)
}

// replyText returns the text of the error reply err, or "" if err is not a reply.
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
	taken, r, err = l.inMemory(ctx, key, n, mode)
	r.Source = ratelimit.SourceFallback
	if r.RetryAfter < 0 && l.fits(n) {
		r.RetryAfter = l.pause() // more than the local share, but not more than Redis would admit
	}
	return taken, r, err
}

// inMemory decides in this process.
func (l *Limiter) inMemory(ctx context.Context, key string, n int, mode meter.Mode) (taken int, r ratelimit.Result, err error) {
	switch mode {
	case meter.Some:
		return l.local.Take(ctx, key, n)
	case meter.Peek:
		r, err = l.local.Peek(ctx, key)
	default:
		if r, err = l.local.AllowN(ctx, key, n); r.Allowed {
			taken = n
		}
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

// blind returns a Result for a decision made without a limiter. It names the first policy.
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

// pause returns the time after which a retry may succeed.
func (l *Limiter) pause() time.Duration { return max(l.options.Pause, l.options.Timeout) }
