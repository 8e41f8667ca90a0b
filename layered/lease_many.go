package layered

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lokroom/strata/store"
)

// batchLeased loads those open calls of b whose leases it gets with one call of
// load, waits for the others, and begins again with what is open then. It never
// waits while it has a lease. It returns why what is still open has no answer.
func (s *Store[T]) batchLeased(ctx context.Context, values context.Context, b *batch[T], load ManyLoader[T]) error {
	wait, cancel := s.waitContext(ctx)
	defer cancel()
	fresh := make(map[string]uint64) // see leadLeased
	for {
		alarms, stop := s.awaitMany(b.keys()) // before the leases are asked for
		r, err := s.leaseMany(values, b, fresh)
		if err != nil {
			stop()
			s.count.l2Errors.Add(1)
			s.giveBackAll(values, b, r, nil)
			return s.batchAlone(ctx, b, load, err)
		}
		s.loadGranted(ctx, values, b, r, load)
		if r.taken != "" {
			s.count.waits.Add(1)
			err = waitFor(wait, alarms[r.taken], r.left)
		}
		stop()
		if err == nil && len(b.open) > 0 {
			err = s.behindMany(values, b)
			s.serveStale(values, b, load)
		}
		switch {
		case len(b.open) == 0:
			return nil
		case err != nil:
			return s.batchAlone(ctx, b, load, err)
		}
	}
}

// A round is what one request for leases gave.
type round struct {
	granted map[string]store.Grant
	taken   string        // a key that somebody else is loading, if there is one
	left    time.Duration // how long he may
}

// leaseMany asks for the leases of all open calls. Those whose source is to be left
// alone are finished.
func (s *Store[T]) leaseMany(ctx context.Context, b *batch[T], fresh map[string]uint64) (round, error) {
	ks := b.keys()
	grants := make([]store.Grant, len(ks))
	errs := make([]error, len(ks))
	inParallel(ks, func(i int, key string) {
		grants[i], errs[i] = s.leaser.Lease(ctx, key, s.opts.Lease, fresh[key])
	})
	r := round{granted: make(map[string]store.Grant)}
	for i, key := range ks {
		g := grants[i]
		switch g.State {
		case store.Granted:
			r.granted[key] = g
			if g.Told {
				b.open[key].Stand()
			}
		case store.Taken:
			r.taken, r.left = key, g.Left
		case store.BackedOff:
			f, err := s.failSafe(b.stale[key], fmt.Errorf("%q: %w", key, backedOff(key, &g)))
			b.finish(key, f, err)
		case store.Fresh:
			fresh[key] = g.Version
		}
	}
	return r, errors.Join(errs...)
}

// loadGranted loads what there are leases for, and finishes those calls.
func (s *Store[T]) loadGranted(ctx, values context.Context, b *batch[T], r round, load ManyLoader[T]) {
	if len(r.granted) == 0 {
		return
	}
	ks := slices.Collect(maps.Keys(r.granted))
	stops := make([]func(), len(ks))
	marks := make(map[string]mark, len(ks))
	for i, key := range ks {
		marks[key] = s.mark(key)
		stops[i] = s.renew(values, key, r.granted[key].Lease)
	}
	var loaded map[string]store.Entry[T]
	var failed error
	defer func() { // also if load ends its goroutine
		for i, key := range ks {
			stops[i]()
			if _, ok := loaded[key]; ok {
				delete(r.granted, key)
			}
		}
		s.giveBackAll(values, b, r, failed)
	}()
	asOf := s.moment.Add(1)
	loaded, failed = s.loadMany(ctx, ks, load, s.patience())
	for _, stop := range stops {
		stop()
	}
	s.eachLoaded(b, loaded, func(c *call[T], e store.Entry[T]) Found[T] {
		c.Leave() // see loadLeased
		f := Found[T]{Entry: e, asOf: asOf}
		g := r.granted[c.Key()]
		f.Entry, f.proven = s.fillLeased(c.Values(), c.Key(), e, &g, marks[c.Key()])
		f.unkept = !f.proven
		return f
	})
	for _, key := range ks {
		if b.open[key] != nil { // it was not loaded
			f, err := s.failSafe(b.stale[key], failed)
			b.finish(key, f, err)
		}
	}
}

// giveBackAll ends the leases of r, under which nothing could be loaded because of
// failure, which may be nil.
func (s *Store[T]) giveBackAll(ctx context.Context, b *batch[T], r round, failure error) {
	inParallel(slices.Collect(maps.Keys(r.granted)), func(_ int, key string) {
		_, stale := b.stale[key]
		s.giveBack(ctx, key, r.granted[key].Lease, stale && failure != nil, failure)
	})
}

// awaitMany is guard.await for several keys.
func (s *Store[T]) awaitMany(ks []string) (changed map[string]<-chan struct{}, stop func()) {
	changed = make(map[string]<-chan struct{}, len(ks))
	stops := make([]func(), len(ks))
	for i, key := range ks {
		changed[key], stops[i] = s.guard.await(key)
	}
	return changed, func() {
		for _, stop := range stops {
			stop()
		}
	}
}
