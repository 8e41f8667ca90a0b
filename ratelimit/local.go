package ratelimit

import (
	"context"
	"fmt"
	"slices"

	"github.com/lokroom/strata/internal/meter"
	"github.com/lokroom/strata/store"
)

// Options configure a [Local]. The zero Options select the defaults.
type Options struct {
	// MaxKeys is the maximum number of keys in memory. Keys with a full allowance are
	// removed anyway. Above the limit, a key with little to lose, chosen among a few, gets
	// its full allowance back. A key takes about 150 bytes per policy; StrictWindow and
	// Concurrency take up to 48 bytes more per bucket or slot. Zero: DefaultMaxKeys.
	MaxKeys int
}

// DefaultMaxKeys is the default of Options.MaxKeys.
const DefaultMaxKeys = 1 << 20

// A Local is a limiter for this process: see [New]. The methods of a nil or zero Local
// return an error. A decision takes a lock and some arithmetic; contexts are ignored,
// except by Wait. It needs no Close.
type Local struct {
	policies []Policy
	table    *table
	ids      ids
}

var _ Limiter = (*Local)(nil)

// New returns a limiter for p and more. An admitted call is charged to all policies. It is
// (&Options{}).New(p, more...).
func New(p Policy, more ...Policy) (*Local, error) { return (&Options{}).New(p, more...) }

// New returns a limiter with these options. The error joins all mistakes in the policies
// and the options.
func (o *Options) New(p Policy, more ...Policy) (*Local, error) {
	if o == nil {
		o = &Options{}
	}
	policies, err := Validate(p, more...)
	if err == nil && o.MaxKeys < 0 {
		err = fmt.Errorf("MaxKeys %d: want 0 or more", o.MaxKeys)
	}
	if err != nil {
		return nil, fmt.Errorf("ratelimit: %w", err)
	}
	most := o.MaxKeys
	if most == 0 {
		most = DefaultMaxKeys
	}
	rules := make([]meter.Rule, len(policies))
	for i, p := range policies {
		rules[i], _ = p.rule() // cannot fail after Validate
	}
	return &Local{policies: policies, table: newTable(rules, most)}, nil
}

// Policies returns the policies with their defaults filled in.
func (l *Local) Policies() []Policy {
	if l == nil {
		return nil
	}
	return slices.Clone(l.policies)
}

// Len returns the number of keys in memory.
func (l *Local) Len() int {
	if l.isZero() {
		return 0
	}
	return l.table.len()
}

// isZero reports whether l was not made by New.
func (l *Local) isZero() bool { return l == nil || l.table == nil }

func (l *Local) Allow(_ context.Context, key string) (r Result, err error) {
	if l.isZero() {
		return r, failed("allow", key, errZero)
	}
	l.decide(&r, key, 1, meter.All)
	return r, nil
}

func (l *Local) AllowN(_ context.Context, key string, n int) (r Result, err error) {
	switch {
	case n < 0:
		return r, failed("allow", key, ErrCost)
	case l.isZero():
		return r, failed("allow", key, errZero)
	case n == 0:
		l.decide(&r, key, 1, meter.Peek)
	default:
		l.decide(&r, key, n, meter.All)
	}
	return r, nil
}

func (l *Local) Take(_ context.Context, key string, n int) (taken int, r Result, err error) {
	if n < 1 {
		return 0, Result{}, failed("take", key, ErrCost)
	}
	if l.isZero() {
		return 0, Result{}, failed("take", key, errZero)
	}
	var d meter.Decision
	l.table.decide(&d, key, clampCost(n), meter.Some, 0)
	return int(d.Passed), l.result(&d), nil
}

func (l *Local) Peek(_ context.Context, key string) (r Result, err error) {
	if l.isZero() {
		return r, failed("peek", key, errZero)
	}
	l.decide(&r, key, 1, meter.Peek)
	return r, nil
}

// Reset restores the full allowance of the key and ends its leases: they return
// [ErrLeaseLost].
func (l *Local) Reset(_ context.Context, key string) error {
	if l.isZero() {
		return failed("reset", key, errZero)
	}
	l.table.reset(key)
	return nil
}

func (l *Local) Wait(ctx context.Context, key string, n int) error { return Wait(ctx, l, key, n) }

// decide fills in r.
func (l *Local) decide(r *Result, key string, n int, mode meter.Mode) {
	var d meter.Decision
	l.table.decide(&d, key, clampCost(n), mode, 0)
	*r = l.result(&d)
}

func (l *Local) result(d *meter.Decision) Result {
	return result(l.policies, d, l.table.rules[d.Rule].Capacity)
}

// clampCost limits a cost so that sums do not overflow.
func clampCost(n int) int64 { return min(int64(n), meter.MaxLimit+1) }

// failed returns the error of a call.
func failed(op, key string, cause error) error {
	return &store.Error{Store: "ratelimit", Op: op, Key: key, Err: cause}
}
