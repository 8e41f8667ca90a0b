package redislimit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/deadline"
	"github.com/lokroom/strata/internal/meter"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store"
)

// storeName is the name of this package in errors and for observers.
const storeName = "redislimit"

// A Limiter decides in Redis, for all processes with the same prefix and policies: see
// [New]. All methods are safe for concurrent use; those of a nil or zero Limiter return an
// error. It needs no Close and does not close its client.
type Limiter struct {
	conn         *conn // nil: it decides in memory
	options      Options
	policies     []ratelimit.Policy
	rules        []meter.Rule
	before       string // prefix of keys in Redis
	after        string
	packed       string
	one          string // the argument of the most frequent request
	decideScript *rueidis.Lua
	slotsScript  *rueidis.Lua
	deadlines    deadline.Pool
	denied       *denials // nil: denials are not cached
	outage       outage
	local        *ratelimit.Local // decides in memory, and with FailLocal
}

var _ ratelimit.Limiter = (*Limiter)(nil)

// New returns a limiter for p and more. An admitted call is charged to all policies. c
// should come from [Dial]. Another client should have AlwaysPipelining set, because
// otherwise a cancelled call may close a connection. The error joins all mistakes in the
// policies and the options.
func New(c rueidis.Client, o *Options, p ratelimit.Policy, more ...ratelimit.Policy) (*Limiter, error) {
	var err error
	if c == nil {
		err = errors.New("the client is nil; use Dial")
	}
	return newLimiter(&conn{client: c}, err, o, p, more)
}

// newLimiter returns a limiter on c. invalid is what is wrong with c, or nil.
func newLimiter(c *conn, invalid error, o *Options, p ratelimit.Policy, more []ratelimit.Policy) (*Limiter, error) {
	options, errOptions := o.withDefaults()
	policies, errPolicies := ratelimit.Validate(p, more...)
	if err := oneline.Join(invalid, errOptions, errPolicies); err != nil {
		return nil, fmt.Errorf("redislimit: %w", err)
	}
	l := &Limiter{conn: c, options: options, policies: policies, before: options.Prefix + "{", after: suffix(policies)}
	l.deadlines.Timeout = options.Timeout
	for _, p := range policies {
		r, err := meter.New(meter.Kind(p.Algorithm), int64(p.Limit), p.Window.Microseconds(), int64(p.Burst), int64(p.Buckets))
		if err != nil {
			return nil, fmt.Errorf("redislimit: %w", err)
		}
		l.rules = append(l.rules, r)
	}
	shares := share(policies, options.Fleet)
	local, err := ratelimit.New(shares[0], shares[1:]...)
	if err != nil {
		return nil, fmt.Errorf("redislimit: policies divided by Fleet %d: %w", options.Fleet, err)
	}
	l.local = local
	if options.MaxDenied > 0 {
		l.denied = newDenials(options.MaxDenied)
	}
	l.newScripts()
	return l, nil
}

// Policies returns the policies with their defaults filled in.
func (l *Limiter) Policies() []ratelimit.Policy {
	if l == nil {
		return nil
	}
	return slices.Clone(l.policies)
}

// errZero is the cause of errors of a limiter that New did not make.
var errZero = errors.New("the limiter was not made by New")

// isZero reports whether l was not made by New.
func (l *Limiter) isZero() bool { return l == nil || l.local == nil }

func (l *Limiter) Allow(ctx context.Context, key string) (ratelimit.Result, error) {
	_, r, err := l.decide(ctx, "allow", key, 1, meter.All)
	return r, err
}

func (l *Limiter) AllowN(ctx context.Context, key string, n int) (ratelimit.Result, error) {
	switch {
	case n < 0:
		return ratelimit.Result{}, failed("allow", key, ratelimit.ErrCost)
	case n == 0:
		return l.Peek(ctx, key)
	}
	_, r, err := l.decide(ctx, "allow", key, n, meter.All)
	return r, err
}

func (l *Limiter) Take(ctx context.Context, key string, n int) (taken int, r ratelimit.Result, err error) {
	if n < 1 {
		return 0, ratelimit.Result{}, failed("take", key, ratelimit.ErrCost)
	}
	return l.decide(ctx, "take", key, n, meter.Some)
}

func (l *Limiter) Peek(ctx context.Context, key string) (ratelimit.Result, error) {
	_, r, err := l.decide(ctx, "peek", key, 1, meter.Peek)
	return r, err
}

// Reset restores the full allowance of the key and ends its leases. Other processes with a
// cached denial deny until the time that Redis returned.
func (l *Limiter) Reset(ctx context.Context, key string) error {
	if l.isZero() {
		return failed("reset", key, errZero)
	}
	key = bounded(key)
	if l.conn == nil {
		return l.local.Reset(ctx, key)
	}
	err := l.exchange(ctx, "reset", key, func(ctx context.Context, c rueidis.Client) error {
		return c.Do(ctx, c.B().Del().Key(l.redisKey(key)).Build()).Error()
	})
	l.denied.drop(key) // after the script, since a call could cache a denial before it
	if localErr := l.local.Reset(ctx, key); err == nil {
		err = localErr
	}
	return err
}

func (l *Limiter) Wait(ctx context.Context, key string, n int) error {
	return ratelimit.Wait(ctx, l, key, n)
}

// decide decides with the first that can: cached denials, Redis, or OnFailure.
func (l *Limiter) decide(ctx context.Context, op, key string, n int, mode meter.Mode) (int, ratelimit.Result, error) {
	if l.isZero() {
		return 0, ratelimit.Result{}, failed(op, key, errZero)
	}
	key = bounded(key)
	if l.conn == nil {
		return l.inMemory(ctx, key, n, mode)
	}
	cost := min(int64(n), meter.MaxLimit+1)
	asks := cost // the cost that is denied if nothing is taken
	if mode == meter.Some {
		asks = 1
	}
	if mode != meter.Peek {
		if r, known := l.denied.get(key, asks); known {
			return 0, r, nil
		}
	}
	var a answer
	start := time.Now()
	err := l.exchange(ctx, op, key, func(ctx context.Context, c rueidis.Client) (err error) {
		a, err = l.ask(ctx, c, key, cost, mode, noID)
		return err
	})
	if err != nil {
		return l.without(ctx, op, key, n, mode, err)
	}
	r := l.result(&a)
	if !a.Allowed && mode != meter.Peek {
		l.remember(key, asks, start, &a, r)
	}
	return int(a.Passed), r, nil
}

// remember caches a denial until the time that it contains. The time counts from the start
// of the call, since Redis may have decided right then.
func (l *Limiter) remember(key string, asks int64, start time.Time, a *answer, r ratelimit.Result) {
	if a.Wait > 0 && l.rules[a.Rule].Kind != meter.Slots { // slots may be released at any time
		l.denied.put(key, asks, start, r)
	}
}

func (l *Limiter) result(a *answer) ratelimit.Result {
	return ratelimit.Result{
		Allowed: a.Allowed, Policy: l.policies[a.Rule].Name, Limit: int(l.rules[a.Rule].Capacity), Remaining: int(a.Left),
		RetryAfter: span(a.Wait), ResetAfter: span(a.Reset), NextAfter: span(a.Next), Source: ratelimit.SourceRedis,
	}
}

// span converts microseconds to a duration.
func span(us int64) time.Duration {
	if us < 0 {
		return ratelimit.Never
	}
	return time.Duration(us) * time.Microsecond
}

func failed(op, key string, cause error) error {
	return &store.Error{Store: storeName, Op: op, Key: key, Err: cause}
}
