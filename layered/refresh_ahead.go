package layered

import (
	"context"
	"errors"

	"github.com/lokroom/strata/store"
)

// RefreshSoon refreshes e, an entry under key for which [Store.ShouldRefresh] is true, in the
// background. It does nothing if a refresh of e runs, or failed recently, or if too many
// refreshes run. It does not block. GetOrLoad, Find and GetManyOrLoad call it.
func (s *Store[T]) RefreshSoon(ctx context.Context, key string, e *store.Entry[T], src Source[T]) {
	if src.loads() && s.mayRefresh(key, e) {
		one := [1]item[T]{{key: key, entry: e, due: true}}
		s.inBackground(ctx, one[:], src)
	}
}

// mayRefresh reports whether a refresh of e may begin.
func (s *Store[T]) mayRefresh(key string, e *store.Entry[T]) bool {
	return s.refreshSlots.free(dueOf(key, e), s.clock.Now())
}

// inBackground starts to load those of items again, with one load, that are due, except those
// with a refresh that runs or failed recently. Beyond RefreshLimit it leaves them to the next
// read.
func (s *Store[T]) inBackground(ctx context.Context, items []item[T], src Source[T]) {
	if !src.loads() || s.limit.Full() || !s.refreshSlots.enter(s.opts.RefreshLimit) {
		return
	}
	now := s.clock.Now()
	n := 0
	for i := range items {
		it := &items[i]
		if it.due = it.due && s.refreshSlots.take(dueOf(it.key, it.entry), now); it.due {
			n++
		}
	}
	if n == 0 {
		s.refreshSlots.leave()
		return
	}
	m := newMiss(s, src, false, n)
	for i := range items {
		it := &items[i]
		if !it.due {
			continue
		}
		c, lead := s.flights.BeginAside(ctx, it.key)
		if !lead { // Refresh loads it, or the store is closed
			s.refreshSlots.give(dueOf(it.key, it.entry), 0)
			continue
		}
		j := m.add(c, it.key)
		j.old = Found[T]{Entry: *it.entry, Tier: L1}
		j.base = dueOf(it.key, it.entry).base
	}
	if len(m.all) == 0 {
		s.refreshSlots.leave()
		return
	}
	go m.refresh(ctx)
}

// refresh runs the jobs of m in the background and ends their calls.
func (m *miss[T]) refresh(caller context.Context) {
	roomToLoad()
	s := m.s
	ctx, end := gather(caller, m.all)
	defer end()
	protect(func() {
		defer s.refreshSlots.leave()
		defer m.endRefresh(ctx) // also if load panics
		if m.claim(); len(m.open) > 0 {
			m.refreshOpen(ctx)
		}
	}, m.finishAll)
	m.finishAll(nil)
}

// claim leaves those jobs open that no other process runs.
func (m *miss[T]) claim() {
	s := m.s
	if s.filler == nil {
		return
	}
	inParallel(len(m.all), func(i int) {
		j := m.all[i]
		g, err := s.filler.Claim(j.c.Values(), j.key, j.version, s.opts.Lease)
		switch {
		case err != nil:
			s.count.l2Errors.Add(1)
			j.wait = max(s.opts.RetryAfter, 0)
		case g.State == store.Granted:
			j.claim, j.stamp = g.Lease, g.Stamp
		default:
			j.wait = g.Left
			if g.Left > s.opts.Lease { // a load has failed: the claim of a running one is shorter
				s.refreshSlots.backoff(j.due()).Begin(g.Left, g.Left)
			}
		}
	})
	m.open = m.take(func(j *job[T]) bool {
		return j.claim != 0 && !j.c.Forgotten() // else it has changed: there is nothing to replace
	})
}

// refreshOpen loads what is open in m, and keeps the values.
func (m *miss[T]) refreshOpen(ctx context.Context) {
	s, jobs := m.s, m.open
	for _, j := range jobs {
		j.err = errNotLoaded
		s.oldNow(ctx, j, &m.src, len(jobs))
	}
	var keeper *keeper
	if s.filler != nil {
		keeper = keepUp(s.opts.Lease/3, func() error { return s.renewClaims(jobs) })
	}
	defer keeper.stop() // if load panics
	s.loadAgain(ctx, &m.src, jobs, 0)
	keeper.stop()
	loaded, _ := split(jobs, func(j *job[T]) bool { return j.err == nil })
	s.replaceAll(loaded)
	for _, j := range loaded {
		s.refreshSlots.backoff(j.due()).Reset()
		if j.err == nil || errors.Is(j.err, store.ErrChanged) {
			j.claim = 0 // the claim ended with the entry
		} else {
			j.wait = max(s.opts.RetryAfter, 0)
		}
		j.err = nil // it was loaded
	}
}

// errNotLoaded is the error of a job while its load runs.
var errNotLoaded = errors.New("not loaded")

// oldNow sets what is passed to Reload by a background load of n keys that is about to begin.
func (s *Store[T]) oldNow(ctx context.Context, j *job[T], src *Source[T], n int) {
	j.reload = s.reloads(src, n, &j.old) && !s.outdated(&j.old.Entry)
	if j.reload && s.filler == nil { // it may have changed before the call of j began
		s.oldAlone(ctx, j, src)
	}
}

// renewClaims renews the claims of jobs. The error is store.ErrLeaseLost if all are lost.
func (s *Store[T]) renewClaims(jobs []*job[T]) error {
	return allLost(len(jobs), func(i int) error {
		j := jobs[i]
		return s.filler.EndClaim(j.c.Values(), j.key, j.version, j.claim, s.opts.Lease)
	})
}

// endRefresh sets when the keys of m may be loaded again: in this process, and after a
// failure in the others.
func (m *miss[T]) endRefresh(ctx context.Context) {
	s := m.s
	inParallel(len(m.all), func(i int) {
		j := m.all[i]
		if j.err != nil {
			s.count.refreshErrors.Add(1)
			if ctx.Err() == nil { // else it was cancelled, which is no failure of the source
				r := s.refreshSlots.backoff(j.due())
				wait := r.Next(s.opts.RetryAfter)
				j.wait = s.opts.jitter(wait)
				r.Begin(wait, j.wait)
			}
		}
		if j.claim != 0 {
			_ = s.filler.EndClaim(j.c.Values(), j.key, j.version, j.claim, j.wait) // or it ends by itself
		}
		s.refreshSlots.give(j.due(), j.wait)
	})
}

func (j *job[T]) due() dueRefresh { return dueRefresh{j.key, j.base} }
