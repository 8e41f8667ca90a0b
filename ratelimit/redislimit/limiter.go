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

// storeName names this package in errors and to observers.
const storeName = "redislimit"

// A Limiter decides in Redis, for all processes whose limiters have the same prefix and
// policies. It is made by [New], needs no Close, and does not close its client. The
// methods of the zero Limiter and of nil return an error.
type Limiter struct {
	client       rueidis.Client
	options      Options
	policies     []ratelimit.Policy
	rules        []meter.Rule
	before       string // of a key in Redis
	after        string
	packed       string
	one          string // the question that is asked most
	decideScript *rueidis.Lua
	slotsScript  *rueidis.Lua
	deadlines    deadline.Pool
	denied       *denials // nil if none are remembered
	outage       outage
	local        *ratelimit.Local // decides with FailLocal
}

var _ ratelimit.Limiter = (*Limiter)(nil)

// New returns a limiter for p, and for all of more at the same time: what it admits is
// charged to each of them. [Dial] makes a client that suits. Another is used as it is;
// it should have AlwaysPipelining set, as a caller that gives up may otherwise take a
// connection with it. The error joins all that is wrong with policies and options.
func New(c rueidis.Client, o *Options, p ratelimit.Policy, more ...ratelimit.Policy) (*Limiter, error) {
	options, errOptions := o.withDefaults()
	policies, errPolicies := ratelimit.Validate(p, more...)
	var errClient error
	if c == nil {
		errClient = errors.New("the client is nil: Dial makes one")
	}
	if err := oneline.Join(errClient, errOptions, errPolicies); err != nil {
		return nil, fmt.Errorf("redislimit: %w", err)
	}
	l := &Limiter{client: c, options: options, policies: policies, before: options.Prefix + "{", after: suffix(policies)}
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
		return nil, fmt.Errorf("redislimit: one share of %d: %w", options.Fleet, err)
	}
	l.local = local
	if options.MaxDenied > 0 {
		l.denied = newDenials(options.MaxDenied)
	}
	l.newScripts()
	return l, nil
}

// Policies returns the policies, with their defaults filled in.
func (l *Limiter) Policies() []ratelimit.Policy {
	if l == nil {
		return nil
	}
	return slices.Clone(l.policies)
}

// errZero is the cause where a limiter was not made by New.
var errZero = errors.New("the limiter was not made by New")

// isZero reports whether l was not made by New.
func (l *Limiter) isZero() bool { return l == nil || l.client == nil }

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

// Reset also ends the leases of the key. Other processes that remember a denial go on
// denying until the moment that Redis named.
func (l *Limiter) Reset(ctx context.Context, key string) error {
	if l.isZero() {
		return failed("reset", key, errZero)
	}
	key = bounded(key)
	err := l.exchange(ctx, "reset", key, func(ctx context.Context) error {
		return l.client.Do(ctx, l.client.B().Del().Key(l.redisKey(key)).Build()).Error()
	})
	l.denied.drop(key) // afterwards, or a denial of before Reset could come in between
	if localErr := l.local.Reset(ctx, key); err == nil {
		err = localErr
	}
	return err
}

func (l *Limiter) Wait(ctx context.Context, key string, n int) error {
	return ratelimit.Wait(ctx, l, key, n)
}

// decide asks whoever can answer: the memory of denials, Redis, or what is for the time
// that Redis cannot.
func (l *Limiter) decide(ctx context.Context, op, key string, n int, mode meter.Mode) (int, ratelimit.Result, error) {
	if l.isZero() {
		return 0, ratelimit.Result{}, failed(op, key, errZero)
	}
	key = bounded(key)
	cost := min(int64(n), meter.MaxLimit+1)
	asks := cost // what is denied, where nothing is taken
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
	err := l.exchange(ctx, op, key, func(ctx context.Context) (err error) {
		a, err = l.ask(ctx, key, cost, mode, noID)
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

// remember keeps a denial until the moment it names, which is counted from before the
// question: Redis may have decided right then.
func (l *Limiter) remember(key string, asks int64, start time.Time, a *answer, r ratelimit.Result) {
	if a.Wait > 0 && l.rules[a.Rule].Kind != meter.Slots { // slots come back any time
		l.denied.put(key, asks, start, r)
	}
}

func (l *Limiter) result(a *answer) ratelimit.Result {
	return ratelimit.Result{
		Allowed: a.Allowed, Policy: l.policies[a.Rule].Name, Limit: int(l.rules[a.Rule].Capacity), Remaining: int(a.Left),
		RetryAfter: span(a.Wait), ResetAfter: span(a.Reset), NextAfter: span(a.Next), Source: ratelimit.SourceRedis,
	}
}

// span returns so many microseconds.
func span(us int64) time.Duration {
	if us < 0 {
		return ratelimit.Never
	}
	return time.Duration(us) * time.Microsecond
}

func failed(op, key string, cause error) error {
	return &store.Error{Store: storeName, Op: op, Key: key, Err: cause}
}
