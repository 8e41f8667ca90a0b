package layered

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// load loads jobs, and sets the entry or the failure of each.
func (src *Source[T]) load(ctx context.Context, jobs []*job[T]) {
	switch {
	case len(jobs) == 1:
		src.loadOne(ctx, jobs[0])
	case src.LoadMany != nil:
		found, err := src.LoadMany(ctx, keysOf(jobs))
		errOf := store.ByKey[string](err)
		for _, j := range jobs {
			j.put(found, errOf(j.key))
		}
	default:
		src.loadEach(ctx, jobs)
	}
}

// put takes the result for j from that of a LoadMany, which returned err for its key.
func (j *job[T]) put(found map[string]store.Entry[T], err error) {
	e, ok := found[j.key]
	switch {
	case ok:
		j.found.Entry = e
	case err != nil:
		j.fail(err)
	default:
		j.failure = store.ErrNotFound
	}
}

// fail sets the failure of j to err, of a loader. If a method of err panics, such as that of
// a nil pointer in an error, it does so here, where the loader may panic, too.
func (j *job[T]) fail(err error) {
	_ = errors.Is(err, store.ErrNotFound)
	j.failure = err
}

func (src *Source[T]) loadOne(ctx context.Context, j *job[T]) {
	var err error
	switch {
	case j.reload:
		j.found.Entry, err = src.Reload(ctx, j.key, j.old.Entry)
		j.fail(err)
	case src.Load != nil:
		j.found.Entry, err = src.Load(ctx, j.key)
		j.fail(err)
	default:
		found, err := src.LoadMany(ctx, []string{j.key})
		j.put(found, store.ByKey[string](err)(j.key))
	}
}

// loadsAtOnce is how many of several keys are loaded at the same time without a LoadMany.
const loadsAtOnce = 8

// loadEach loads jobs one by one, some at the same time.
func (src *Source[T]) loadEach(ctx context.Context, jobs []*job[T]) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, loadsAtOnce)
	for _, j := range jobs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			protect(func() { src.loadOne(ctx, j) }, func(err error) { j.failure = err })
		})
	}
	wg.Wait()
}

// load loads jobs with one call of src, once it is admitted. Afterwards each has its entry, with
// expiries, or an err. An absent value is no error. See admit for maxWait.
func (s *Store[T]) load(ctx context.Context, src *Source[T], jobs []*job[T], maxWait time.Duration) {
	var l loading
	if s.beginLoad(ctx, &l, jobs, maxWait) {
		s.endLoad(&l, src, jobs, ask(l.ctx, &s.orphans, l.leave, func() { src.load(l.ctx, jobs) }))
	}
}

// beginLoad sets l for a load of jobs, for which endLoad must then be called. If the load is not
// admitted, it gives each an err and returns false.
func (s *Store[T]) beginLoad(ctx context.Context, l *loading, jobs []*job[T], maxWait time.Duration) (admitted bool) {
	leave, err := s.admit(ctx, jobs[0].key, maxWait)
	if err != nil {
		for _, j := range jobs {
			j.err = err
		}
		return false
	}
	l.flights, l.leave = ctx, leave
	s.count.loads.Add(1)
	l.began, l.stamp = time.Now(), s.opts.Tags.now()
	l.limit.Start(ctx, s.loadEnd(l.began))
	l.ctx, l.end = store.Observe(&l.limit, s.opts.Observer, s.loadOf(jobs))
	return true
}

// loadOf returns the operation of a load of jobs.
func (s *Store[T]) loadOf(jobs []*job[T]) store.Op {
	op := store.Op{Store: "source", Cache: s.opts.Name, Name: "load", Keys: len(jobs)}
	if len(jobs) == 1 {
		op.Key = jobs[0].key
	} else if store.Observed(s.opts.Observer) {
		all := keysOf(jobs)
		op.AllKeys = &all
	}
	return op
}

// loadEnd returns the deadline of a load that begins at a time. Zero: it has none.
func (s *Store[T]) loadEnd(began time.Time) (at time.Time) {
	if s.opts.LoadTimeout >= 0 {
		at = began.Add(s.opts.LoadTimeout)
	}
	return at
}

