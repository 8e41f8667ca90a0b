package layered

import (
	"context"
	"errors"
	"slices"

	"github.com/lokroom/strata/store"
)

// This file and those that it uses, l2.go, lease.go and load.go, answer keys that L1 cannot
// answer, for one reader that leads their flights. The number of keys does not matter: Get
// has one. Where one key is treated apart, that saves an allocation.

// lead does the work of the flights of items, which this reader leads: L2, then the source,
// then keeping the values. It reads L2 itself, because a new goroutine may cost more than a
// hit. A load runs on its own goroutine, because other readers may wait for it longer than
// this one.
func (s *Store[T]) lead(ctx context.Context, src Source[T], items []item[T], strict bool) {
	if s.opts.FinishLoads {
		for i := range items {
			items[i].c.Detach()
		}
	}
	open := 0
	protect(func() { open = s.lookup(ctx, src, items, strict, true, true) }, func(err error) {
		for i := range items { // those that have ended are not changed
			items[i].c.Finish(Found[T]{}, err)
		}
		open = 0
	})
	if open == 0 {
		return
	}
	m := newMiss(s, src, strict, open)
	for i := range items {
		if items[i].open {
			j := m.add(items[i].c, items[i].key)
			j.not = items[i].version
			j.read(&items[i])
		}
	}
	go m.run(ctx)
}

// run does the rest of the work: the load, and keeping its values. Every call has ended when
// it returns.
func (m *miss[T]) run(caller context.Context) {
	roomToLoad()
	ctx, end := gather(caller, m.all)
	defer end()
	protect(func() { m.work(ctx) }, func(err error) {
		if !m.solo.left {
			m.finishAll(err)
		}
	})
}

// work ends all calls, unless it leaves a load that has to be ended elsewhere: see solo.
func (m *miss[T]) work(ctx context.Context) {
	values := m.all[0].c.Values()
	if slices.ContainsFunc(m.all, func(j *job[T]) bool { return j.cut }) {
		// The context of the leader ended the read, not those of the readers that joined.
		m.lookAgain(values, true)
	}
	m.take(func(j *job[T]) bool { return m.s.coolsDown(values, j) })
	if m.s.leaser != nil {
		m.leased(ctx, values)
	}
	m.alone(ctx, m.open)
}

// read notes what a read of L2 has found. If that is nothing, what was found before remains.
func (j *job[T]) read(it *item[T]) {
	j.cut, j.why = it.cut, nil
	if !it.cut {
		j.why = it.err
	}
	if it.entry != nil {
		j.old = it.found()
	}
}

// lookAgain looks for the open keys in L2, except those that it must not be asked about. first
// counts misses.
func (m *miss[T]) lookAgain(ctx context.Context, first bool) {
	var one [1]item[T]
	items := one[:0]
	for _, j := range m.open {
		if j.why == nil {
			items = append(items, item[T]{key: j.key, c: j.c})
		}
	}
	if len(items) == 0 {
		return
	}
	m.s.lookup(ctx, m.src, items, m.strict, false, first)
	i := 0
	m.take(func(j *job[T]) (ended bool) {
		if j.why != nil {
			return false
		}
		it := &items[i]
		i++
		j.read(it)
		return !it.open
	})
}

// lookup looks for items in the tiers, with one exchange, and ends the calls that need no
// load. It returns the number of the others. lead: this reader leads the calls, so it may end
// one without a value. first counts misses.
func (s *Store[T]) lookup(ctx context.Context, src Source[T], items []item[T], strict, lead, first bool) (open int) {
	if s.hasL2 {
		s.read(ctx, items, strict)
	} else {
		s.readL1(ctx, items)
	}
	hits, misses, failed, due := 0, 0, false, false
	for i := range items {
		it := &items[i]
		if it.err != nil && ended(it.err) && ctx.Err() != nil { // no failure of L2
			it.cut, it.open = true, true
			open++
			continue
		}
		failed = failed || it.err != nil && !errors.Is(it.err, errQueued)
		it.stale = it.entry != nil && s.clock.Passed(it.entry.StaleAt)
		switch {
		case it.entry == nil, it.stale:
			misses++
		case it.tier == L1: // it was kept after the first look
			s.serveSeen()
		default:
			hits++
		}
		s.answer(it, src, strict, lead)
		due = due || it.due
		if it.open {
			open++
		}
	}
	s.count.l2Hits.Add(uint64(hits))
	if first {
		s.count.misses.Add(uint64(misses))
	}
	if failed {
		s.count.l2Errors.Add(1)
	}
	if due {
		s.inBackground(ctx, items, src)
	}
	return open
}

