package layered

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// This file alone decides whether a copy in L1 may be served. There are three grades:
//
//   - Fresh: [Store.Lookup] answers with it.
//   - Stale: [Store.staleLocal] answers with it, while or because a load is slow. It is
//     never a value that is known to be changed or removed: L1 has dropped that.
//   - Suspect: [Store.orSuspect] answers with it if neither L2 nor the source can. A copy
//     is suspect when changes of it were possibly missed: the connection to L2 was lost
//     since it was made, L2 is disconnected, or it was loaded while L2 could not be reached
//     and MaxDisconnected is over. Another process may have changed or removed the value.
//     This process has not, nor was it notified of a change, nor has L2 denied the copy.

// Lookup looks into L1 for key. ok means that L1 can answer with the entry now, as
// [Store.Local] does; if not, [Store.FindAfter] continues from the Lookup.
func (s *Store[T]) Lookup(ctx context.Context, key string) (l Lookup[T], ok bool) {
	l.at = s.fence.Changes() + 1
	e, err := s.view(ctx, key)
	if err != nil {
		return l, false
	}
	l.entry = e
	if !s.conn.serves(e.Epoch) && !s.trusted(e) || (e.StaleAt != 0 && s.clock.Passed(e.StaleAt)) || len(e.Tags) > 0 && !s.current(e) || s.closed.Load() {
		s.count.l1Stale.Add(1)
		return l, false
	}
	if s.countL1 {
		s.count.l1Hits.Add(1)
	}
	if s.sampler.armed.Load() {
		s.sample(key, e)
	}
	return l, true
}

