package layered

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// leadLeased loads as the only one of all processes, or waits for the one that
// does. old is what L2 has, or had, for the case that the source fails.
func (s *Store[T]) leadLeased(ctx context.Context, c *call[T], load Loader[T], old Found[T]) (Found[T], error) {
	key, patience := c.Key(), s.patience()
	poll := s.poll()
	ctx, cancel := s.waitContext(ctx)
	defer cancel()
	// What is fresh by its life, though the read did not find it so: it cannot be
	// read, or one of its tags was invalidated.
	var fresh uint64
	if old.Tier == Source {
		fresh = old.Version
	}
	for {
		changed, stop := s.guard.await(key) // before the lease is asked for
		g, err := s.leaser.Lease(c.Values(), key, s.opts.Lease, fresh)
		switch {
		case err != nil:
			stop()
			s.count.l2Errors.Add(1)
			return s.leadAlone(c.Context(), c, load, old, err)
		case g.State == store.Granted:
			stop()
			if g.Told {
				c.Stand()
			}
			return s.loadLeased(c, load, old, &g, patience)
		case g.State == store.BackedOff:
			stop()
			return s.failSafe(s.inDoubt(c.Values(), key, old, nil), s.backedOff(key, &g))
		case g.State == store.Taken:
			s.countWait(poll)
			began := time.Now()
			var left time.Duration
			left, fresh = s.passBy(&g, fresh, old.Tier == Source)
			err = waitFor(ctx, changed, poll.next(left))
			patience = max(0, patience-time.Since(began)) // whom we have waited for may have been refused
			stop()
			if err != nil { // nobody waits any more, or the other does not come to an end
				return s.leadAlone(c.Context(), c, load, old, errWaited)
			}
		default:
			stop()
		}
		again, l2err := s.behindAgain(c.Values(), key, Look[T]{}, false)
		switch {
		case l2err != nil:
			return s.leadAlone(c.Context(), c, load, old, l2err)
		case again.Tier != Source && !again.Stale:
			return again, again.MissError()
		case again.Tier != Source:
			old = again
			s.offer(c, &old)
		}
		if g.State == store.Fresh {
			fresh = g.Version
		}
	}
}

// errWaited says why a load is not kept in L2: another process has the lease.
var errWaited = errors.New("another process has been loading for too long")

// waitContext bounds how long others are waited for.
func (s *Store[T]) waitContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return s.loadContext(ctx)
}