// answer ends the call of it with what was read from L2, if that is the answer.
func (s *Store[T]) answer(it *item[T], src Source[T], strict, lead bool) {
	switch loads := src.loads(); {
	case it.entry == nil && loads:
		it.open = true
		return
	case it.entry == nil && it.err != nil:
		it.c.Finish(Found[T]{}, it.err)
		return
	case it.entry == nil:
		it.c.Finish(it.found(), store.ErrNotFound)
		return
	case !loads:
	case it.stale && !s.servesStale(it.entry, strict):
		it.open = true
		it.c.Offer(it.found())
		return
	case it.stale:
		s.count.staleServed.Add(1)
		it.due = true
	default:
		it.due = s.dueInL2(it.entry)
	}
	err := it.entry.MissError()
	if it.settled = lead && it.c.Settle(err); !it.settled {
		it.c.Finish(it.found(), err)
	}
}

// ended reports whether err means that the context of the caller has ended.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// alone loads jobs without asking other processes, and ends their calls. L2 does not keep a
// value if there is a reason not to ask it.
func (m *miss[T]) alone(ctx context.Context, jobs []*job[T]) {
	if len(jobs) == 0 {
		return
	}
	s := m.s
	for _, j := range jobs {
		j.reload = s.reloads(&m.src, len(jobs), &j.old) && !j.c.Forgotten()
		if !j.reload {
			// The load sees every change that overtook the read of L2, for example a lost
			// connection that the read itself detected.
			j.c.Renew()
		}
	}
	asOf := s.moment.Add(1)
	for _, j := range jobs {
		j.found.asOf = asOf
		s.loads(j.c, asOf, 0)
	}
	m.load(ctx, jobs, s.limit.MaxWait(), func() { m.keepAllAlone(jobs) })
}

// keepAllAlone is keepAlone for jobs.
func (m *miss[T]) keepAllAlone(jobs []*job[T]) {
	s := m.s
	if len(jobs) > 1 && s.hasL2 && slices.ContainsFunc(jobs, func(j *job[T]) bool { return j.why == nil }) {
		inParallel(len(jobs), func(i int) { s.keepAlone(jobs[i]) })
		return
	}
	for _, j := range jobs { // one, or in memory
		s.keepAlone(j)
	}
}

// keepAlone keeps what was loaded for j without a lease, and ends its call.
func (s *Store[T]) keepAlone(j *job[T]) {
	c, f := j.c, &j.found
	switch {
	case j.err != nil:
		s.fail(c.Values(), j, j.err)
		return
	case !j.same:
		c.Keep(func() { s.fill(c.Values(), j.key, &f.Entry, j.why) })
	case j.why == nil: // else L2 may have another entry by now
		_ = s.replace(j) // with an error it is not kept
		fallthrough
	default:
		f.asOf = j.old.asOf
	}
	f.proven = s.provenAlone(c, &f.Entry)
	c.Finish(*f, f.MissError())
}

// provenAlone keeps newcomers from joining c, which has loaded e without a lease, and reports
// whether the readers that have joined may take it. They may if L2 pushes no invalidations.
func (s *Store[T]) provenAlone(c *call[T], e *store.Entry[T]) bool {
	if len(e.Tags) == 0 {
		return !s.watched
	}
	c.Leave()
	return !s.watched && s.opts.Tags.current(e.Tags, e.Stamp)
}

// fail ends the call of j, whose load failed with err: with a stale entry, if there is one.
func (s *Store[T]) fail(ctx context.Context, j *job[T], err error) {
	j.failSafe(s, s.orSuspect(ctx, j.key, j.old, j.why), err)
}

// coolsDown ends the call of j, and returns true, if the source is not called for its key now:
// a load has failed. If L2 could not be asked, the answer may be a suspect copy.
func (s *Store[T]) coolsDown(ctx context.Context, j *job[T]) bool {
	if s.failures == nil || s.leaser != nil && j.why == nil && j.old.Tier == L2 {
		return false // L2 remembers the failure for all processes, until the value is made stale
	}
	why := s.failures.Err(j.key, store.Now())
	if why == nil {
		return false
	}
	f := s.orSuspect(ctx, j.key, j.old, j.why)
	if f.Tier == Origin && !s.opts.HoldErrors {
		return false
	}
	j.failSafe(s, f, s.failed("load", j.key, why))
	return true
}
