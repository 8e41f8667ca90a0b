// Package layered puts two tiers in front of a source: L1 in this process, L2
// shared by all processes, and a loader behind both.
//
// A read goes from tier to tier and stops at the first that has a fresh entry:
// L1 answers without an allocation; L2 in one exchange; the loader is called
// once for all callers in the process who want the key. What is found on the
// way back is kept in each tier that it passes, unless a fence refuses it.
//
// A write goes to L2 first and then drops the copy in L1, which only reads fill:
// a value that was never read from L2 is not watched there.
//
// # Coherence
//
// An L2 that is a [store.Watcher] tells of every change made anywhere. A reply
// of L2 and a later change of the same key may reach this process in either
// order, so each read takes a mark before it is sent, each invalidation moves
// what the marks are compared with, and a copy is kept in L1 only if its mark
// still stands. A lost connection moves all marks, and the copies in L1 serve
// again when L2 has confirmed them one by one, without moving their values. If L2
// is a [store.Hearer] that has not heard of it for too long, no copy serves.
//
// If L2 is a [store.Leaser], one load at a time is under way for a key wherever
// it is wanted, and what was loaded is kept only if the key did not change since
// the load began. The others wait for it.
//
// If L2 is a [store.Rewinder] that may have lost changes which it had confirmed, those
// that this process has made lately are made once more, as deletions.
//
// Set, Delete, Clear and their kin block the loads of their keys while they run:
// a load that they overtake answers those who wait for it, but is not kept, and
// nobody who comes after them joins it.
package layered

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/clock"
	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// A Store is a two-tier store. It has every capability of package store, and
// answers with an error that is errors.ErrUnsupported where its tiers do not.
// All methods may be called concurrently.
type Store[T any] struct {
	*core[T]
	complete func(key string, e store.Entry[T]) (store.Entry[T], error) // see Completing; nil: entries stay as they are
}

// A core is what all views of a Store share.
type core[T any] struct {
	opts     Options[T]
	l1       store.Store[T]  // never nil
	viewer   store.Viewer[T] // L1 again, if it can show its entries
	l2       store.Store[T]  // never nil
	hasL2    bool
	watched  bool            // L2 tells of changes
	filler   store.Filler[T] // nil if L2 is none
	leaser   store.Leaser[T] // the same
	checker  store.Rechecker[T]
	stamper  store.Stamper // the same
	maxStale time.Duration // of a copy of L2's, see [store.Revalidated]; 0: L2 tells of changes
	stop     []func()      // end the watch
	countL1  bool          // L1 does not count its hits

	refresher store.Refresher[T] // nil if L2 is none
	pace      *pace              // nil if nothing is loaded anew in the background
	failures  *failures          // nil if none is remembered
	slots     chan struct{}      // has one for each load under way; nil: there is no bound
	usual     average            // what a load takes
	strays    strays

	guard   *guard
	trust   trust
	flights flight.Group[Found[T]]
	moment  atomic.Uint64 // counts the reads of L2 and the loads, see Found.asOf
	clock   clock.Coarse
	sampler sampler
	heat    heat
	pending pending
	journal *journal // nil if L2 does not tell of what it has lost
	count   counters
	closed  atomic.Bool
}

var (
	_ store.Store[int]      = (*Store[int])(nil)
	_ store.ManyGetter[int] = (*Store[int])(nil)
	_ store.ManySetter[int] = (*Store[int])(nil)
	_ store.Expirer         = (*Store[int])(nil)
	_ store.Counter         = (*Store[int])(nil)
	_ store.PatternDeleter  = (*Store[int])(nil)
	_ store.Tagger          = (*Store[int])(nil)
	_ store.Clearer         = (*Store[int])(nil)
	_ store.Pinger          = (*Store[int])(nil)
	_ store.Reporter        = (*Store[int])(nil)
	_ store.Reviser[int]    = (*Store[int])(nil)
)

