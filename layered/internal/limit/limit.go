// Package limit bounds the loads of a process.
package limit

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/store"
)

// A Limiter admits loads. Its methods may be called concurrently.
type Limiter struct {
	slots   chan struct{} // one value for each load that is running; nil: no bound
	budget  func(ctx context.Context) error
	maxWait time.Duration
}

// New returns a Limiter that admits maxLoads loads at a time, and only those that budget
// admits. A maxLoads of 0 and a nil budget are no bound. maxWait is the longest wait of
// Admit for either.
func New(maxLoads int, budget func(ctx context.Context) error, maxWait time.Duration) *Limiter {
	l := &Limiter{budget: budget, maxWait: maxWait}
	if maxLoads > 0 {
		// A semaphore.Weighted cannot report whether it is full.
		l.slots = make(chan struct{}, maxLoads)
	}
	return l
}

// Full reports whether no other load may begin now.
func (l *Limiter) Full() bool { return l.slots != nil && len(l.slots) == cap(l.slots) }

// MaxWait returns how long a load may wait until it is admitted.
func (l *Limiter) MaxWait() time.Duration { return l.maxWait }

// Admit waits until a load may begin. It waits for a slot no longer than maxWait; 0 takes
// a free slot only. leave must be called when the load has ended. The error is a
// [*Refusal].
func (l *Limiter) Admit(ctx context.Context, maxWait time.Duration) (leave func(), err error) {
	if l.slots == nil && l.budget == nil {
		return nothing, nil
	}
	// The budget is asked even if no time is left.
	wait, cancel := context.WithTimeout(ctx, max(maxWait, l.maxWait/8))
	defer cancel()
	leave = nothing
	if l.slots != nil {
		if err := l.take(wait, maxWait); err != nil {
			return nil, err
		}
		leave = func() { <-l.slots }
	}
	if l.budget != nil {
		if err := l.ask(wait, leave); err != nil {
			return nil, err
		}
	}
	return leave, nil
}

func nothing() {}

// take takes a slot.
func (l *Limiter) take(ctx context.Context, maxWait time.Duration) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	if maxWait <= 0 {
		return &Refusal{}
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &Refusal{}
	}
}

// ask asks the budget. It calls leave if that refuses or panics.
func (l *Limiter) ask(ctx context.Context, leave func()) (err error) {
	granted := false
	defer func() {
		if !granted {
			leave()
		}
	}()
	if err = l.budget(ctx); err != nil {
		return &Refusal{cause: err}
	}
	granted = true
	return nil
}

// A Refusal is why a load did not begin. It is a [store.ErrOverload], and the error of the
// budget if that refused.
type Refusal struct {
	cause error // nil: all slots are taken
}

func (r *Refusal) Error() string {
	if r.cause == nil {
		return store.ErrOverload.Error() + ": MaxLoads are under way"
	}
	return store.ErrOverload.Error() + ": " + r.cause.Error()
}

// Unwrap returns ErrOverload and the error of the budget.
func (r *Refusal) Unwrap() []error {
	if r.cause == nil {
		return []error{store.ErrOverload}
	}
	return []error{store.ErrOverload, r.cause}
}

// Refused reports whether err is a Refusal, and whether the budget refused. All processes
// share the budget; slots belong to one.
func Refused(err error) (refused, byBudget bool) {
	var r *Refusal
	if !errors.As(err, &r) {
		return false, false
	}
	return true, r.cause != nil
}
