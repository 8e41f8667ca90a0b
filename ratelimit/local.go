package ratelimit

import (
	"context"
	"fmt"
	"slices"

	"github.com/lokroom/strata/internal/meter"
	"github.com/lokroom/strata/store"
)

// Options configure a [Local]. The zero Options is what [New] uses.
type Options struct {
	// MaxKeys is how many keys are remembered at most; those whose allowance is
	// whole again are forgotten anyway. Where there are more, one of them, which
	// of a few has the least to lose, gets its whole allowance back. Zero:
	// DefaultMaxKeys. The memory in use is some 150 bytes a key and policy, and
	// for StrictWindow and Concurrency up to 48 bytes more for each bucket or slot.
	MaxKeys int
}

// DefaultMaxKeys is how many keys are remembered where nothing else is said.
const DefaultMaxKeys = 1 << 20

// A Local is a limiter of this process, made by [New]. The zero Local and nil decide
// nothing: their methods return an error. Its decisions take no longer than a lock and
// some arithmetic: contexts are not looked at, except by Wait. It needs no Close.
type Local struct {
	policies []Policy
	table    *table
	ids      ids
}

var _ Limiter = (*Local)(nil)

// New returns a limiter for p, and for all of more at the same time: what it admits
// is charged to each of them. It is (&Options{}).New(p, more...).
func New(p Policy, more ...Policy) (*Local, error) { return (&Options{}).New(p, more...) }

// New returns a limiter with these options. The error joins all that is wrong with the
// policies and the options.
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
		rules[i], _ = p.rule() // Validate has seen that it works
	}
	return &Local{policies: policies, table: newTable(rules, most)}, nil
}

// Policies returns the policies, with their defaults filled in.
func (l *Local) Policies() []Policy {
	if l == nil {
		return nil
	}
	return slices.Clone(l.policies)
}

// Len returns how many keys are remembered.
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

// Reset also ends the leases of the key: they are [ErrLeaseLost].
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

// clampCost keeps a cost that is far too high from being so high that sums overflow.
func clampCost(n int) int64 { return min(int64(n), meter.MaxLimit+1) }

// failed returns the error of a call.
func failed(op, key string, cause error) error {
	return &store.Error{Store: "ratelimit", Op: op, Key: key, Err: cause}
}