// New returns a store that reads through l1 and l2. Either may be nil; without
// both it still coalesces loads. o may be nil.
//
// The tiers stay the caller's: Close does not close them. While the Store is in
// use nobody else may write to l1; l2 may be shared with anybody.
func New[T any](l1, l2 store.Store[T], o *Options[T]) (*Store[T], error) {
	var opts Options[T]
	if o != nil {
		opts = *o
	}
	errs := append(opts.normalize(), opts.keepsHot(l1, l2)...)
	s := &Store[T]{core: &core[T]{opts: opts, l1: l1, l2: l2, hasL2: l2 != nil, guard: newGuard()}}
	s.flights.Name = opts.Name
	s.trust.epoch.Store(1)
	if l1 == nil {
		s.l1 = store.Discard[T]()
	}
	if l2 == nil {
		s.l2 = store.Discard[T]()
	}
	watcher, _ := l2.(store.Watcher)
	if l2 != nil && watcher != nil {
		if err := store.CanWatch(l2); err != nil {
			errs = append(errs, fmt.Errorf("L2 %T cannot be watched: %w", l2, err))
		}
	}
	if _, ok := s.l1.(store.Clearer); watcher != nil && !ok {
		errs = append(errs, fmt.Errorf("L1 %T must be a store.Clearer: L2 may lose sight of all keys at once", l1))
	}
	if _, ok := l2.(store.Stamper); ok {
		_, leases := l2.(store.Leaser[T])
		_, rechecks := l2.(store.Rechecker[T])
		if !leases || !rechecks {
			errs = append(errs, fmt.Errorf("L2 %T is a store.Stamper and must then be a store.Leaser, which gives loads their stamps, and a store.Rechecker", l2))
		}
	}
	if watcher != nil {
		s.watched = true
		s.boundBy(store.MaxStale(l2))
		s.refresher, _ = l2.(store.Refresher[T])
	}
	if opts.refreshesAhead() || opts.StaleWhileRevalidate {
		s.pace = newPace()
		if !s.refreshes() {
			errs = append(errs, fmt.Errorf("L2 %T must be a store.Refresher: it tells of changes, which a refresh must not undo", l2))
		}
	}
	if opts.RetryAfter > 0 {
		s.failures = newFailures()
	}
	if opts.MaxLoads > 0 {
		s.slots = make(chan struct{}, opts.MaxLoads)
	}
	s.viewer, _ = s.l1.(store.Viewer[T])
	if _, ok := s.l1.(store.Reporter); !ok {
		s.countL1 = true
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("layered: %w", oneline.Join(errs...))
	}
	hearer, _ := l2.(store.Hearer)
	if watcher != nil {
		s.filler, _ = l2.(store.Filler[T])
		s.leaser, _ = l2.(store.Leaser[T])
		s.checker, _ = l2.(store.Rechecker[T])
		s.stamper, _ = l2.(store.Stamper)
		s.stop = append(s.stop, watcher.Watch(s.invalidated))
	}
	s.startSampler()
	s.startHeat(l1)
	if r, ok := l2.(store.Rewinder); ok && opts.JournalFor > 0 {
		s.journal = newJournal(opts.JournalFor)
		s.stop = append(s.stop, r.Rewound(s.rewound))
	}
	if hearer != nil {
		s.stop = append(s.stop, hearer.Hear(s.hear))
	} else {
		s.trust.hear(true)
	}
	return s, nil
}

// boundBy has copies of L2's entries trusted for maxStale, if that is not zero. What is
// loaded while L2 cannot be reached is kept for no longer either.
func (s *Store[T]) boundBy(maxStale time.Duration) {
	if maxStale == 0 {
		return
	}
	s.maxStale, s.trust.bounded = maxStale, true
	s.opts.MaxUnheard = min(s.opts.MaxUnheard, maxStale)
}

// Close ends the watch on L2, cancels the loads under way and waits until they have
// returned. It
// does not close the tiers. Every call after it returns store.ErrClosed.
//
// If changes are pending that L2 could not be told of, it tries once more, for a second
// at most. What L2 has not heard of then is lost: others may go on with old values
// until the end of their lives, and the error, which is store.ErrUnavailable, says how
// many keys that are.
func (s *Store[T]) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	err := s.flush() // while it is told when L2 is back
	for _, stop := range s.stop {
		stop()
	}
	s.flights.Close()
	s.strays.Wait() // after the flights, which begin them
	s.heat.end()
	s.sampler.stop()
	s.clock.Stop()
	return err
}

