package layered

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/internal/bypass"
	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// Direct loads keys with one call of src on the context of the caller, and calls each once for
// every key, like [Store.FindMany]. It reads no tier, keeps nothing and shares its load with no
// other caller. LoadTimeout, MaxLoads, LoadBudget and Observer apply. A src that loads nothing
// has no values. Reload and Default are not called.
func (s *Store[T]) Direct(ctx context.Context, keys []string, src Source[T], each func(i int, f *Found[T], err error)) {
	jobs := make([]*job[T], len(keys))
	for i, key := range keys {
		jobs[i] = &job[T]{key: key}
	}
	err := s.direct(ctx, &src, jobs)
	for i, j := range jobs {
		switch {
		case err != nil: // the loader may still run, and write to j
			each(i, &Found[T]{}, err)
		case j.err != nil:
			each(i, &Found[T]{}, j.err)
		default:
			each(i, &j.found, j.found.MissError())
		}
	}
}

// direct loads jobs. An error is that of all.
func (s *Store[T]) direct(ctx context.Context, src *Source[T], jobs []*job[T]) error {
	key := first(keysOf(jobs))
	switch {
	case s.closed.Load():
		return s.errClosed("get", key)
	case len(jobs) == 0 || !src.loads():
		return store.ErrNotFound
	case ctx.Err() != nil:
		return s.gone(ctx, key)
	}
	ctx, err := s.enterDirect(ctx, jobs)
	if err != nil {
		return err
	}
	leave, err := s.admit(ctx, key, s.limit.MaxWait())
	if errors.Is(err, flight.ErrClosed) {
		return s.errClosed("get", key)
	}
	if err != nil {
		return err
	}
	if end := s.loadEnd(time.Now()); !end.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end)
		defer cancel()
	}
	s.count.loads.Add(1)
	ctx, end := store.Observe(ctx, s.opts.Observer, s.loadOf(jobs))
	began, n := time.Now(), 0
	err = ask(ctx, &s.orphans, leave, func() { src.load(ctx, jobs) })
	for _, j := range jobs {
		if j.err = err; err == nil {
			j.err = s.loaded(j, src)
		}
		if j.err == nil {
			s.arrived(&j.found.Entry, began, time.Since(began))
			n++
		}
	}
	if failed := errorOf(jobs); failed != nil {
		s.count.loadErrors.Add(1)
		end(n, failed)
	} else {
		end(n, nil)
	}
	if err != nil && inPlaceOfLoader(err) {
		return s.failed("load", key, err)
	}
	return err
}

// enterDirect returns a context for a direct load of jobs, or store.ErrCycle if the load that ctx
// belongs to loads one of them: it would not end.
func (s *Store[T]) enterDirect(ctx context.Context, jobs []*job[T]) (context.Context, error) {
	ctx, cycle, ok := bypass.Enter(ctx, s.core, keysOf(jobs))
	if !ok {
		return ctx, s.failed("load", cycle, fmt.Errorf("%w: the loader reads the value that it loads", store.ErrCycle))
	}
	return ctx, nil
}
