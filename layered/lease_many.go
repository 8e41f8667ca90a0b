package layered

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

// batchLeased loads those open calls of b whose leases it gets with one call of its
// loader, waits for the others, and begins again with what is open then. It never
// waits while it has a lease. What is still open when it returns is to be loaded
// without one, and not kept in L2 because of l2err.
func (s *Store[T]) batchLeased(ctx, values context.Context, b *batch[T]) (l2err error) {
	wait, cancel := s.waitContext(ctx)
	defer cancel()
	poll := s.poll()
	fresh := make(map[string]uint64) // see leadLeased
	for {
		if len(b.apart) > 0 {
			s.batchAlone(ctx, b.split(), nil)
		}
		if len(b.open) == 0 {
			return nil
		}
		ks := b.keys()
		bell := s.guard.bell(ks) // before the leases are asked for
		r := s.leaseMany(values, b, ks, fresh)
		bell.leave(func(key string) bool { return !r.taken[key] })
		s.loadGranted(ctx, values, b, r.granted)
		if len(b.apart) > 0 {
			s.batchAlone(ctx, b.split(), nil)
		}
		if len(r.taken) > 0 && !r.fresh {
			s.countWait(poll)
			l2err = waitFor(wait, bell.rung, poll.next(r.left))
		}
		bell.stop()
		if l2err != nil { // nobody waits any more, or another does not come to an end
			return errWaited
		}
		s.againBehind(values, b)
	}
}

// A round is what one request for leases gave.
type round struct {
	granted map[string]store.Grant
	taken   map[string]bool // somebody else is loading it
	left    time.Duration   // how long the first of them may
	fresh   bool            // there is something to read
}

// leaseMany asks for the leases of the open calls of ks. Those whose source is to be
// left alone are finished, and those whose lease cannot be asked for put apart.
func (s *Store[T]) leaseMany(ctx context.Context, b *batch[T], ks []string, fresh map[string]uint64) round {
	not := make([]uint64, len(ks))
	for i, key := range ks {
		not[i] = fresh[key]
	}
	grants, err := store.LeaseMany(ctx, s.leaser, ks, s.opts.Lease, not)
	errOf := store.ByKey[string](err)
	r := round{granted: make(map[string]store.Grant), taken: make(map[string]bool)}
	for i, key := range ks {
		switch g := grants[i]; g.State {
		case store.Granted:
			r.granted[key] = g
			if g.Told {
				b.open[key].Stand()
			}
		case store.Taken:
			_, stale := b.stale[key]
			var left time.Duration
			if left, fresh[key] = s.passBy(&g, fresh[key], !stale); len(r.taken) == 0 || left < r.left {
				r.left = left
			}
			r.taken[key] = true
		case store.BackedOff:
			f, err := s.failSafe(s.inDoubt(ctx, key, b.stale[key], nil), s.backedOff(key, &g))
			b.finish(key, f, err)
		case store.Fresh:
			fresh[key], r.fresh = g.Version, true
		default:
			b.leaveApart(b.open[key], errOf(key))
		}
	}
	if err != nil {
		s.count.l2Errors.Add(1)
	}
	return r
}

// loadGranted loads what there are leases for, and finishes those calls.
func (s *Store[T]) loadGranted(ctx, values context.Context, b *batch[T], granted map[string]store.Grant) {
	if len(granted) == 0 {
		return
	}
	ks := slices.Collect(maps.Keys(granted))
	marks := make(map[string]mark, len(ks))
	for _, key := range ks {
		marks[key] = s.mark(key)
	}
	stop := s.renewMany(values, ks, granted)
	var loaded map[string]store.Entry[T]
	var failure error
	filled := false
	giveBack := sync.OnceFunc(func() {
		stop()
		if filled {
			for key := range loaded {
				delete(granted, key)
			}
		}
		errOf := store.ByKey[string](failure)
		inParallel(slices.Collect(maps.Keys(granted)), func(_ int, key string) {
			_, stale := b.stale[key]
			s.giveBack(ctx, values, key, granted[key].Lease, stale && failure != nil, errOf(key))
		})
	})
	defer giveBack() // also if something panics, or load ends its goroutine
	asOf := s.moment.Add(1)
	for key, g := range granted {
		s.loads(asOf, g.Stamp, b.open[key])
	}
	loaded, failure = s.loadMany(ctx, ks, b.load, s.patience())
	stop()
	s.fillGranted(values, b, granted, loaded, marks, asOf)
	filled = true
	giveBack() // before the calls end, because ctx ends with them
	s.inDoubtMany(values, b, ks, nil)
	s.failBatch(b, ks, failure)
}

// renewMany keeps leases until stop is called.
func (s *Store[T]) renewMany(ctx context.Context, ks []string, granted map[string]store.Grant) (stop func()) {
	return s.keepUp(func() error {
		errs := make([]error, len(ks))
		inParallel(ks, func(i int, key string) {
			errs[i] = s.leaser.Renew(ctx, key, granted[key].Lease, s.opts.Lease)
		})
		for _, err := range errs {
			if !errors.Is(err, store.ErrLeaseLost) {
				return nil
			}
		}
		return store.ErrLeaseLost // all of them
	})
}

// fillGranted keeps what was loaded under leases in both tiers, and finishes those
// calls: see fillLeased.
func (s *Store[T]) fillGranted(ctx context.Context, b *batch[T], granted map[string]store.Grant, loaded map[string]store.Entry[T], before map[string]mark, asOf uint64) {
	now := store.Now()
	fills, marks := make([]store.LeasedFill[T], 0, len(loaded)), make([]mark, 0, len(loaded))
	var over []string // answered, but not kept
	for key, e := range loaded {
		b.open[key].Leave() // see loadLeased
		if e.Expired(now) {
			over = append(over, key)
			continue
		}
		g := granted[key]
		fills = append(fills, store.LeasedFill[T]{Key: key, Lease: g.Lease, Entry: s.stamped(ctx, e, &g)})
		marks = append(marks, s.mark(key))
	}
	end := func(key string, f Found[T]) {
		b.open[key].Finish(f, f.MissError())
		s.guard.ring(key)
	}
	inParallel(over, func(_ int, key string) {
		f := Found[T]{Entry: loaded[key], asOf: asOf}
		s.returnLease(ctx, &store.LeasedFill[T]{Key: key, Lease: granted[key].Lease}, &f)
		end(key, f)
	})
	filled := store.FillManyLeased(ctx, s.leaser, fills)
	keep := func(i int, key string) {
		f := Found[T]{Entry: loaded[key], asOf: asOf}
		s.keepLeased(ctx, &fills[i], &f, before[key], marks[i], &filled[i])
		end(key, f)
	}
	if slices.ContainsFunc(filled, func(r store.Filled[T]) bool { return r.Err != nil || !r.Watched }) {
		ks := make([]string, len(fills))
		for i := range fills {
			ks[i] = fills[i].Key
		}
		inParallel(ks, keep) // L2 is asked again
	} else {
		for i := range fills {
			keep(i, fills[i].Key)
		}
	}
	for key := range loaded {
		delete(b.open, key)
	}
}
