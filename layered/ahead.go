package layered

import (
	"context"
	"errors"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// Due reports whether it is time to load e, an entry that [Store.Local] returned, anew:
// see Options.RefreshAhead.
func (s *Store[T]) Due(e *store.Entry[T]) bool {
	return e.RefreshAt != 0 && s.clock.Passed(e.RefreshAt)
}

// A due is an entry that is to be loaded anew.
type due struct {
	key string
	base
}

func dueOf[T any](key string, e *store.Entry[T]) due {
	return due{key, base{version: e.Version, revision: e.Revision}}
}

// RefreshSoon has e, an entry under key that is [Store.Due], loaded anew in the
// background, unless that has begun already, was tried too lately, or would be too
// much at a time. It does not block. GetOrLoad, Find and GetManyOrLoad call it.
func (s *Store[T]) RefreshSoon(ctx context.Context, key string, e *store.Entry[T], load Loader[T]) {
	if d := dueOf(key, e); load != nil && s.pace.free(d, s.clock.Now()) {
		s.inBackground(ctx, []due{d}, single(load), e)
	}
}

// single makes a ManyLoader for one key of load.
func single[T any](load Loader[T]) ManyLoader[T] {
	return func(ctx context.Context, ks []string) (map[string]store.Entry[T], error) {
		e, err := oldOf[T](ctx).answer(load(ctx, ks[0]))
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return map[string]store.Entry[T]{ks[0]: e}, nil
	}
}

// refreshAt returns when e, which is about to be kept in L1, is to be loaded anew: the
// earlier of what RefreshAhead and RefreshBeta say.
func (s *Store[T]) refreshAt(e *store.Entry[T]) store.Time {
	end := shorter(e.ExpiresAt, e.StaleAt)
	if !s.opts.refreshesAhead() || end == 0 || s.refresher != nil && e.Version == 0 {
		return 0
	}
	return shorter(s.opts.aheadAt(e, end), s.opts.earlyAt(e.LoadTime, end))
}

// aheadAt returns when so much of the fresh life of e, which ends at end, is over as
// the options say. That counts from the load, by the clock of the process that loaded
// it; where that cannot be, from now.
func (o *Options[T]) aheadAt(e *store.Entry[T], end store.Time) store.Time {
	if o.RefreshAhead == 0 {
		return 0
	}
	from := e.LoadedAt
	if now := store.Now(); from == 0 || from > now {
		from = now
	}
	life := end.Sub(from)
	if life <= 0 {
		return 0
	}
	return from.Add(o.jitter(time.Duration(o.RefreshAhead * float64(life))))
}

// dueInL2 reports whether it is time to load e, which was read from L2, anew.
func (s *Store[T]) dueInL2(e *store.Entry[T]) bool {
	at := s.refreshAt(e)
	return at != 0 && s.clock.Passed(at)
}

// appendDue appends e, which is to be loaded anew, to dues, if that may begin.
func (s *Store[T]) appendDue(dues []due, key string, e *store.Entry[T]) []due {
	if d := dueOf(key, e); s.pace.free(d, s.clock.Now()) {
		dues = append(dues, d)
	}
	return dues
}

// A pace keeps refreshes from being begun twice, too early after a failure, or too
// many at a time. It knows entries by their hashes: two that share a place wait for one
// another now and then.
type pace struct {
	running atomic.Int64
	seed    maphash.Seed
	blocks  [placeBlocks]lazy[[placesOfBlock]place]
}

// There are 2,048 places, in blocks that are made when one of them is first looked at.
const (
	placeBlocks   = 64
	placesOfBlock = 32
)

// A place is that of an entry, or of several.
type place struct {
	next atomic.Int64 // when its next refresh may begin; a store.Time
	rest rest         // of whoever has taken it
}

// busy is in the place of an entry that is being refreshed.
const busy = math.MaxInt64

func newPace() *pace { return &pace{seed: maphash.MakeSeed()} }

func (p *pace) place(d due) *place {
	h := maphash.String(p.seed, d.key) ^ d.version
	return &p.blocks[h%placeBlocks].get()[h/placeBlocks%placesOfBlock]
}

// rest returns that of the source of d, for whoever has taken d.
func (p *pace) rest(d due) *rest { return &p.place(d).rest }

// free reports whether a refresh of d may begin.
func (p *pace) free(d due, now store.Time) bool {
	return p != nil && p.place(d).next.Load() <= int64(now)
}

// take is free that keeps others from beginning until give is called.
func (p *pace) take(d due, now store.Time) bool {
	pl := p.place(d)
	next := pl.next.Load()
	return next <= int64(now) && pl.next.CompareAndSwap(next, busy)
}

// give ends what take began. The next refresh of d may begin after wait.
func (p *pace) give(d due, wait time.Duration) {
	var next store.Time
	if wait > 0 {
		next = store.In(wait)
	}
	p.place(d).next.Store(int64(next))
}

// enter reports whether there may be another refresh at the same time; leave must
// then be called at its end.
func (p *pace) enter(limit int) bool {
	if p.running.Add(1) <= int64(limit) {
		return true
	}
	p.leave()
	return false
}

func (p *pace) leave() { p.running.Add(-1) }

// A job is one refresh in the background.
type job[T any] struct {
	*call[T]
	due
	stands *old[T]       // what the load may find to be the value still; nil: nothing
	claim  uint64        // 0: there is none, or none that is of use
	failed bool          // its load did not succeed
	wait   time.Duration // before the next attempt
}

// inBackground begins to load dues anew with one call of load: those for which that
// has not begun and was not tried too lately. If it would be too much at a time, the
// next read will try. stands is the only one of them, if that can be told, or nil.
func (s *Store[T]) inBackground(ctx context.Context, dues []due, load ManyLoader[T], stands *store.Entry[T]) {
	if len(dues) == 0 || load == nil || s.full() || !s.pace.enter(s.opts.RefreshLimit) {
		return
	}
	now := s.clock.Now()
	jobs := make([]*job[T], 0, len(dues))
	for _, d := range dues {
		if !s.pace.take(d, now) {
			continue
		}
		c, lead := s.flights.BeginAside(ctx, d.key)
		if !lead { // Refresh loads it, or the store is closed
			s.pace.give(d, 0)
			continue
		}
		jobs = append(jobs, &job[T]{call: c, due: d, stands: s.oldAhead(stands)})
	}
	if len(jobs) == 0 {
		s.pace.leave()
		return
	}
	go s.work(ctx, jobs, load)
}

// work does jobs and finishes their calls.
func (s *Store[T]) work(caller context.Context, jobs []*job[T], load ManyLoader[T]) {
	calls := make([]*call[T], len(jobs))
	for i, j := range jobs {
		calls[i] = j.call
	}
	ctx, cancel := whileAny(caller, calls)
	defer cancel()
	flight.Protect(func() (Found[T], error) {
		defer s.pace.leave()
		defer s.endJobs(ctx, jobs) // also if load panics
		return Found[T]{}, s.loadAnew(ctx, s.claimJobs(jobs), load)
	}, func(none Found[T], err error) {
		for _, c := range calls {
			c.Finish(none, err)
		}
	})
}

// claimJobs returns those of jobs that no other process does.
func (s *Store[T]) claimJobs(jobs []*job[T]) (claimed []*job[T]) {
	if s.refresher == nil {
		return jobs
	}
	inParallel(keysOf(jobs), func(i int, key string) {
		j := jobs[i]
		g, err := s.refresher.Claim(j.Values(), key, j.version, s.opts.Lease)
		switch {
		case err != nil:
			s.count.l2Errors.Add(1)
			j.wait = max(s.opts.RetryAfter, 0)
		case g.State == store.Granted:
			j.claim, j.stamp = g.Lease, g.Stamp
		default:
			j.wait = g.Left
			if g.Left > s.opts.Lease { // a load has failed: while one is under way it is not that long
				s.pace.rest(j.due).begin(g.Left, g.Left)
			}
		}
	})
	for _, j := range jobs {
		if j.claim != 0 && !j.Forgotten() { // else it has changed: there is nothing to replace
			claimed = append(claimed, j)
		}
	}
	return claimed
}

// loadAnew loads jobs and keeps what was loaded.
func (s *Store[T]) loadAnew(ctx context.Context, jobs []*job[T], load ManyLoader[T]) error {
	if len(jobs) == 0 {
		return nil
	}
	s.count.refreshes.Add(uint64(len(jobs)))
	var stops []func()
	for _, j := range jobs {
		j.failed = true // until it has not
		if j.claim != 0 {
			stops = append(stops, s.keepClaim(j))
		}
	}
	stop := func() {
		for _, stop := range stops {
			stop()
		}
	}
	defer stop() // if load panics
	jobs[0].stands = s.oldNow(ctx, jobs[0])
	for _, j := range jobs {
		s.loads(s.moment.Add(1), j.stamp, j.call)
	}
	loaded, err := s.loadMany(withOld(ctx, jobs[0].stands), keysOf(jobs), load, 0)
	stop()
	inParallel(keysOf(jobs), func(i int, key string) {
		j := jobs[i]
		e, ok := loaded[key]
		if !ok {
			return
		}
		j.failed = false
		*s.pace.rest(j.due) = rest{}
		if j.stands.kept() {
			s.count.notModified.Add(1)
		}
		if _, err := s.replace(j.call, &j.base, e, j.stands); err == nil || errors.Is(err, store.ErrChanged) {
			j.claim = 0 // of what is not there any more
		} else {
			j.wait = max(s.opts.RetryAfter, 0)
		}
	})
	return err
}

// keepClaim keeps the claim of j until stop is called.
func (s *Store[T]) keepClaim(j *job[T]) (stop func()) {
	return s.keepUp(func() error {
		return s.refresher.EndClaim(j.Values(), j.key, j.version, j.claim, s.opts.Lease)
	})
}

// endJobs says when the keys of jobs may be loaded anew again: here, and, of those that
// failed, elsewhere.
func (s *Store[T]) endJobs(ctx context.Context, jobs []*job[T]) {
	inParallel(keysOf(jobs), func(i int, _ string) {
		j := jobs[i]
		if j.failed {
			s.count.refreshErrors.Add(1)
			if ctx.Err() == nil { // else it was given up, which is not the fault of the source
				r := s.pace.rest(j.due)
				wait := r.next(s.opts.RetryAfter)
				j.wait = s.opts.jitter(wait)
				r.begin(wait, j.wait)
			}
		}
		if j.claim != 0 {
			_ = s.refresher.EndClaim(j.Values(), j.key, j.version, j.claim, j.wait) // or it ends by itself
		}
		s.pace.give(j.due, j.wait)
	})
}

func keysOf[T any](jobs []*job[T]) []string {
	ks := make([]string, len(jobs))
	for i, j := range jobs {
		ks[i] = j.key
	}
	return ks
}