// invalidated is called when an entry of L2 was changed by somebody else, or may
// have been. It runs on a goroutine of L2 and does not block.
func (s *Store[T]) invalidated(iv store.Invalidation) {
	if iv.Released {
		for _, key := range iv.Keys {
			s.guard.ring(key)
		}
		return
	}
	ctx := context.Background()
	if iv.All {
		if !iv.Cleared {
			s.trust.doubt() // first: a copy that is kept from here on is of the new epoch, or refused
		}
		gone := iv.Cleared || s.checker == nil
		if gone {
			s.guard.moveAll()
		} else {
			s.guard.doubtAll()
		}
		s.flights.ForgetAll()
		if gone {
			_ = store.Clear(ctx, s.l1) // in memory; New saw to it that it can
			s.guard.changes.Add(1)
		}
		if !iv.Cleared {
			s.count.lost.Add(1) // last: who sees it counted sees it done
		}
		return
	}
	for _, key := range iv.Keys {
		_ = s.dropL1(ctx, key) // in memory: it fails only once L1 is closed
		s.flights.Forget(key)
	}
	s.count.invalidations.Add(uint64(len(iv.Keys)))
}

// dropL1 removes key from L1 and overtakes the reads of it that are under way.
func (s *Store[T]) dropL1(ctx context.Context, key string) error {
	var err error
	s.guard.move(key, func() { err = s.l1.Delete(ctx, key) })
	return err
}

// keepL1 keeps e in L1, and reports so, if nothing happened to key since m was
// taken.
func (s *Store[T]) keepL1(key string, m mark, e store.Entry[T]) bool {
	kept := s.tryL1(key, m, e)
	if !kept {
		s.count.refused.Add(1)
	}
	return kept
}

// tryL1 is keepL1 that does not count what is refused.
func (s *Store[T]) tryL1(key string, m mark, e store.Entry[T]) bool {
	e = s.forL1(m, e)
	return s.guard.keep(m, func() { s.putL1(key, e) })
}

// forL1 returns e as L1 is to have it.
func (s *Store[T]) forL1(m mark, e store.Entry[T]) store.Entry[T] {
	e.RefreshAt = s.refreshAt(&e)
	if most := s.opts.L1TTL; most > 0 {
		if end := store.In(s.opts.jitter(most)); e.ExpiresAt == 0 || end < e.ExpiresAt {
			e.ExpiresAt = end
		}
	}
	e.Epoch = m.copies
	if s.maxStale > 0 {
		e.CheckAt = m.at.Add(s.maxStale)
	}
	return e
}

// keepRead is keepL1 for what L2 has: what is refused only because the connection was
// lost meanwhile is kept as a copy in doubt.
func (s *Store[T]) keepRead(key string, m mark, e store.Entry[T]) bool {
	kept := s.keepL1(key, m, e)
	if !kept {
		s.keepDoubtful(key, m, e)
	}
	return kept
}

// mark must be taken before what is to be kept in L1 is read from L2.
func (s *Store[T]) mark(key string) mark {
	var epoch uint64 = noEpoch
	if s.hasL2 {
		epoch = s.trust.epoch.Load()
	}
	m := s.guard.mark(key)
	m.copies = epoch
	if s.maxStale > 0 {
		m.at = store.Now()
	}
	return m
}

func (s *Store[T]) errClosed(op, key string) error {
	return s.failed(op, key, store.ErrClosed)
}

// failed returns the error of an operation of the store itself: no tier and no loader
// has failed. key is empty if there is no single one.
func (s *Store[T]) failed(op, key string, err error) error {
	return &store.Error{Store: "layered", Cache: s.opts.Name, Op: op, Key: key, Err: err}
}

// named returns err, of a tier, with the name of the cache.
func (s *Store[T]) named(err error) error { return store.InCache(err, s.opts.Name) }

// shorter returns the smaller of two expiries, of which zero is the largest.
func shorter(a, b store.Time) store.Time {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
