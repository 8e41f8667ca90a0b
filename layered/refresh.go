package layered

import (
	"context"
	"errors"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// refreshTries is how often Refresh loads, if what it was to replace keeps changing.
const refreshTries = 3

// Refresh loads key now, whatever is there, and returns what was loaded: by a load
// that began after Refresh was called. Calls at the same time share one. Until it is
// done everybody goes on reading what stands, and if the load fails, that stays.
//
// What was loaded takes the place of what stood when the load began. If that was
// changed or removed meanwhile, by anybody, the change wins, and Refresh begins
// again; when that has happened three times, it returns what it has loaded last,
// which is then not kept. Where nothing stands, it is as with [Store.FindFresh]: one
// process loads, and the others wait for it. A value with a Revision below that of the
// one that stands is returned, but not kept: the source lags.
//
// Without a loader, or with an L2 that tells of changes but is no [store.Refresher],
// it is an error that is errors.ErrUnsupported.
func (s *Store[T]) Refresh(ctx context.Context, key string, load Loader[T]) (Found[T], error) {
	if s.closed.Load() {
		return Found[T]{}, s.errClosed("refresh", key)
	}
	if load == nil || !s.refreshes() {
		return Found[T]{}, s.failed("refresh", key, errors.ErrUnsupported)
	}
	began := s.moment.Load()
	from := flight.NodeOf(ctx)
	for {
		c, lead, err := s.beginAside(ctx, from, key)
		switch {
		case err != nil:
			return Found[T]{}, err
		case lead:
			go c.Run(func(ctx context.Context, c *call[T]) (Found[T], error) { return s.refresh(ctx, c, load) })
		case s.passesBy(ctx, c):
			from.Waited(c.Node())
			continue
		default:
			s.count.shared.Add(1)
		}
		f, err := s.result(ctx, c)
		from.Waited(c.Node())
		switch {
		case errors.Is(err, flight.ErrClosed):
			return f, s.errClosed("refresh", key)
		case lead, f.asOf > began, ctx.Err() != nil:
			return f, err
		}
	}
}

// refreshes reports whether L2 is one whose entries can be loaded anew: what tells of
// changes has to see to it that a refresh undoes none.
func (s *Store[T]) refreshes() bool { return s.refresher != nil || !s.watched }

func (s *Store[T]) refresh(ctx context.Context, c *call[T], load Loader[T]) (f Found[T], err error) {
	began := s.moment.Load()
	for range refreshTries {
		c.Renew() // what was done to the key until now, the load will see
		b, stands, there := s.standing(c.Values(), c.Key())
		if !there {
			f, err = s.join(ctx, c.Key(), Look[T]{}, load, true)
			if err != nil && !f.Absent || f.Tier == Source && f.asOf > began {
				return f, err
			}
			continue // it was loaded elsewhere, and there is no telling when
		}
		var overtaken bool
		f, overtaken, err = s.refreshOnce(ctx, c, load, &b, stands)
		if !overtaken {
			return f, err
		}
	}
	return f, f.MissError()
}

// A base is what a load anew rests on.
type base struct {
	version  uint64 // of what it is to replace
	revision uint64 // of the same at the source; 0: not known
	stamp    uint64 // of L2, from before the load; 0: it is no Stamper
}

// errLags says that what was loaded is older than what it was to replace.
var errLags = errors.New("the source is behind what was loaded from it before")

// standing returns what stands under key, and as what a load may find it to be the
// value still. there is false if it is nothing, or cannot be found out.
func (s *Store[T]) standing(ctx context.Context, key string) (b base, stands *old[T], there bool) {
	if s.refresher == nil { // nobody else can change it
		if stands = s.oldAlone(ctx, key); stands != nil {
			b.revision = stands.entry.Revision
		}
		return b, stands, true
	}
	if s.pending.has(key) {
		return b, nil, false
	}
	f, err := s.readKept(ctx, key, Look[T]{}, true)
	if err != nil && !f.Absent {
		return b, nil, false
	}
	b.version, b.revision = f.Version, f.Revision
	if s.stamper != nil {
		if b.stamp, err = s.stamper.Stamp(ctx); err != nil {
			return b, nil, false
		}
	}
	return b, s.oldFrom(&f), true
}

// refreshOnce loads key in the place of what stands. overtaken says that what was loaded
// was not kept, because that has changed.
func (s *Store[T]) refreshOnce(ctx context.Context, c *call[T], load Loader[T], b *base, stands *old[T]) (f Found[T], overtaken bool, err error) {
	s.count.refreshes.Add(1)
	f.asOf = s.moment.Add(1)
	s.loads(f.asOf, b.stamp, c)
	f.Entry, err = s.load(ctx, c.Key(), load, stands, s.patience())
	if err != nil {
		s.count.refreshErrors.Add(1)
		return Found[T]{}, false, err
	}
	if stands.kept() {
		f.asOf = stands.asOf
	}
	f.Entry, err = s.replace(c, b, f.Entry, stands)
	return f, errors.Is(err, store.ErrChanged), f.MissError()
}

// replace keeps e, which was loaded anew, in both tiers, in the place of what stood, and
// returns it as it was kept. With errLags, or ErrChanged if that does not stand any more,
// it is not kept. Any other error leaves that open. stands is what the load was given, or
// nil: if e is that, it replaces itself.
func (s *Store[T]) replace(c *call[T], b *base, e store.Entry[T], stands *old[T]) (store.Entry[T], error) {
	key := c.Key()
	if stands.kept() {
		b = stands.base()
		e.Stamp = b.stamp
	}
	if e.Revision != 0 && e.Revision < b.revision {
		s.count.refused.Add(1)
		return e, errLags
	}
	if s.refresher == nil {
		if !c.Keep(func() { e = s.replaceAlone(c.Values(), key, e) }) || !s.opts.Tags.current(e.Tags, e.Stamp) {
			s.count.refused.Add(1)
			return e, store.ErrChanged
		}
		return e, nil
	}
	defer s.guard.ring(key) // L2 does not tell of our own fills
	m := s.mark(key)
	m.replaces = true
	e.Stamp = b.stamp // that of e is of this process
	if mutant.LateStamp.Load() && s.stamper != nil {
		e.Stamp, _ = s.stamper.Stamp(c.Values())
	}
	kept, watched, err := s.exchange(c.Values(), key, b.version, e, stands)
	if mutant.NoCompare.Load() && errors.Is(err, store.ErrChanged) {
		kept, watched, err = s.filler.Fill(c.Values(), key, e)
	}
	if unstorable(err) && kept.Version != 0 { // what stood is in memory alone, too
		s.failedFill(err)
		err = nil
	}
	if err != nil {
		if errors.Is(err, store.ErrChanged) {
			s.count.refused.Add(1)
		} else {
			s.failedFill(err)
		}
		_ = s.dropL1(c.Values(), key) // in memory. L2 may have forgotten that it was read
		return e, err
	}
	kept.Value = e.Value
	s.filled(c.Values(), key, m, kept, watched, nil)
	return kept, nil
}

// replaceAlone is replace where nobody else changes anything.
func (s *Store[T]) replaceAlone(ctx context.Context, key string, e store.Entry[T]) store.Entry[T] {
	if !e.Expired(store.Now()) {
		return s.fill(ctx, key, e, nil)
	}
	// The source said: do not keep. So what is there is not to be kept either.
	if s.hasL2 {
		if err := s.l2.Delete(ctx, key); err != nil {
			s.count.l2Errors.Add(1)
		}
	}
	_ = s.dropL1(ctx, key) // in memory
	return e
}
