// Package layered puts two tiers in front of a source: L1 in this process, L2
// shared by all processes, and a loader behind both.
//
// A read stops at the first tier that has a fresh entry. L1 answers without an allocation,
// L2 in one exchange. The loader is called once for all callers in the process that want the
// key. Each tier on the way back keeps the entry, unless a fence refuses it.
//
// A write goes to L2 first and then drops the copy in L1. Only reads fill L1: L2 watches
// the values that were read from it.
//
// # Coherence
//
// An L2 that is a [store.Watcher] pushes an invalidation of every change, from any process.
// A reply of L2 and a later change of the key may reach this process in either order. So
// each read takes a fence token before it is sent, each invalidation invalidates the tokens
// of its key, and L1 keeps a copy only if its token is still valid. A lost connection
// invalidates all tokens. The copies in L1 serve again once L2 has confirmed them one by
// one, without transferring their values. While L2 is disconnected, no copy serves.
//
// If L2 is a [store.Leaser], one process at a time loads a key, and the others wait. The
// value is kept only if the key did not change since the load began.
//
// If L2 possibly lost acknowledged writes, this process deletes the keys that it changed
// recently once more.
//
// Set, Delete, Clear and other writes block the loads of their keys while they run. A load
// that they overtake answers the callers that wait for it, but is not kept, and no later
// caller joins it.
package layered

import (
	"context"
	"fmt"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/retry"
	"github.com/lokroom/strata/layered/internal/cooldown"
	"github.com/lokroom/strata/layered/internal/fence"
	"github.com/lokroom/strata/layered/internal/limit"
	"github.com/lokroom/strata/store"
)

var (
	_ store.Store[int]      = (*Store[int])(nil)
	_ store.ManyGetter[int] = (*Store[int])(nil)
	_ store.ManySetter[int] = (*Store[int])(nil)
	_ store.Expirer         = (*Store[int])(nil)
	_ store.Counter         = (*Store[int])(nil)
	_ store.PatternDeleter  = (*Store[int])(nil)
	_ store.Clearer         = (*Store[int])(nil)
	_ store.Pinger          = (*Store[int])(nil)
	_ store.Reporter        = (*Store[int])(nil)
	_ store.Reviser[int]    = (*Store[int])(nil)
)

// New returns a store that reads through l1 and l2. Either may be nil; without both it still
// coalesces loads. o may be nil.
//
// Close does not close the tiers. While the Store is in use, nothing else may write to l1; l2
// may be shared.
func New[T any](l1, l2 store.Store[T], o *Options[T]) (*Store[T], error) {
	var opts Options[T]
	if o != nil {
		opts = *o
	}
	errs := append(opts.normalize(), opts.keepsHot(l1, l2)...)
	s := &Store[T]{core: &core[T]{opts: opts, l1: l1, l2: l2, hasL2: l2 != nil, fence: fence.New()}}
	s.flights.Name = opts.Name
	s.retryQueue = retry.NewQueue(s.retryQueued)
	s.conn.epoch.Store(1)
	if l1 == nil {
		s.l1 = store.Discard[T]()
	}
	if l2 == nil {
		s.l2 = store.Discard[T]()
	}
	watcher, _ := l2.(store.Watcher)
	if _, ok := s.l1.(store.Clearer); watcher != nil && !ok {
		errs = append(errs, fmt.Errorf("L1 %T must be a store.Clearer: L2 may invalidate all keys at once", l1))
	}
	if _, ok := l2.(store.Tagger); ok {
		_, leases := l2.(store.Leaser[T])
		_, fills := l2.(store.Filler[T])
		if !leases || !fills {
			errs = append(errs, fmt.Errorf("L2 %T is a store.Tagger and must also be a store.Leaser and a store.Filler", l2))
		}
	}
	if watcher != nil {
		s.watched = true
		s.boundBy(watcher.MaxStale())
		s.filler, _ = l2.(store.Filler[T])
	}
	if opts.refreshesAhead() || opts.StaleWhileRevalidate || opts.RefreshSoon {
		s.refreshSlots = newRefreshSlots()
		if !s.refreshes() {
			errs = append(errs, fmt.Errorf("L2 %T must be a store.Filler: it pushes invalidations, and a refresh must not undo a change", l2))
		}
	}
	if opts.RetryAfter > 0 {
		s.failures = cooldown.NewFailures()
	}
	s.limit = limit.New(opts.MaxLoads, opts.LoadBudget, opts.maxWait())
	s.viewer, _ = s.l1.(store.Viewer[T])
	if _, ok := s.l1.(store.Reporter); !ok {
		s.countL1 = true
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("layered: %w", oneline.Join(errs...))
	}
	s.conn.setConnected(watcher == nil)
	if watcher != nil {
		s.leaser, _ = l2.(store.Leaser[T])
		s.tagger, _ = l2.(store.Tagger)
		if err := s.watch(watcher); err != nil {
			return nil, fmt.Errorf("layered: L2 %T cannot be watched: %w", l2, err)
		}
	}
	s.startSampler()
	s.startHotKeys(l1)
	return s, nil
}

