package layered

import (
	"context"
	"time"

	"github.com/lokroom/strata/internal/flight"
)

// The load of the only key of a miss: see solo.

// load loads jobs as [Store.load] does, and calls then. If it has left that to another
// goroutine, solo.left is set.
func (m *miss[T]) load(ctx context.Context, jobs []*job[T], maxWait time.Duration, then func()) {
	s, o := m.s, &m.solo
	if len(m.all) > 1 {
		s.load(ctx, &m.src, jobs, maxWait)
		then()
		return
	}
	if !s.beginLoad(ctx, &o.loading, jobs, maxWait) {
		then()
		return
	}
	o.then = then
	s.orphans.Add(1)
	if at := s.loadEnd(o.began); !at.IsZero() {
		s.abandoned.Add(&o.abandon, at.Add(grace), m)
	}
	jobs[0].c.Watch(m)
	err := m.ask(jobs)
	s.abandoned.Remove(&o.abandon)
	if o.left = !o.taken.CompareAndSwap(false, true); o.left {
		return
	}
	s.endLoad(&o.loading, &m.src, jobs, err)
	then()
}

// ask calls the loader. If that ends the goroutine with runtime.Goexit, it goes on elsewhere.
func (m *miss[T]) ask(jobs []*job[T]) (err error) {
	returned := false
	defer func() {
		m.solo.leave()
		m.s.orphans.Done()
		if !returned {
			m.solo.left = true
			go m.elsewhere(flight.ErrGoexit)
		}
	}()
	err = m.protected(jobs)
	returned = true
	return err
}

func (m *miss[T]) protected(jobs []*job[T]) (err error) {
	defer flight.Catch("", &err)
	m.src.load(m.solo.ctx, jobs)
	return nil
}

// Expired is called when the loader has not returned in time.
func (m *miss[T]) Expired() { m.elsewhere(&flight.ContextError{Cause: context.Cause(m.solo.ctx)}) }

// Unwanted is called when no caller waits for the load any more.
func (m *miss[T]) Unwanted() { time.AfterFunc(grace, m.Expired) }

// elsewhere ends the call after a load that failed with err, unless another goroutine does.
func (m *miss[T]) elsewhere(err error) {
	o := &m.solo
	if !o.taken.CompareAndSwap(false, true) {
		return
	}
	m.s.abandoned.Remove(&o.abandon)
	protect(func() {
		m.s.endLoad(&o.loading, &m.src, m.all, err)
		o.then()
	}, m.finishAll)
}
