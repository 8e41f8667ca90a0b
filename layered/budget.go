package layered

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// defaultPatience is how long a load waits for a place in the budget where there is no
// Options.SoftTimeout.
const defaultPatience = time.Second

// overBudget is what a Leaser tells those who ask for a key whose load was refused.
const overBudget = "over the load budget"

// A refusal says why a load did not begin. It is a store.ErrOverload.
type refusal struct {
	cause error // of Options.LoadBudget; nil: too many loads are under way in this process
}

func (r *refusal) Error() string {
	if r.cause == nil {
		return store.ErrOverload.Error() + ": MaxLoads are under way"
	}
	return store.ErrOverload.Error() + ": " + r.cause.Error()
}

func (r *refusal) Unwrap() []error {
	if r.cause == nil {
		return []error{store.ErrOverload}
	}
	return []error{store.ErrOverload, r.cause}
}

// patience is how long a read waits until its load may begin: a little less than a load is
// waited for, so that it ends with the better reason of the two.
func (s *Store[T]) patience() time.Duration {
	if soft := s.opts.SoftTimeout; soft > 0 {
		return soft - soft/8
	}
	return defaultPatience
}

// admit waits until a load of key may begin: for a place among those of this process not
// longer than patience, which is zero for what only takes a place that is free. leave must
// be called when the load has ended. If the load may not begin, the error is a
// *store.Error of a refusal, or why ctx has ended.
func (s *Store[T]) admit(ctx context.Context, key string, patience time.Duration) (leave func(), err error) {
	if err := s.unwanted(ctx); err != nil {
		return nil, err
	}
	if s.slots == nil && s.opts.LoadBudget == nil {
		return nothing, nil
	}
	// What is left of patience may be nothing. The budget of all is asked even so.
	wait, cancel := context.WithTimeout(ctx, max(patience, s.patience()/8))
	defer cancel()
	leave = nothing
	if s.slots != nil {
		if err = s.takeSlot(wait, patience); err == nil {
			leave = func() { <-s.slots }
		}
	}
	if err == nil && s.opts.LoadBudget != nil {
		err = s.askBudget(wait, leave)
	}
	if why := s.unwanted(ctx); why != nil {
		if err == nil {
			leave()
		}
		return nil, why
	}
	if err == nil {
		return leave, nil
	}
	s.count.overloads.Add(1)
	return nil, s.failed("load", key, err)
}

// unwanted returns why a load on ctx must not begin any more: nobody waits for it, or the
// store is closed.
func (s *Store[T]) unwanted(ctx context.Context) error {
	if s.closed.Load() {
		return flight.ErrClosed
	}
	return context.Cause(ctx)
}

func nothing() {}

// full reports whether no other load may begin in this process now.
func (s *Store[T]) full() bool { return s.slots != nil && len(s.slots) == cap(s.slots) }

// takeSlot takes one of the places that loads have in this process.
func (s *Store[T]) takeSlot(ctx context.Context, patience time.Duration) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	default:
	}
	if patience <= 0 {
		return &refusal{}
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &refusal{}
	}
}

// askBudget asks for a load in the budget of all. It calls leave if there is none.
func (s *Store[T]) askBudget(ctx context.Context, leave func()) (err error) {
	granted := false
	defer func() { // also if it panics
		if !granted {
			leave()
		}
	}()
	if err = s.opts.LoadBudget(ctx); err != nil {
		return &refusal{cause: err}
	}
	granted = true
	return nil
}

// backOff says for how long nobody is to load a key after a load on ctx has failed with
// err, and what they are to be told. stale says that they have something to serve. A load
// that was cancelled because nobody waits says nothing of the source.
func (s *Store[T]) backOff(ctx context.Context, err error, stale bool) (d time.Duration, why string) {
	var r *refusal
	switch {
	case ctx.Err() != nil:
		return 0, ""
	case errors.As(err, &r) && r.cause != nil:
		return s.patience(), overBudget
	case errors.As(err, &r): // others may not have as much to do
		return 0, ""
	case stale:
		return max(s.opts.RetryAfter, 0), ""
	default:
		return 0, ""
	}
}

// backedOff is the error of a load that was not begun because of g.
func (s *Store[T]) backedOff(key string, g *store.Grant) error {
	if g.Why == overBudget {
		return s.failed("load", key, store.ErrOverload)
	}
	if s.failures != nil { // it may have been here
		if why := s.failures.of(key, store.Now()); why != nil {
			return s.failed("load", key, why)
		}
	}
	return s.failed("load", key, store.ErrLoadFailed)
}
