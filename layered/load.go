package layered

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

type call[T any] = flight.Call[Found[T]]

// lead sees to the work of a flight: L2, then the source, then the way back. L2 it
// reads itself. What takes longer has a goroutine, because others may wait for it
// longer than the caller does.
func (s *Store[T]) lead(ctx context.Context, c *call[T], l Look[T], load Loader[T], strict bool) {
	if s.opts.FinishLoads {
		c.Detach()
	}
	var old Found[T]
	var l2err error
	if !c.Here(func() (f Found[T], all bool, err error) {
		if old, l2err = s.behind(ctx, c.Key(), l, strict); ended(l2err) {
			return f, false, nil
		}
		return s.answer(ctx, c, &old, l2err, load, strict)
	}) {
		go s.leadOn(c, load, strict, old, l2err)
	}
}

// leadOn goes on with a flight after the leader has read L2, or could not.
func (s *Store[T]) leadOn(c *call[T], load Loader[T], strict bool, old Found[T], l2err error) {
	roomToLoad()
	c.Run(func(ctx context.Context, c *call[T]) (Found[T], error) {
		if ended(l2err) { // for the leader, not for those who have joined
			old, l2err = s.behind(c.Values(), c.Key(), Look[T]{}, strict) // L2 bounds its operations itself
		}
		if f, all, err := s.answer(ctx, c, &old, l2err, load, strict); all {
			return f, err
		}
		if why := s.resting(ctx, c.Key(), &old, l2err); why != nil {
			return s.failSafe(old, why)
		}
		if s.leaser != nil && l2err == nil {
			return s.leadLeased(ctx, c, load, old)
		}
		return s.leadAlone(ctx, c, load, old, l2err)
	})
}

// answer answers with what was found behind L1, if that is all there is to do.
func (s *Store[T]) answer(ctx context.Context, c *call[T], old *Found[T], l2err error, load Loader[T], strict bool) (f Found[T], all bool, err error) {
	if load != nil && !s.serves(ctx, c.Key(), old, load, strict) {
		s.offer(c, old)
		return f, false, nil
	}
	f, err = withoutLoader(*old, l2err)
	return f, true, err
}

// ended reports whether err says that the context of whoever asked has ended.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// leadAlone loads without asking other processes. If L2 could not be read, which
// l2err tells, it is not asked to keep what was loaded either.
func (s *Store[T]) leadAlone(ctx context.Context, c *call[T], load Loader[T], old Found[T], l2err error) (Found[T], error) {
	key := c.Key()
	stands := s.oldFrom(&old)
	if stands == nil || c.Forgotten() {
		// The load sees whatever overtook the read of L2: a lost connection, for
		// instance, that the read itself brought to light.
		stands = nil
		c.Renew()
	}
	f := Found[T]{asOf: s.moment.Add(1)}
	var err error
	s.loads(f.asOf, 0, c)
	f.Entry, err = s.load(ctx, key, load, stands, s.patience())
	switch {
	case err != nil:
		return s.failSafe(s.inDoubt(ctx, key, old, l2err), err)
	case stands.kept():
		f.Entry, f.asOf = s.keepOn(c, stands, f.Entry, l2err), stands.asOf
	default:
		c.Keep(func() { f.Entry = s.fill(c.Values(), key, f.Entry, l2err) })
	}
	f.proven = s.provenAlone(c, &f.Entry)
	return f, f.MissError()
}

// provenAlone keeps newcomers from joining c, which has loaded e without a lease, and
// reports whether those who have joined may have it: without an L2 that tells of
// changes there is nobody else to be told of.
func (s *Store[T]) provenAlone(c *call[T], e *store.Entry[T]) bool {
	if len(e.Tags) == 0 {
		return !s.watched
	}
	c.Leave()
	return !s.watched && s.opts.Tags.current(e.Tags, e.Stamp)
}

// withoutLoader answers with what there is.
func withoutLoader[T any](old Found[T], l2err error) (Found[T], error) {
	switch {
	case old.Tier != Source:
		return old, old.MissError()
	case l2err != nil:
		return old, l2err
	default:
		return old, store.ErrNotFound
	}
}

