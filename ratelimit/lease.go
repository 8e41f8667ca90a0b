package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lokroom/strata/internal/meter"
)

// A Lease holds one slot of each Concurrency policy of a limiter. Its holder must call
// Renew before Window has passed, for as long as it works, and then Release. All methods
// are safe for concurrent use. The methods of a nil or zero Lease return [ErrLeaseLost].
type Lease struct {
	l   *Local
	key string
	id  uint64
}

// ids numbers leases from 1.
type ids struct{ last atomic.Uint64 }

func (i *ids) next() uint64 { return i.last.Add(1) }

// errNoSlots is the cause of errors of Acquire without a Concurrency policy.
var errNoSlots = fmt.Errorf("%w: Acquire requires a Concurrency policy", errors.ErrUnsupported)

// Acquire is Allow for work that takes time: releasing the lease returns the slots of
// Concurrency policies. The lease is nil unless the Result allows the call. Without a
// Concurrency policy the error wraps errors.ErrUnsupported.
func (l *Local) Acquire(_ context.Context, key string) (*Lease, Result, error) {
	if l.isZero() {
		return nil, Result{}, failed("acquire", key, errZero)
	}
	if !hasSlots(l.policies) {
		return nil, Result{}, failed("acquire", key, errNoSlots)
	}
	id := l.ids.next()
	var d meter.Decision
	l.table.decide(&d, key, 1, meter.All, id)
	if !d.Allowed {
		return nil, l.result(&d), nil
	}
	return &Lease{l: l, key: key, id: id}, l.result(&d), nil
}

// hasSlots reports whether one of the policies is a Concurrency.
func hasSlots(ps []Policy) bool {
	return slices.ContainsFunc(ps, func(p Policy) bool { return p.Algorithm == Concurrency })
}

// Renew extends the lease to one Window from now. If the lease has ended, the error is
// [ErrLeaseLost]: the holder must stop, since another caller may have the slots.
func (le *Lease) Renew(context.Context) error {
	if le == nil || le.l == nil {
		return failed("renew", "", errNoLease)
	}
	ok := le.l.table.eachSlots(le.key, func(r *meter.Rule, c *meter.Cell, now int64) bool { return r.Renew(c, now, le.id) })
	if !ok {
		return failed("renew", le.key, ErrLeaseLost)
	}
	return nil
}

// Release returns the slots. If the lease has ended, the error is [ErrLeaseLost].
func (le *Lease) Release(context.Context) error {
	if le == nil || le.l == nil {
		return failed("release", "", errNoLease)
	}
	ok := le.l.table.eachSlots(le.key, func(r *meter.Rule, c *meter.Cell, _ int64) bool { return r.Release(c, le.id) })
	if !ok {
		return failed("release", le.key, ErrLeaseLost)
	}
	return nil
}