// waitFor returns when the key has changed, or the lease that was seen is over. The
// push of a change is what usually comes; that of an expiry may come seconds late.
func waitFor(ctx context.Context, changed <-chan struct{}, left time.Duration) error {
	t := time.NewTimer(left + time.Millisecond)
	defer t.Stop()
	select {
	case <-changed:
		return nil
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// loadLeased loads under a lease and keeps the result in both tiers if the lease
// still stands then. That it does proves that nothing happened to the key from
// before the load on, so that the result answers all who have joined until then.
func (s *Store[T]) loadLeased(c *call[T], load Loader[T], old Found[T], g *store.Grant, patience time.Duration) (Found[T], error) {
	key, lease := c.Key(), g.Lease
	f := Found[T]{asOf: s.moment.Add(1)}
	m := s.mark(key)
	stands := s.oldFrom(&old)
	if old.Version != g.Version { // it has changed since it was read
		stands = nil
	}
	stop := s.renew(c.Values(), key, lease)
	released := false
	defer func() { // also if something panics
		stop()
		if !released {
			_ = s.leaser.Release(c.Values(), key, lease, 0, "") // or it ends by itself
		}
	}()
	var err error
	s.loads(f.asOf, g.Stamp, c)
	f.Entry, err = s.load(c.Context(), key, load, stands, patience)
	stop()
	if !mutant.LateJoin.Load() {
		c.Leave() // what is done to the key from here on does not refuse the fill
	}
	if err != nil {
		released = true
		s.giveBack(c.Context(), c.Values(), key, lease, old.Tier != Source, err)
		return s.failSafe(s.inDoubt(c.Values(), key, old, nil), err)
	}
	if stands.kept() { // its tags may have been invalidated before the lease was given
		f.asOf, g.Stamp, m = stands.asOf, stands.entry.Stamp, m.overtaken()
	}
	s.fillLeased(c.Values(), key, &f, g, m)
	released = true
	return f, f.MissError()
}

// giveBack ends a lease under which a load on ctx has failed with failure. Where there is
// a stale value to serve, the source is left alone for a while.
func (s *Store[T]) giveBack(ctx, values context.Context, key string, lease uint64, stale bool, failure error) {
	backOff, why := s.backOff(ctx, failure, stale)
	if err := s.leaser.Release(values, key, lease, backOff, why); err != nil && !errors.Is(err, store.ErrLeaseLost) {
		s.count.l2Errors.Add(1) // the lease ends by itself
	}
	s.guard.ring(key)
}

// fillLeased keeps f, which was loaded under g, in both tiers, as [Store.keepLeased] does.
// before was taken before the load.
func (s *Store[T]) fillLeased(ctx context.Context, key string, f *Found[T], g *store.Grant, before mark) {
	defer s.guard.ring(key) // L2 does not tell of our own fills
	x := store.LeasedFill[T]{Key: key, Lease: g.Lease, Entry: s.stamped(ctx, f.Entry, g)}
	if f.Expired(store.Now()) { // the loader, or AbsentFor, said: answer, but do not keep
		s.returnLease(ctx, &x, f)
		return
	}
	m := s.mark(key)
	var r store.Filled[T]
	r.Entry, r.Watched, r.Err = s.leaser.FillLeased(ctx, key, x.Lease, x.Entry)
	s.keepLeased(ctx, &x, f, before, m, &r)
}

// stamped returns e, which was loaded under g, with the stamp of L2: its own is of this
// process.
func (s *Store[T]) stamped(ctx context.Context, e store.Entry[T], g *store.Grant) store.Entry[T] {
	e.Stamp = g.Stamp
	if mutant.LateStamp.Load() && s.stamper != nil {
		e.Stamp, _ = s.stamper.Stamp(ctx)
	}
	return e
}

// keepLeased keeps f in L1 as the fill x, which has ended with r, has kept it in L2. m was
// taken before that, and before before the load: that is for what L2 did not take, where
// there may be no proof that nothing happened to the key since.
func (s *Store[T]) keepLeased(ctx context.Context, x *store.LeasedFill[T], f *Found[T], before, m mark, r *store.Filled[T]) {
	if mutant.NoToken.Load() && errors.Is(r.Err, store.ErrLeaseLost) {
		r.Entry, r.Watched, r.Err = s.filler.Fill(ctx, x.Key, x.Entry)
	}
	f.unkept = true
	switch {
	case errors.Is(r.Err, store.ErrLeaseLost):
		s.count.refused.Add(1)
		lost := before.copies <= s.trust.rolled.Load() // not broken by a change, as far as is known
		if !lost || !s.keepDoubtful(x.Key, before, f.Entry) {
			_ = s.dropL1(ctx, x.Key) // in memory
		}
	case unstorable(r.Err) && r.Entry.Version != 0: // L1 alone keeps it, and L2 tells of changes
		s.failedFill(r.Err)
		r.Entry.Value = f.Value
		f.Entry, f.proven, f.unkept = r.Entry, len(f.Tags) == 0, false
		s.filled(ctx, x.Key, m, f.Entry, r.Watched, nil)
	case r.Err != nil:
		if !errors.Is(r.Err, store.ErrUnavailable) { // nobody need wait
			s.returnLease(ctx, x, f)
		}
		s.filled(ctx, x.Key, before, f.Entry, false, r.Err)
	default:
		r.Entry.Value = f.Value
		f.Entry, f.proven, f.unkept = r.Entry, true, false
		s.filled(ctx, x.Key, m, f.Entry, r.Watched, nil)
	}
}

// returnLease releases the lease of x, which has loaded f but is not kept in L2. If the
// lease was still valid, that proves that nothing happened to the key while it was loaded;
// but not that no tag was invalidated.
func (s *Store[T]) returnLease(ctx context.Context, x *store.LeasedFill[T], f *Found[T]) {
	stood := s.leaser.Release(ctx, x.Key, x.Lease, 0, "") == nil // else it ends by itself
	f.unkept, f.proven = !stood, stood && len(f.Tags) == 0
}

// renew keeps a lease until stop is called.
func (s *Store[T]) renew(ctx context.Context, key string, lease uint64) (stop func()) {
	return s.keepUp(func() error { return s.leaser.Renew(ctx, key, lease, s.opts.Lease) })
}

// keepUp calls renew three times in the length of a lease until stop is called, which
// waits for a renewal that is under way, or until the lease is lost. A load that takes
// less than a third of the lease costs a timer.
func (s *Store[T]) keepUp(renew func() error) (stop func()) {
	var mu sync.Mutex
	stopped := false
	var t *time.Timer
	mu.Lock()
	t = time.AfterFunc(s.opts.Lease/3, func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		if errors.Is(renew(), store.ErrLeaseLost) {
			return // the load goes on for those who wait for it
		}
		t.Reset(s.opts.Lease / 3)
	})
	mu.Unlock()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		t.Stop()
	}
}
