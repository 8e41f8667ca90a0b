package layered

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// A read does not wait for the end of a load if a stale value can answer it. The leader of
// a flight that finds one offers it to all waiters. A waiter takes it when the load exceeds
// Options.SoftTimeout, or when the waiter has less time left than a load usually takes. The
// load then continues without waiters, so that the next read finds its value.

// await waits for c, which a read that began at the moment began has joined, or leads, and
// sets f to the result. late means that it did not wait for the end: f is stale then, with
// the reason. A strict read always waits. again means that the read must begin again, and
// has left c: see [Store.joins].
func (s *Store[T]) await(ctx context.Context, c *call[T], f *Found[T], began uint64, strict, lead bool) (late, again bool, err error) {
	j := joined{soft: !strict && s.hasSoftTimeout(ctx)}
	if !lead {
		s.joins(c, &j)
		defer j.stop()
	}
	for j.waits() {
		switch s.next(ctx, c, &j) {
		case softTimedOut:
			j.soft = false
			if s.staleFallback(ctx, c, f, began) {
				c.Detach()
				c.Quit()
				if err = s.own(c.Key(), f); err == nil {
					err = f.MissError()
				}
				return true, false, err
			}
		case callForgotten:
			j.forgotten = nil
			again = s.futile(c, began)
		case loadIsLong:
			if again = s.leavesOvertaken(ctx, c); !again {
				j.again()
			}
		default:
			j = joined{timer: j.timer}
		}
		if again {
			return false, true, nil
		}
	}
	*f, err = c.Wait(ctx)
	return false, false, s.result(c, f, err)
}

func (s *Store[T]) hasSoftTimeout(ctx context.Context) bool {
	_, ends := ctx.Deadline()
	return ends || s.opts.SoftTimeout > 0
}

// An event is the end of one wait for a call.
type event int

const (
	callEnded     event = iota // the call has a result, or the context of the reader was cancelled
	softTimedOut               // a stale value should be served, if there is one
	callForgotten              // the call was forgotten
	loadIsLong                 // its load takes longer than usual
)

// next waits for the first event of a reader that waits for c.
func (s *Store[T]) next(ctx context.Context, c *call[T], j *joined) event {
	var offers <-chan struct{}
	if j.soft {
		offers = c.Offers()
	}
	var late <-chan time.Time
	for {
		select {
		case <-c.Done():
			return callEnded
		default:
		}
		select {
		case <-c.Done():
			return callEnded
		case <-j.forgotten:
			return callForgotten
		case <-j.old:
			return loadIsLong
		case <-late:
			return softTimedOut
		case <-ctx.Done():
			if j.soft && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return softTimedOut
			}
			return callEnded
		case <-offers:
			offers = nil
			_, since, _ := c.Offered()
			if at := s.softDeadline(ctx, since); !at.IsZero() {
				t := time.NewTimer(time.Until(at))
				defer t.Stop()
				late = t.C
			}
		}
	}
}

// softDeadline returns until when a read waits for a load for which a stale value was offered
// at since. Zero: as long as ctx allows.
func (s *Store[T]) softDeadline(ctx context.Context, since time.Time) (at time.Time) {
	if s.opts.SoftTimeout > 0 {
		at = since.Add(s.opts.SoftTimeout)
	}
	usual := s.usualLoadTime.get()
	if end, ok := ctx.Deadline(); ok && usual > 0 {
		if near := end.Add(-usual); at.IsZero() || near.Before(at) {
			at = near
		}
	}
	return at
}

// staleFallback returns a stale value for a reader that does not wait for c any longer.
//
// The value must not have been changed before the read began. A copy in L1 was not: it would
// have been dropped. What c was offered was not if it was read after this read began. If it
// was read earlier, or a change has overtaken it, L2 is asked once more.
func (s *Store[T]) staleFallback(ctx context.Context, c *call[T], f *Found[T], began uint64) (ok bool) {
	if *f, ok = s.staleLocal(c.Values(), c.Key(), Lookup[T]{}); !ok {
		if *f, ok = s.offered(c, began); !ok && s.hasL2 && ctx.Err() == nil {
			ok = s.reread(ctx, c.Key(), f)
		}
		if ok && f.Stale {
			s.count.staleServed.Add(1)
		}
	}
	if f.Stale {
		f.Cause = store.ErrSlow
	}
	return ok
}

// reread reads key from L2 into f, and reports whether it is there.
func (s *Store[T]) reread(ctx context.Context, key string, f *Found[T]) bool {
	var err error
	*f = Found[T]{Tier: L2}
	f.asOf, f.kept, err = s.readOne(ctx, key, Lookup[T]{}, &f.Entry, false)
	switch {
	case err == nil, f.Absent:
		if f.Stale = s.clock.Passed(f.StaleAt); !f.Stale {
			s.count.l2Hits.Add(1)
		}
		return true
	case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, errQueued) && ctx.Err() == nil:
		s.count.l2Errors.Add(1)
	}
	return false
}

// result returns the error of f, the result of c, for one of its readers. With Options.Copy
// each of several readers gets a separate value. An error of a loader is returned as it is.
// The error of a loader that panicked or did not return names the cache.
func (s *Store[T]) result(c *call[T], f *Found[T], err error) error {
	switch {
	case inPlaceOfLoader(err):
		return s.failed("get", c.Key(), err)
	case err != nil || c.Alone():
		return err
	}
	return s.own(c.Key(), f)
}

// inPlaceOfLoader reports whether err replaces the error of a loader or tier that returned
// none.
func inPlaceOfLoader(err error) bool {
	switch err.(type) {
	case *flight.PanicError, *flight.ContextError:
		return true
	}
	return err == flight.ErrGoexit
}

// own replaces the value of f by a copy, with Options.Copy.
func (s *Store[T]) own(key string, f *Found[T]) error {
	if s.opts.Copy == nil {
		return nil
	}
	var err error
	if f.Value, err = s.copy(f.Value); err != nil {
		err = s.failed("copy", key, err)
	}
	return err
}

func (s *Store[T]) copy(v T) (own T, err error) {
	defer flight.Catch("Options.Copy", &err)
	return s.opts.Copy(v)
}

// orDefault sets f to the answer of src.Default to a read with ctx that failed with err, or
// returns the error of the read.
func (s *Store[T]) orDefault(ctx context.Context, key string, src Source[T], f *Found[T], err error) error {
	if errors.Is(err, store.ErrNotFound) || s.closed.Load() || endedWith(ctx, err) {
		return err
	}
	var v T
	var instead error
	protect(func() { v, instead = src.Default(key, err) }, func(panicked error) {
		instead = s.failed("get", key, oneline.Join(err, panicked))
	})
	if instead != nil {
		return instead
	}
	s.count.defaults.Add(1)
	*f = Found[T]{Tier: Default, Stale: true, Cause: err}
	f.Value = v
	return nil
}

// endedWith reports whether ctx has ended and is the cause of err.
func endedWith(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}
