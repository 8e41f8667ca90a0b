package layered

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// leased ends the open calls as the only process that loads their keys: it loads those for
// which it gets a lease, with one load, waits for the others, and begins again with what is
// open then. It never waits while it has a lease. Keys about which L2 must not be asked are
// loaded without a lease, and so are calls that are open when leased returns.
func (m *miss[T]) leased(ctx, values context.Context) {
	s := m.s
	m.lease.Start(ctx, s.loadEnd(time.Now()))
	defer m.lease.Cancel(nil)
	defer m.waiter.Stop()
	poll := s.poll()
	for {
		m.apart(ctx)
		if len(m.open) == 0 {
			return
		}
		for _, j := range m.open { // before the request for leases
			m.waiter.Await(s.fence, j.key)
		}
		s.lease(values, m.open)
		round := m.granted(values)
		if granted := m.take(func(j *job[T]) bool { return j.leased }); len(granted) > 0 {
			m.loadGranted(ctx, values, granted)
		}
		m.apart(ctx)
		if round.taken && !round.fresh {
			s.countWait(poll)
			began := time.Now()
			err := waitFor(&m.lease, m.waiter.Changed(), poll.next(round.left))
			if err != nil { // no caller waits any more, or another process takes too long
				for _, j := range m.open {
					j.why = errWaited
				}
				return
			}
			m.maxWait = max(0, m.maxWait-time.Since(began)) // the load of the other process may have been refused
		}
		m.waiter.Stop()
		m.lookAgain(values, false)
	}
}

// apart loads the open keys about which L2 must not be asked.
func (m *miss[T]) apart(ctx context.Context) {
	m.alone(ctx, m.take(func(j *job[T]) bool { return j.why != nil }))
}

// A leaseRound is the result of one request for leases.
type leaseRound struct {
	taken bool          // another process loads a key
	left  time.Duration // the shortest of its leases
	fresh bool          // a key can be read
}

// granted takes in the answers to a request for leases. It ends the calls of keys with a
// source to be left alone.
func (m *miss[T]) granted(values context.Context) (r leaseRound) {
	s := m.s
	for _, j := range m.open {
		switch g := &j.grant; g.State {
		case store.Granted:
			j.leased = true
			if g.NotifiesOwn {
				j.c.Stand()
			}
		case store.Taken:
			var left time.Duration
			left, j.not = s.leaseWait(g, j.not, j.old.Tier == Origin)
			if !r.taken || left < r.left {
				r.left = left
			}
			r.taken = true
		case store.Fresh:
			j.not, r.fresh = g.Version, true
		}
	}
	m.waiter.Leave(func(i int) bool { return m.open[i].grant.State != store.Taken })
	m.take(func(j *job[T]) bool {
		if j.grant.State != store.BackedOff {
			return false
		}
		s.fail(values, j, s.backedOff(j.key, &j.grant))
		return true
	})
	return r
}

// loadGranted loads the keys of jobs under their leases, and ends their calls. A value is kept
// if its lease is still valid at the end: the key has not changed since before the load, so
// the result answers all readers that have joined until then.
func (m *miss[T]) loadGranted(ctx, values context.Context, jobs []*job[T]) {
	s := m.s
	asOf := s.moment.Add(1)
	for _, j := range jobs {
		j.found.asOf, j.mark = asOf, s.token(j.key)
		j.reload = s.reloads(&m.src, len(jobs), &j.old) && j.old.Version == j.grant.Version // else it has changed since it was read
		s.loads(j.c, asOf, j.grant.Stamp)
	}
	keeper := keepUp(s.opts.Lease/3, func() error { return s.renew(values, jobs) })
	back := func() {
		keeper.stop()
		for _, j := range jobs {
			s.giveBack(ctx, values, j)
		}
	}
	defer func() { // after a panic
		if !m.solo.left {
			back()
		}
	}()
	m.load(ctx, jobs, m.maxWait, func() {
		defer back() // after a panic
		keeper.stop()
		m.loadedGranted(ctx, values, jobs)
	})
}

// loadedGranted ends the calls of jobs, which were loaded under their leases.
func (m *miss[T]) loadedGranted(ctx, values context.Context, jobs []*job[T]) {
	s := m.s
	if !mutant.LateJoin.Load() {
		for _, j := range jobs {
			j.c.Leave() // a change of the key from here on does not refuse the fill
		}
	}
	failed, loaded := split(jobs, func(j *job[T]) bool { return j.err != nil })
	m.fillGranted(values, loaded)
	if len(failed) > 0 {
		inParallel(len(failed), func(i int) {
			s.giveBack(ctx, values, failed[i])
			s.fail(values, failed[i], failed[i].err)
		})
	}
}

// giveBack returns the lease of j, unless it has ended. If the load on ctx failed and there is
// a stale value, the source is left alone for a while.
func (s *Store[T]) giveBack(ctx, values context.Context, j *job[T]) {
	if !j.leased {
		return
	}
	j.leased = false
	var backOff time.Duration
	var why string
	if j.err != nil {
		backOff, why = s.backOff(ctx, j.err, j.old.Tier != Origin)
	}
	if err := s.leaser.Release(values, j.key, j.grant.Lease, backOff, why); err != nil && !errors.Is(err, store.ErrLeaseLost) {
		s.count.l2Errors.Add(1) // the lease expires
	}
	s.fence.Wake(j.key)
}

