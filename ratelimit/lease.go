package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lokroom/strata/internal/meter"
)

// A Lease is the right to work, of one of the slots of each Concurrency policy. Its
// holder renews it before a Window is over, for as long as it works, and then
// releases it. Its methods may be called concurrently. Those of a nil or zero Lease
// return [ErrLeaseLost].
type Lease struct {
	l   *Local
	key string
	id  uint64
}

// ids numbers leases from 1.
type ids struct{ last atomic.Uint64 }

func (i *ids) next() uint64 { return i.last.Add(1) }

// errNoSlots is the cause where Acquire has nothing to hold.
var errNoSlots = fmt.Errorf("%w: no policy is of the algorithm slots", errors.ErrUnsupported)

// Acquire is Allow, for work that takes time: what it takes of Concurrency policies
// is given back by the lease. The lease is nil unless the Result allows. Without a
// Concurrency policy the error is errors.ErrUnsupported.
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

// Renew lets the lease last for a Window from now. If it has ended the error is
// [ErrLeaseLost], and the slots may be somebody else's: stop.
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

// Release gives the slots back. If the lease has ended the error is [ErrLeaseLost].
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