// behind looks for key in the tiers, which have nothing fresh in L1. The tier of
// what it returns is Source if there is nothing.
func (s *Store[T]) behind(ctx context.Context, key string, l Look[T], strict bool) (Found[T], error) {
	f, err := s.behindAgain(ctx, key, l, strict)
	if (f.Tier == Source || f.Stale) && !(ended(err) && ctx.Err() != nil) {
		s.count.misses.Add(1)
	}
	return f, err
}

// behindAgain is behind for a read that has been counted already if it is a miss.
func (s *Store[T]) behindAgain(ctx context.Context, key string, l Look[T], strict bool) (Found[T], error) {
	var f Found[T]
	var err error
	if s.hasL2 {
		if s.pending.has(key) {
			return Found[T]{}, s.unread(ctx, key)
		}
		f, err = s.readKept(ctx, key, l, strict)
	} else { // a stale copy in L1 may be of use
		f.Tier, f.asOf = L1, s.moment.Add(1)
		f.Entry, err = s.getL1(ctx, key, l)
	}
	if err != nil && !f.Absent {
		if ended(err) && ctx.Err() != nil { // nobody's fault
			return Found[T]{}, err
		}
		if errors.Is(err, store.ErrNotFound) {
			return Found[T]{Entry: store.Entry[T]{Version: f.Version}, asOf: f.asOf}, nil
		}
		s.count.l2Errors.Add(1)
		return Found[T]{}, err
	}
	f.Stale = s.clock.Passed(f.StaleAt)
	switch {
	case f.Stale:
	case f.Tier == L1: // it was kept after L1 was asked first
		s.serveSeen()
	case f.Tier == L2:
		s.count.l2Hits.Add(1)
	}
	return f, nil
}

// load calls load, once it may, and gives what it returns a life. An absent value is no
// error. stands is what load may find to be the value still, or nil. See admit for
// patience.
func (s *Store[T]) load(ctx context.Context, key string, load Loader[T], stands *old[T], patience time.Duration) (store.Entry[T], error) {
	leave, err := s.admit(ctx, key, patience)
	if err != nil {
		return store.Entry[T]{}, err
	}
	own := ctx
	ctx, cancel := s.loadContext(withOld(ctx, stands))
	defer cancel()
	s.count.loads.Add(1)
	ctx, end := store.Observe(ctx, s.opts.Observer, store.Op{Store: "source", Cache: s.opts.Name, Name: "load", Key: key, Keys: 1})
	began, stamp := time.Now(), s.opts.Tags.now()
	e, err := stands.answer(ask(ctx, &s.strays, leave, func() (store.Entry[T], error) { return load(ctx, key) }))
	if isAbsent(&e, err) {
		e, err = asAbsent(e), nil
	}
	if err == nil && s.complete != nil {
		e, err = s.complete(key, e)
	}
	s.took(time.Since(began), err)
	s.remember(ctx, key, err)
	if err != nil {
		s.count.loadErrors.Add(1)
		end(0, err)
		return store.Entry[T]{}, s.failure(own, err)
	}
	s.arrived(&e, began)
	if stands.kept() {
		s.count.notModified.Add(1)
	} else {
		e.Stamp = stamp
	}
	end(1, nil)
	return e, nil
}

// failure returns what a load on ctx that has failed with err tells those who wait for it:
// err, unless Close has cancelled the load.
func (s *Store[T]) failure(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), flight.ErrClosed) {
		return flight.ErrClosed
	}
	return err
}

// isAbsent reports whether a loader that returned e and err has said that the source has
// no value.
func isAbsent[T any](e *store.Entry[T], err error) bool {
	var panicked *flight.PanicError
	return err == nil && e.Absent || errors.Is(err, store.ErrNotFound) && !errors.As(err, &panicked)
}

// asAbsent returns e as one of which the source has no value.
func asAbsent[T any](e store.Entry[T]) store.Entry[T] {
	if !e.Absent { // it came with an error
		e.ExpiresAt = 0
	}
	return store.Entry[T]{Absent: true, ExpiresAt: e.ExpiresAt, Tags: e.Tags, Revision: e.Revision}
}

// loadContext bounds a load.
func (s *Store[T]) loadContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.opts.LoadTimeout < 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.opts.LoadTimeout)
}