// watch begins to watch L2.
func (s *Store[T]) watch(l2 store.Watcher) error {
	w := store.Watching{Changed: s.invalidated, Connected: s.connectionChanged}
	if s.opts.RecentWritesFor > 0 {
		s.recentWrites = retry.NewLog(s.opts.RecentWritesFor)
		w.RolledBack = s.rolledBack
	}
	stop, err := l2.Watch(w)
	if err == nil {
		s.stop = append(s.stop, stop)
	}
	return err
}

// boundBy bounds the age of copies by maxStale, unless that is zero. It bounds
// MaxDisconnected, too.
func (s *Store[T]) boundBy(maxStale time.Duration) {
	if maxStale == 0 {
		return
	}
	s.maxStale, s.conn.bounded = maxStale, true
	s.opts.MaxDisconnected = min(s.opts.MaxDisconnected, maxStale)
}

// Close stops watching L2, cancels loads in flight and waits until they have returned. It
// does not close the tiers. Later calls return store.ErrClosed.
//
// Close retries writes that L2 has not acknowledged, for at most a second. If some are left,
// they are lost: other processes may serve old values until these expire. The error is then
// store.ErrUnavailable and has the number of keys.
func (s *Store[T]) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	err := s.flush() // while connectionChanged is still called
	for _, stop := range s.stop {
		stop()
	}
	s.flights.Close()
	s.orphans.Wait() // after the flights, which start them
	s.abandoned.Stop()
	s.hotKeys.end()
	s.sampler.stop()
	s.clock.Stop()
	return err
}

// invalidated is called when another process changed an entry of L2, or possibly did. L2
// calls it on its own goroutine; it does not block.
func (s *Store[T]) invalidated(iv store.Invalidation) {
	if iv.Released {
		for _, key := range iv.Keys {
			s.fence.Wake(key)
		}
		return
	}
	ctx := context.Background()
	if iv.All {
		if !iv.Cleared {
			s.conn.newEpoch() // first: a copy kept from here on has the new epoch, or is refused
		}
		gone := iv.Cleared || s.filler == nil
		if gone {
			s.fence.InvalidateAll()
		} else {
			s.fence.SuspectAll()
		}
		s.flights.ForgetAll()
		if gone {
			_ = store.Clear(ctx, s.l1) // in memory; New has checked that L1 can
			s.fence.Changed()
		}
		if s.opts.Invalidated != nil {
			s.opts.Invalidated(nil)
		}
		if !iv.Cleared {
			s.count.lost.Add(1) // last: when it is counted, it is done
		}
		return
	}
	for _, key := range iv.Keys {
		_ = s.dropL1(ctx, key) // in memory: it fails only once L1 is closed
		s.flights.Forget(key)
	}
	if s.opts.Invalidated != nil {
		s.opts.Invalidated(iv.Keys)
	}
	s.count.invalidations.Add(uint64(len(iv.Keys)))
}
