package layered

import (
	"context"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// A copy in L1 is in doubt when changes of it may have gone untold: the connection to L2
// was lost since it was made, L2 is not heard of, or it was loaded while L2 could not be
// reached and MaxUnheard is over. It answers nobody, but for one case: where neither L2
// nor the source can say anything, it is better than an error, and is flagged as stale.
//
// It may have been changed or removed by another process since. What this process has
// changed, or was told of, has left L1 and is no such copy; nor is what L2 has denied.
//
// An L2 that was emptied or rolled back since it confirmed the copy denies nothing: that it
// does not have the entry any more is no sign of a change. (See [store.Rewinder] for how that
// is known. An operator who empties an L2 that goes on running means that.)

// inDoubt returns old or, if that is nothing, what L1 has under key for the case that
// the source fails, too. l2err says why L2 could not be asked.
func (s *Store[T]) inDoubt(ctx context.Context, key string, old Found[T], l2err error) Found[T] {
	if old.Tier != Source || !s.hasL2 || s.opts.StrictStale {
		return old
	}
	e, err := s.peek(ctx, key)
	if answered := l2err == nil || l2err == errWaited; answered && (err != nil || !s.outlived(e)) {
		return old
	}
	if err != nil || e.StaleAt == 0 || e.Absent || e.Expired(store.Now()) || !s.recalled(e) {
		return old
	}
	s.count.doubtful.Add(1)
	f := Found[T]{Entry: *e, Tier: L1, Stale: true}
	if now := store.Now(); !e.Stale(now) { // to those, too, who see the entry alone
		f.StaleAt = now
	}
	return f
}

// inDoubtMany is inDoubt for those of ks that are open in b, for which nothing was loaded.
func (s *Store[T]) inDoubtMany(ctx context.Context, b *batch[T], ks []string, l2err error) {
	for _, key := range ks {
		if b.open[key] == nil {
			continue
		}
		if f := s.inDoubt(ctx, key, b.stale[key], b.why(key, l2err)); f.Tier != Source {
			if b.stale == nil {
				b.stale = make(map[string]Found[T])
			}
			b.stale[key] = f
		}
	}
}

// recalled reports whether, as far as this process was told before it heard no more, no
// tag of e was invalidated since e was loaded.
func (s *Store[T]) recalled(e *store.Entry[T]) bool {
	switch {
	case len(e.Tags) == 0:
		return true
	case e.Epoch == noEpoch: // L2 may have told of its tags, but not of e, since it was heard again
		silent := s.trust.silent.Load()
		return s.opts.Tags.current(e.Tags, e.Stamp) && (!s.watched || silent != 0 && int64(e.LoadedAt) >= silent)
	case s.stamper == nil: // L2 has told of each key
		return true
	}
	if r, ok := s.stamper.(store.Recaller); ok {
		return r.Recall(e.Tags, e.Stamp)
	}
	ok, known := s.stamper.Current(e.Tags, e.Stamp)
	return ok && known
}

// unconfirmed reports whether e was loaded while L2 could not be reached, so that once
// it is stale it is in doubt.
func (s *Store[T]) unconfirmed(e *store.Entry[T]) bool { return s.watched && e.Epoch == noEpoch }

// refills is how long an L2 that has lost its data is without what was loaded while it could
// not be reached.
const refills = time.Minute

// outlived reports whether L2 has lost its data, or may have, since it confirmed e. What was
// loaded while L2 could not be reached was never confirmed: an L2 that is still filling up
// does not deny that either.
func (s *Store[T]) outlived(e *store.Entry[T]) bool {
	if mutant.EmptyDenies.Load() {
		return false
	}
	if e.Epoch == noEpoch {
		at := store.Time(s.trust.rolledAt.Load())
		return at != 0 && e.LoadedAt <= at.Add(refills)
	}
	return e.Epoch <= s.trust.rolled.Load()
}

// denied is called when L2 has said that it does not have seen, which L1 has under key, or
// nothing if L1 has nothing either. It drops what L1 has, and reports so, unless L2 denies
// nothing and fail-safe may serve it.
func (s *Store[T]) denied(ctx context.Context, key string, seen *store.Entry[T]) bool {
	if seen == nil || !s.opts.StrictStale && seen.StaleAt != 0 && s.outlived(seen) {
		return false
	}
	_ = s.dropL1(ctx, key) // in memory
	return true
}

// keepDoubtful keeps e, which L1 has refused, as a copy in doubt, and reports so, if it
// was refused for that alone: the connection to L2 was lost, and nothing was told of key
// since m was taken.
func (s *Store[T]) keepDoubtful(key string, m mark, e store.Entry[T]) bool {
	if e.StaleAt == 0 || s.opts.StrictStale || s.checker == nil {
		return false
	}
	if m.copies != noEpoch {
		m.copies = min(m.copies, s.trust.epoch.Load()-1)
		if m.copies == noEpoch { // no connection was lost ever
			return false
		}
	}
	e = s.forL1(m, e)
	return s.guard.keepDoubtful(m, func() {
		if now, err := s.peek(context.Background(), key); err != nil || now.LoadedAt < e.LoadedAt {
			s.putL1(key, e)
		}
	})
}
