package layered

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/layered/internal/limit"
	"github.com/lokroom/strata/store"
)

// defaultMaxWait is how long a load waits to be admitted without Options.SoftTimeout.
const defaultMaxWait = time.Second

// overBudget is the reason that a Leaser passes on when a load was refused.
const overBudget = "over the load budget"

// maxWait is how long a load waits to be admitted: a little less than a read waits for
// the load, so that the read ends with the better reason of the two.
func (o *Options[T]) maxWait() time.Duration {
	if soft := o.SoftTimeout; soft > 0 {
		return soft - soft/8
	}
	return defaultMaxWait
}

// admit waits until a load of key may begin, for a slot no longer than maxWait: see
// [limit.Limiter.Admit]. If the load may not begin, the error is a *store.Error of a
// *limit.Refusal, or why ctx has ended.
func (s *Store[T]) admit(ctx context.Context, key string, maxWait time.Duration) (leave func(), err error) {
	if err := s.unwanted(ctx); err != nil {
		return nil, err
	}
	leave, err = s.limit.Admit(ctx, maxWait)
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

// unwanted returns why a load on ctx must not begin: no caller waits, or the store is closed.
func (s *Store[T]) unwanted(ctx context.Context) error {
	if s.closed.Load() {
		return flight.ErrClosed
	}
	if ctx.Err() == nil { // its cause may have to be made
		return nil
	}
	return context.Cause(ctx)
}

// backOff returns for how long no process should load a key after a load on ctx failed with
// err, and the reason to share. stale means that there is a value to serve. A cancelled load
// is no failure of the source.
func (s *Store[T]) backOff(ctx context.Context, err error, stale bool) (d time.Duration, why string) {
	refused, byBudget := limit.Refused(err)
	switch {
	case ctx.Err() != nil:
		return 0, ""
	case byBudget:
		return s.limit.MaxWait(), overBudget
	case refused: // other processes may be less busy
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
	if s.failures != nil { // the failure may have been in this process
		if why := s.failures.Err(key, store.Now()); why != nil {
			return s.failed("load", key, why)
		}
	}
	return s.failed("load", key, store.ErrLoadFailed)
}

// remember notes that a load of key failed with err, or succeeded. A cancelled load is no
// failure of the source.
func (s *Store[T]) remember(ctx context.Context, key string, err error) {
	switch {
	case s.failures == nil || errors.Is(ctx.Err(), context.Canceled):
	case err != nil:
		s.failures.Note(key, store.In(s.opts.RetryAfter), err)
	default:
		s.failures.Forget(key)
	}
}

// took notes how long a load took that returned err. A failed load counts only if it took
// longer than usual.
func (s *Store[T]) took(d time.Duration, err error) {
	if usual := s.usualLoadTime.get(); err == nil || usual > 0 && d > usual {
		s.usualLoadTime.note(d)
	}
}