// arrived gives e, whose load began at began, a life unless it has one, be it endless,
// from NewEntry. It notes how long the load took, unless the loader has.
func (s *Store[T]) arrived(e *store.Entry[T], began time.Time) {
	given := e.ExpiresAt != 0 || e.LoadedAt != 0
	e.LoadedAt = store.At(began)
	if e.LoadTime == 0 {
		e.LoadTime = time.Since(began)
	}
	switch {
	case given:
	case e.Absent:
		s.opts.live(e, s.opts.AbsentFor)
	default:
		s.opts.live(e, s.opts.TTL)
	}
}

// failSafe answers with a stale entry, if there is one, when a load failed.
func (s *Store[T]) failSafe(old Found[T], err error) (Found[T], error) {
	if old.Tier == Source {
		return Found[T]{}, err
	}
	s.count.staleServed.Add(1)
	old.Cause, old.asOf = err, 0 // flagged: who joined takes it, too
	return old, old.MissError()
}

// fill keeps a loaded entry in both tiers and returns it as it was kept. l2err
// is why L2 could not be read, if it could not: then it is not asked again.
func (s *Store[T]) fill(ctx context.Context, key string, e store.Entry[T], l2err error) store.Entry[T] {
	if e.Expired(store.Now()) { // the loader, or AbsentFor, said: answer, but do not keep
		return e
	}
	if !s.watched && !s.opts.Tags.current(e.Tags, e.Stamp) { // what there is may be newer
		return e
	}
	m := s.mark(key)
	if !s.hasL2 {
		s.keepL1(key, m, e)
		return e
	}
	if l2err != nil {
		s.keepUnheard(key, m, e)
		return e
	}
	watched := !s.watched
	var err error
	if s.filler != nil {
		var kept store.Entry[T]
		if kept, watched, err = s.filler.Fill(ctx, key, e); err == nil {
			kept.Value = e.Value
			e = kept
		}
	} else {
		err = s.l2.Set(ctx, key, e)
	}
	s.filled(ctx, key, m, e, watched, err)
	return e
}

// filled keeps in L1 what L2 was asked to keep.
func (s *Store[T]) filled(ctx context.Context, key string, m mark, e store.Entry[T], watched bool, err error) {
	switch {
	case err != nil:
		s.failedFill(err)
		s.keepUnheard(key, m, e)
	case s.pending.has(key):
		// L2 had not heard of a change of ours when it kept e, or has gone back in
		// time: e may be from before.
		_ = s.dropL1(ctx, key)
	case !watched:
		s.confirm(ctx, key, e)
	case !s.keepL1(key, m, e) && !s.keepDoubtful(key, m, e):
		// L2 no longer watches what L1 may have had before the fill.
		_ = s.dropL1(ctx, key)
	}
}

// confirm keeps e in L1 if L2, which has kept it but could not say that it will
// tell of changes, still has it. L2 may tell of the fill itself, which refuses the
// copy; but that comes before the first answer, so that the second time it cannot.
func (s *Store[T]) confirm(ctx context.Context, key string, e store.Entry[T]) {
	for try := 0; try < 2 && s.checker != nil && e.Version != 0; try++ {
		m := s.mark(key)
		now, err := s.checker.Recheck(ctx, key, e)
		if err != nil && !errors.Is(err, store.ErrNotFound) && s.keepDoubtful(key, m, e) {
			return
		}
		if err != nil {
			break
		}
		if s.tryL1(key, m, now) {
			return
		}
	}
	_ = s.dropL1(ctx, key) // in memory
}

// keepUnheard keeps in L1 what L2 could not take and does not watch. After a short time
// it is in doubt: see [Store.inDoubt].
func (s *Store[T]) keepUnheard(key string, m mark, e store.Entry[T]) {
	if s.watched {
		if s.opts.MaxUnheard < 0 {
			return
		}
		end := e.LoadedAt.Add(s.opts.MaxUnheard)
		if e.StaleAt == 0 || s.opts.StrictStale {
			e.ExpiresAt = shorter(e.ExpiresAt, end)
		} else {
			e.StaleAt = shorter(e.StaleAt, end)
		}
	}
	m.copies = noEpoch
	if !s.keepL1(key, m, e) && e.StaleAt != 0 {
		e.StaleAt = e.LoadedAt // in doubt at once
		s.keepDoubtful(key, m, e)
	}
}
