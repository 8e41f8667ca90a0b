package layered

import (
	"context"
	"errors"
	"fmt"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// A Tier says where an answer came from.
type Tier uint8

// The tiers.
const (
	Source  Tier = iota // the loader
	L1                  // this process
	L2                  // the shared tier
	Default             // none: see [Store.FallBack]
)

// String returns "source", "L1", "L2" or "default".
func (t Tier) String() string {
	switch t {
	case Source:
		return "source"
	case L1:
		return "L1"
	case L2:
		return "L2"
	case Default:
		return "default"
	default:
		return fmt.Sprintf("Tier(%d)", uint8(t))
	}
}

// Found is an entry and how it was found.
type Found[T any] struct {
	store.Entry[T]
	Tier  Tier
	Stale bool  // past its soft expiry: the source could not answer, or is being asked
	Cause error // why a stale entry, or a default, was served; nil if it is being loaded anew

	// Who joins a call that is under way takes its result only if it was true
	// after he had joined.
	asOf   uint64 // the moment at which it was read or loaded; see [Store.moment]
	proven bool   // nothing happened to the key before newcomers were kept out
	kept   bool   // it is in L1 now, so that it answers like L1
	unkept bool   // see Unkept
}

// Unkept reports whether f was loaded by the only process that could keep it, but was not
// kept in L2: its key may have been changed while it was loaded.
func (f *Found[T]) Unkept() bool { return f.unkept }

// A Loader gets the value under key from the source. An entry without an expiry
// gets the life that the options give, unless it comes from [Store.NewEntry]; one
// that has expired is answered but not kept. An error that is store.ErrNotFound, or
// an entry that is Absent, says that the source has none, which is remembered until
// the entry expires, or for Options.AbsentFor. A panic is an error like any other.
//
// Its context has the values of the first caller's, a deadline of its own, and
// is cancelled when no caller waits any more; soon after that its callers do not wait
// for it either, though Close does. In the background, where
// Options.RefreshAhead and StaleWhileRevalidate have it called, also after those
// calls have returned, it is cancelled by Close.
type Loader[T any] func(ctx context.Context, key string) (store.Entry[T], error)

// Local returns the entry that L1 can answer with now: one that is there and
// fresh. It does no I/O. An absent entry is an answer too. The entry is shared
// and must not be changed. Who has a loader asks whether it is [Store.Due].
func (s *Store[T]) Local(ctx context.Context, key string) (*store.Entry[T], bool) {
	l, ok := s.Look(ctx, key)
	if !ok {
		return nil, false
	}
	return l.entry, true
}

// view returns what is in L1, whether it may be served or not.
func (s *Store[T]) view(ctx context.Context, key string) (*store.Entry[T], error) {
	if s.viewer != nil {
		return s.viewer.View(ctx, key)
	}
	return store.View(ctx, s.l1, key)
}

// peek is view for what is no answer from L1: it is not counted as one.
func (s *Store[T]) peek(ctx context.Context, key string) (*store.Entry[T], error) {
	e, err := s.view(ctx, key)
	if err == nil {
		s.count.l1Stale.Add(1)
	}
	return e, err
}

// Get returns the entry under key from L1 or L2, or store.ErrNotFound. From L2
// it may be stale.
func (s *Store[T]) Get(ctx context.Context, key string) (store.Entry[T], error) {
	l, ok := s.Look(ctx, key)
	if ok {
		return *l.entry, l.entry.MissError()
	}
	s.noteRead(key)
	return s.getL2(ctx, key, l)
}

func (s *Store[T]) getL2(ctx context.Context, key string, l Look[T]) (store.Entry[T], error) {
	if s.closed.Load() {
		return store.Entry[T]{}, s.errClosed("get", key)
	}
	if !s.hasL2 {
		// What L1 has may be stale, and is then all there is.
		e, err := s.getL1(ctx, key, l)
		if err == nil || e.Absent {
			s.serveSeen()
			return e, e.MissError()
		}
		s.count.misses.Add(1)
		return e, err
	}
	if s.pending.has(key) {
		return store.Entry[T]{}, s.unread(ctx, key)
	}
	e, err := s.readL2(ctx, key, l)
	switch {
	case err == nil || e.Absent:
		s.count.l2Hits.Add(1)
	case errors.Is(err, store.ErrNotFound):
		s.count.misses.Add(1)
	default:
		s.count.l2Errors.Add(1)
	}
	return e, err
}

// getL1 reads key from L1 where that is the only tier.
func (s *Store[T]) getL1(ctx context.Context, key string, l Look[T]) (store.Entry[T], error) {
	e := s.seen(ctx, key, l)
	if e == nil || !s.current(e) {
		return store.Entry[T]{}, store.ErrNotFound
	}
	return *e, e.MissError()
}

// readL2 reads key from L2 and keeps what it finds in L1. A copy in L1 that is in
// doubt, or any if strict, is asked about first: L2 need not send a value that is
// here already.
func (s *Store[T]) readL2(ctx context.Context, key string, l Look[T]) (store.Entry[T], error) {
	f, err := s.readKept(ctx, key, l, false)
	return f.Entry, err
}

// readKept is readL2 that also says whether L1 has what it returns.
//
// L2 may have gone back in time before it answers. What this process had changed is
// pending then, or has been deleted already after it was read: that is read again.
func (s *Store[T]) readKept(ctx context.Context, key string, l Look[T], strict bool) (f Found[T], err error) {
	for again := true; again; {
		m := s.journal.moment()
		f, again, err = s.readOnce(ctx, key, l, strict, m)
		l = Look[T]{}
	}
	return f, err
}

// readOnce reports by again that L2 went back in time since moment was taken.
func (s *Store[T]) readOnce(ctx context.Context, key string, l Look[T], strict bool, moment uint64) (f Found[T], again bool, err error) {
	f.asOf = s.moment.Add(1)
	m := s.mark(key)
	e := s.seen(ctx, key, l)
	if s.checker != nil && e != nil && e.Epoch != noEpoch && e.Version != 0 && (strict || !s.trusted(e) || !s.current(e)) && !s.outdated(e) {
		f.Entry, err = s.checker.Recheck(ctx, key, *e)
		switch {
		case s.pending.has(key):
			return Found[T]{}, false, s.unread(ctx, key)
		case s.journal.moment() != moment:
			return f, true, nil
		case err == nil:
			s.count.rechecked.Add(1)
			f.Tier, f.kept = L2, s.keepRead(key, m, f.Entry)
			return f, false, f.MissError()
		case !errors.Is(err, store.ErrNotFound):
			return f, false, err
		}
		if s.denied(ctx, key, e) {
			e = nil
		}
		m = s.mark(key)
	}
	f.Entry, err = s.l2.Get(ctx, key)
	switch {
	case s.pending.has(key):
		return Found[T]{}, false, s.unread(ctx, key)
	case s.journal.moment() != moment:
		return f, true, nil
	case err == nil || f.Absent:
		f.Tier, f.kept = L2, s.keepRead(key, m, f.Entry)
	case errors.Is(err, store.ErrNotFound):
		s.denied(ctx, key, e)
	}
	return f, false, err
}

// GetOrLoad returns the entry under key from the first tier that has it fresh,
// else from load, which runs once for all who wait. An error of load is
// returned as it is; if there is a stale entry, that is returned instead.
// A failure of L2 costs time, but is not an error. A nil load loads nothing:
// GetOrLoad is then Get, but that callers share one read of L2.
func (s *Store[T]) GetOrLoad(ctx context.Context, key string, load Loader[T]) (store.Entry[T], error) {
	l, ok := s.Look(ctx, key)
	if ok {
		if s.Due(l.entry) {
			s.RefreshSoon(ctx, key, l.entry, load)
		}
		return *l.entry, l.entry.MissError()
	}
	f, err := s.FindPast(ctx, key, l, load)
	return f.Entry, err
}

// Find is GetOrLoad that also says where the entry came from.
func (s *Store[T]) Find(ctx context.Context, key string, load Loader[T]) (Found[T], error) {
	l, ok := s.Look(ctx, key)
	if ok {
		if s.Due(l.entry) {
			s.RefreshSoon(ctx, key, l.entry, load)
		}
		return Found[T]{Entry: *l.entry, Tier: L1}, l.entry.MissError()
	}
	return s.FindPast(ctx, key, l, load)
}

// FindFresh is Find that does not answer from L1: it returns nothing that was
// changed, anywhere, before it was called, and nothing stale unless the source fails.
// It asks L2 in one exchange, which moves no value if that in L1 is still the one.
func (s *Store[T]) FindFresh(ctx context.Context, key string, load Loader[T]) (Found[T], error) {
	s.noteRead(key)
	return s.join(ctx, key, Look[T]{}, load, true)
}

// FindPast is [Store.Find] after a [Store.Look] with which L1 cannot answer. It returns
// what L1 has that is stale, if that may be served.
func (s *Store[T]) FindPast(ctx context.Context, key string, l Look[T], load Loader[T]) (Found[T], error) {
	s.noteRead(key)
	if s.opts.StaleWhileRevalidate && load != nil {
		if f, ok := s.staleSoon(ctx, key, l, load); ok {
			return f, f.MissError()
		}
	}
	return s.join(ctx, key, l, load, false)
}

// join leads the flight of key, or joins it if it is under way. What came true
// before this call began is taken only if it was proven to be true still: a change
// may have been answered to its writer in between. Otherwise it begins again, with
// a flight that began later.
func (s *Store[T]) join(ctx context.Context, key string, l Look[T], load Loader[T], strict bool) (Found[T], error) {
	if err := s.gone(ctx, key); err != nil {
		return Found[T]{}, err
	}
	began := s.moment.Load()
	from := flight.NodeOf(ctx)
	for {
		c, lead, err := s.begin(ctx, from, key)
		switch {
		case err != nil:
			return Found[T]{}, err
		case lead:
			s.lead(ctx, c, l, load, strict)
		case s.passesBy(ctx, c):
			from.Waited(c.Node())
			continue
		default:
			s.count.shared.Add(1)
		}
		f, late, again, err := s.await(ctx, c, began, strict, lead)
		from.Waited(c.Node())
		if again {
			continue
		}
		if errors.Is(err, flight.ErrClosed) {
			return f, s.errClosed("get", key)
		}
		if lead || late {
			return f, err
		}
		revalidated := f.Stale && f.Cause == nil
		if s.holds(&f, began) && !(strict && revalidated) {
			return f, err
		}
		if strict {
			continue
		}
		if f.kept && len(f.Tags) == 0 {
			f.Tier = L1
			return f, err
		}
		var ok bool
		if l, ok = s.Look(ctx, key); ok {
			return Found[T]{Entry: *l.entry, Tier: L1}, l.entry.MissError()
		}
	}
}

// gone returns the error of a read of key that L1 cannot answer and whose context has
// ended before it: nothing is begun for it.
func (s *Store[T]) gone(ctx context.Context, key string) error {
	if ctx.Err() == nil {
		return nil
	}
	return s.failed("get", key, &flight.ContextError{Cause: context.Cause(ctx)})
}

// holds reports whether f, the result of another's call, was true after the moment
// began. What has no moment is an error, or was flagged as stale.
func (s *Store[T]) holds(f *Found[T], began uint64) bool {
	return f.proven || f.asOf == 0 || f.asOf > began || mutant.OldJoin.Load()
}