// fillGranted keeps what was loaded for jobs in both tiers, and ends their calls.
func (m *miss[T]) fillGranted(values context.Context, jobs []*job[T]) {
	s := m.s
	now := store.Now()
	for _, j := range jobs {
		if j.same { // its tags may have been invalidated before the lease was granted
			j.found.asOf, j.grant.Stamp, j.mark = j.old.asOf, j.old.Stamp, j.mark.overtaken()
		}
	}
	over, jobs := split(jobs, func(j *job[T]) bool { return j.found.Expired(now) })
	if len(over) > 0 {
		inParallel(len(over), func(i int) { // they are answered, but not kept
			s.returnLease(values, over[i])
			s.endFilled(over[i])
		})
	}
	switch len(jobs) {
	case 0:
	case 1: // lists of one would be allocated
		before := s.token(jobs[0].key)
		r := s.fillLeased(values, jobs[0], s.stamped(values, jobs[0]))
		s.keepLeased(values, jobs[0], before, &r)
		s.endFilled(jobs[0])
	default:
		s.fillMany(values, jobs)
	}
}

// fillMany is fillGranted of values that have not expired, with one exchange.
func (s *Store[T]) fillMany(ctx context.Context, jobs []*job[T]) {
	fills, before := make([]store.LeasedFill[T], len(jobs)), make([]token, len(jobs))
	for i, j := range jobs {
		fills[i] = store.LeasedFill[T]{Key: j.key, Lease: j.grant.Lease, Entry: s.stamped(ctx, j)}
		before[i] = s.token(j.key)
	}
	filled := s.leaser.FillManyLeased(ctx, fills)
	keep := func(i int) {
		s.keepLeased(ctx, jobs[i], before[i], &filled[i])
		s.endFilled(jobs[i])
	}
	if slices.ContainsFunc(filled, func(r store.Filled[T]) bool { return r.Err != nil || !r.Watched }) {
		inParallel(len(jobs), keep) // these ask L2 again
		return
	}
	for i := range jobs {
		keep(i)
	}
}

// stamped returns what was loaded for j with the stamp of L2 instead of that of this process.
func (s *Store[T]) stamped(ctx context.Context, j *job[T]) store.Entry[T] {
	e := j.found.Entry
	e.Stamp = j.grant.Stamp
	if mutant.LateStamp.Load() && s.tagger != nil {
		e.Stamp, _ = s.tagger.Stamp(ctx)
	}
	return e
}

// endFilled ends the call of j, whose lease has ended with a value.
func (s *Store[T]) endFilled(j *job[T]) {
	j.leased = false
	s.fence.Wake(j.key) // L2 does not push fills of this process
	j.c.Finish(j.found, j.found.MissError())
}

// keepLeased keeps what was loaded for j in L1, after L2 has answered r to the fill. before is
// from before the fill. The token of j is for a value that L2 did not take, if nothing proves
// that the key did not change since the load began.
func (s *Store[T]) keepLeased(ctx context.Context, j *job[T], before token, r *store.Filled[T]) {
	if mutant.NoToken.Load() && errors.Is(r.Err, store.ErrLeaseLost) {
		r.Entry, r.Watched, r.Err = s.filler.Fill(ctx, j.key, s.stamped(ctx, j))
	}
	f := &j.found
	f.unkept = true
	switch {
	case errors.Is(r.Err, store.ErrLeaseLost):
		s.count.refused.Add(1)
		lost := j.mark.epoch <= s.conn.rolledBack.Load() // no known change has revoked it
		if !lost || !s.keepSuspect(j.key, j.mark, f.Entry) {
			_ = s.dropL1(ctx, j.key) // in memory
		}
	case unstorable(r.Err) && r.Entry.Version != 0: // only L1 keeps it, and L2 pushes invalidations
		s.failedFill(r.Err)
		r.Entry.Value = f.Value
		f.Entry, f.proven, f.unkept = r.Entry, len(f.Tags) == 0, false
		s.filled(ctx, j.key, before, f.Entry, r.Watched, nil)
	case r.Err != nil:
		if !errors.Is(r.Err, store.ErrUnavailable) { // other processes need not wait
			s.returnLease(ctx, j)
		}
		s.filled(ctx, j.key, j.mark, f.Entry, false, r.Err)
	default:
		r.Entry.Value = f.Value
		f.Entry, f.proven, f.unkept = r.Entry, true, false
		s.filled(ctx, j.key, before, f.Entry, r.Watched, nil)
	}
}

// returnLease releases the lease of j, whose value is not kept in L2. If the lease was still
// valid, the key did not change while it was loaded; but a tag may have been invalidated.
func (s *Store[T]) returnLease(ctx context.Context, j *job[T]) {
	valid := s.leaser.Release(ctx, j.key, j.grant.Lease, 0, "") == nil // else it expires
	j.found.unkept, j.found.proven = !valid, valid && len(j.found.Tags) == 0
}

// poll returns the poll of a wait that begins.
func (s *Store[T]) poll() *poll {
	if s.maxStale == 0 {
		return &poll{}
	}
	return &poll{span: firstPoll}
}

// countWait counts a wait once.
func (s *Store[T]) countWait(p *poll) {
	if !p.counted {
		s.count.waits.Add(1)
	}
	p.counted = p.span > 0
}