// Local returns the entry that L1 can answer with now, which is fresh. It does no I/O. An
// absent entry is an answer too. The entry is shared and must not be changed. A caller
// with a loader should check [Store.ShouldRefresh].
func (s *Store[T]) Local(ctx context.Context, key string) (*store.Entry[T], bool) {
	l, ok := s.Lookup(ctx, key)
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

// peek is view that does not count as a hit of L1.
func (s *Store[T]) peek(ctx context.Context, key string) (*store.Entry[T], error) {
	e, err := s.view(ctx, key)
	if err == nil {
		s.count.l1Stale.Add(1)
	}
	return e, err
}

// seen returns what L1 has under key, or nil. It looks into L1 only if L1 has changed
// since l.
func (s *Store[T]) seen(ctx context.Context, key string, l Lookup[T]) *store.Entry[T] {
	if l.at == s.fence.Changes()+1 {
		return l.entry
	}
	e, err := s.peek(ctx, key)
	if err != nil {
		return nil
	}
	return e
}

// serveSeen counts a hit of L1 that a Lookup has counted as none.
func (s *Store[T]) serveSeen() {
	if s.countL1 {
		s.count.l1Hits.Add(1)
	} else {
		s.count.l1Stale.Add(^uint64(0))
	}
}

// getL1 returns what L1 has under key, stale or not, where it is the only tier. nil: nothing.
func (s *Store[T]) getL1(ctx context.Context, key string, l Lookup[T]) *store.Entry[T] {
	e := s.seen(ctx, key, l)
	if e == nil || !s.current(e) {
		s.countOutdated(e)
		return nil
	}
	return e
}

// trusted reports whether the state of the connection to L2 lets L1 serve e.
func (s *Store[T]) trusted(e *store.Entry[T]) bool {
	return s.conn.serves(e.Epoch) || s.maxStale > 0 && s.confirmed(e) || s.mutated(e)
}

// confirmed reports whether L2 has confirmed e within maxStale. It is for an L2 that need
// not push invalidations, connected or not.
func (s *Store[T]) confirmed(e *store.Entry[T]) bool {
	return e.Epoch == s.conn.epoch.Load() && (!s.clock.Passed(e.CheckAt) || mutant.NoMaxStale.Load())
}

// mutated reports whether a test has removed the guarantee that keeps e from being served.
func (s *Store[T]) mutated(e *store.Entry[T]) bool {
	old := e.Epoch != s.conn.epoch.Load()
	disconnected := s.conn.serving.Load() == noEpoch
	return (mutant.NoEpoch.Load() || mutant.NoHeartbeat.Load()) &&
		(!old || mutant.NoEpoch.Load()) && (!disconnected || mutant.NoHeartbeat.Load())
}

// current reports whether the tags of e let L1 serve it. It does no I/O: if L2 would have
// to be asked, it returns false.
func (s *Store[T]) current(e *store.Entry[T]) bool {
	if len(e.Tags) == 0 {
		return true
	}
	if e.Epoch == noEpoch {
		return s.opts.Tags.current(e.Tags, e.Stamp)
	}
	if s.tagger == nil {
		return true // L2 pushes an invalidation of each key
	}
	ok, _ := s.tagger.Current(e.Tags, e.Stamp)
	return ok || mutant.NoTagCheck.Load()
}

// outdated reports whether e, a copy from L2, has a tag that is known to be invalidated.
func (s *Store[T]) outdated(e *store.Entry[T]) bool {
	if len(e.Tags) == 0 || s.tagger == nil {
		return false
	}
	ok, known := s.tagger.Current(e.Tags, e.Stamp)
	return known && !ok
}

// countOutdated counts e, which L1 has and L2 does not confirm, if that is because of a tag: its
// reading is too new, or not known again yet. e may be nil. Only one of the readers of a key that
// wait for each other calls it.
func (s *Store[T]) countOutdated(e *store.Entry[T]) {
	if e != nil && !s.current(e) {
		s.count.tagged.Add(1)
	}
}

// revalidates reports whether L2 should be asked whether e, which L1 has, is still the
// value, rather than be asked for the value. e may be nil.
func (s *Store[T]) revalidates(e *store.Entry[T], strict bool) bool {
	return s.filler != nil && e != nil && e.Epoch != noEpoch && e.Version != 0 &&
		(strict || !s.trusted(e) || !s.current(e)) && !s.outdated(e)
}

// staleLocal returns what L1 has under key if it may be served, fresh or stale.
func (s *Store[T]) staleLocal(ctx context.Context, key string, l Lookup[T]) (f Found[T], ok bool) {
	e := s.seen(ctx, key, l)
	if e == nil {
		return f, false
	}
	stale := s.clock.Passed(e.StaleAt)
	if !s.trusted(e) || stale && s.unconfirmed(e) || !s.current(e) || s.tooStale(e) || s.closed.Load() {
		return f, false
	}
	s.serveSeen()
	f = Found[T]{Entry: *e, Tier: L1, Stale: stale}
	if f.Stale {
		s.count.staleServed.Add(1)
	}
	return f, true
}

// tooStale reports whether e is past [Options.RevalidateFor].
func (s *Store[T]) tooStale(e *store.Entry[T]) bool {
	return s.opts.RevalidateFor > 0 && s.clock.Passed(e.StaleAt.Add(s.opts.RevalidateFor))
}

// servesStale reports whether e, which L2 has and is stale, is the answer.
func (s *Store[T]) servesStale(e *store.Entry[T], strict bool) bool {
	return !strict && s.opts.StaleWhileRevalidate && !s.tooStale(e)
}

// offered returns what c was offered, if it may answer a read that began at the moment
// began.
func (s *Store[T]) offered(c *call[T], began uint64) (f Found[T], ok bool) {
	f, _, valid := c.Offered()
	if !s.hasL2 {
		return f, valid && s.current(&f.Entry)
	}
	return f, valid && f.asOf > began && !s.outdated(&f.Entry)
}

// orSuspect returns old or, if that is nothing and the source failed, a suspect copy of
// key in L1. l2err is why L2 could not be asked; nil if it was.
func (s *Store[T]) orSuspect(ctx context.Context, key string, old Found[T], l2err error) Found[T] {
	if old.Tier != Origin || !s.hasL2 || s.opts.StrictStale {
		return old
	}
	e, err := s.peek(ctx, key)
	if answered := l2err == nil || l2err == errWaited; answered && (err != nil || !s.lostByL2(e)) {
		return old
	}
	if err != nil || e.StaleAt == 0 || e.Absent || e.Expired(store.Now()) || !s.recalled(e) {
		return old
	}
	s.count.suspect.Add(1)
	f := Found[T]{Entry: *e, Tier: L1, Stale: true}
	if now := store.Now(); !e.Stale(now) { // callers that see the entry alone must see it, too
		f.StaleAt = now
	}
	return f
}

// recalled reports whether no tag of e was invalidated since e was loaded, as far as this
// process was notified before it was disconnected.
func (s *Store[T]) recalled(e *store.Entry[T]) bool {
	switch {
	case len(e.Tags) == 0:
		return true
	case e.Epoch == noEpoch: // once connected again, L2 pushes changes of its tags, but none of e
		since := s.conn.disconnectedAt.Load()
		return s.opts.Tags.current(e.Tags, e.Stamp) && (!s.watched || since != 0 && int64(e.LoadedAt) >= since)
	case s.tagger == nil: // L2 pushes an invalidation of each key
		return true
	}
	return s.tagger.Recall(e.Tags, e.Stamp)
}

// unconfirmed reports whether e was loaded while L2 could not be reached. It is suspect
// once it is stale.
func (s *Store[T]) unconfirmed(e *store.Entry[T]) bool { return s.watched && e.Epoch == noEpoch }

// refillTime is how long an L2 that lost its data may lack what was loaded while it could
// not be reached.
const refillTime = time.Minute

// lostByL2 reports whether L2 lost its data, or possibly did, since it confirmed e. That L2
// does not have e is no sign of a change then. An entry that was loaded while L2 could not
// be reached was never confirmed: an L2 that is still being filled does not deny it either.
// See [store.Watching].RolledBack for how a loss is noticed. If an operator empties an L2
// that keeps running, the values are meant to be removed.
func (s *Store[T]) lostByL2(e *store.Entry[T]) bool {
	if mutant.EmptyDenies.Load() {
		return false
	}
	if e.Epoch == noEpoch {
		at := store.Time(s.conn.rolledBackAt.Load())
		return at != 0 && e.LoadedAt <= at.Add(refillTime)
	}
	return e.Epoch <= s.conn.rolledBack.Load()
}

// errWaited is why a load is not kept in L2: another process has the lease.
var errWaited = errors.New("another process has been loading for too long")