// endLoad takes in what the loader of l has returned for jobs, or that it has failed with err.
func (s *Store[T]) endLoad(l *loading, src *Source[T], jobs []*job[T], err error) {
	took := time.Since(l.began)
	n := 0
	for _, j := range jobs {
		if j.err = err; err == nil {
			j.err = s.loaded(j, src)
		}
		s.remember(l.ctx, j.key, j.err)
		switch {
		case j.err != nil:
			continue
		case j.same:
			s.count.notModified.Add(1)
		default:
			j.found.Stamp = l.stamp
		}
		s.arrived(&j.found.Entry, l.began, took)
		if !j.found.Absent {
			n++
		}
	}
	err = errorOf(jobs)
	s.took(took, err)
	if err != nil {
		s.count.loadErrors.Add(1)
	}
	l.end(n, err)
	if closed(l.flights) { // Close has cancelled the load
		for _, j := range jobs {
			if j.err != nil {
				j.err = flight.ErrClosed
			}
		}
	}
	l.limit.Cancel(nil)
}

// closed reports whether Close has cancelled ctx, of a flight.
func closed(ctx context.Context) bool {
	return ctx.Err() != nil && errors.Is(context.Cause(ctx), flight.ErrClosed)
}

// errorOf returns the error of a load of jobs.
func errorOf[T any](jobs []*job[T]) error {
	if len(jobs) == 1 {
		return jobs[0].err
	}
	errs := make(map[string]error)
	for _, j := range jobs {
		if j.err != nil {
			errs[j.key] = j.err
		}
	}
	return store.NewManyError(errs)
}

// loaded takes in what the loader returned for j.
func (s *Store[T]) loaded(j *job[T], src *Source[T]) error {
	e, err := &j.found.Entry, j.failure
	switch {
	case errors.Is(err, store.ErrNotModified) && !j.reload:
		return errNoOldValue
	case errors.Is(err, store.ErrNotModified):
		j.same, err = true, nil
		times := *e
		*e = j.old.Entry
		e.ExpiresAt, e.StaleAt, e.LoadedAt = times.ExpiresAt, times.StaleAt, times.LoadedAt
	case isAbsent(e, err):
		*e, err = asAbsent(*e), nil
	}
	if err == nil && s.complete != nil {
		*e, err = s.complete(j.key, *e)
	}
	return err
}

// errNoOldValue is the error of a loader that returned ErrNotModified without having been
// passed a value.
var errNoOldValue = fmt.Errorf("%w, says a loader that was given no value", store.ErrNotModified)

// isAbsent reports whether a loader that returned e and err means that the source has no
// value.
func isAbsent[T any](e *store.Entry[T], err error) bool {
	if err == nil {
		return e.Absent
	}
	var panicked *flight.PanicError
	return errors.Is(err, store.ErrNotFound) && !errors.As(err, &panicked)
}

// asAbsent returns e as an absent entry.
func asAbsent[T any](e store.Entry[T]) store.Entry[T] {
	if !e.Absent { // it came with an error
		e.ExpiresAt = 0
	}
	return store.Entry[T]{Absent: true, ExpiresAt: e.ExpiresAt, Tags: e.Tags, Revision: e.Revision}
}

// NewEntry returns an entry of v that is fresh for ttl from now, less the jitter, and then
// stale for Options.StaleFor. A ttl of 0 means Options.TTL; a negative one means that the
// entry is not kept.
func (s *Store[T]) NewEntry(v T, ttl time.Duration) store.Entry[T] {
	e := store.Entry[T]{Value: v, LoadedAt: store.Now()}
	s.opts.live(&e, orDefault(ttl, s.opts.TTL))
	return e
}

// arrived sets the expiries of e, for a load that began at began, unless it has some, or comes
// from NewEntry. It sets the load time, unless the loader has.
func (s *Store[T]) arrived(e *store.Entry[T], began time.Time, took time.Duration) {
	given := e.ExpiresAt != 0 || e.LoadedAt != 0
	e.LoadedAt = store.At(began)
	if e.LoadTime == 0 {
		e.LoadTime = took
	}
	switch {
	case given:
	case e.Absent:
		s.opts.live(e, s.opts.AbsentFor)
	default:
		s.opts.live(e, s.opts.TTL)
	}
}
