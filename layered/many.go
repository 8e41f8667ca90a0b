package layered

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// A ManyLoader gets the values under keys from the source in one go. A key that
// is not in the map is absent at the source. Together with an error it may
// return what it has; keys that are not in the map have then failed. See
// [Loader] for entries and the context.
type ManyLoader[T any] func(ctx context.Context, keys []string) (map[string]store.Entry[T], error)

// GetMany returns the entries that the tiers have under keys, as
// [store.ManyGetter] describes it, with at most one exchange with L2.
func (s *Store[T]) GetMany(ctx context.Context, keys []string) (map[string]store.Entry[T], error) {
	found := make(map[string]store.Entry[T], len(keys))
	missing := s.localMany(ctx, keys, found)
	if s.closed.Load() {
		return found, s.errClosed("get many", "")
	}
	if len(missing) == 0 {
		return found, nil
	}
	if !s.hasL2 { // a stale copy in L1 is all there is
		more, err := store.GetMany(ctx, s.l1, missing)
		for key, e := range more {
			found[key] = e
		}
		s.count.misses.Add(uint64(len(missing) - len(more)))
		return found, err
	}
	more, err := s.readManyL2(ctx, missing)
	for key, e := range more {
		found[key] = e
	}
	s.count.l2Hits.Add(uint64(len(more)))
	if err != nil {
		s.count.l2Errors.Add(1)
	} else {
		s.count.misses.Add(uint64(len(missing) - len(more)))
	}
	return found, err
}

// localMany puts into found what L1 can answer with, and returns the other keys,
// each once.
func (s *Store[T]) localMany(ctx context.Context, keys []string, found map[string]store.Entry[T]) (missing []string) {
	var seen map[string]struct{}
	for _, key := range keys {
		if e, ok := s.Local(ctx, key); ok {
			found[key] = *e
			continue
		}
		if seen == nil {
			seen = make(map[string]struct{}, len(keys))
			missing = make([]string, 0, len(keys))
		}
		if _, twice := seen[key]; !twice {
			seen[key] = struct{}{}
			missing = append(missing, key)
		}
	}
	return missing
}

// readManyL2 reads ks from L2 and keeps what it finds in L1.
func (s *Store[T]) readManyL2(ctx context.Context, ks []string) (map[string]store.Entry[T], error) {
	marks := make([]mark, len(ks))
	for i, key := range ks {
		marks[i] = s.guard.mark(key)
	}
	found, err := store.GetMany(ctx, s.l2, ks)
	for i, key := range ks {
		if e, ok := found[key]; ok {
			s.keepL1(key, marks[i], e)
		}
	}
	return found, err
}

// GetManyOrLoad returns the entries under keys from the first tier that has them
// fresh, and loads those that no tier has with one call of load. Keys that are
// being loaded already, alone or in another batch, are waited for instead.
//
// The map holds every key for which there is an answer; absent entries are in it
// with Absent set. The error joins what kept others from being answered.
func (s *Store[T]) GetManyOrLoad(ctx context.Context, keys []string, load ManyLoader[T]) (map[string]store.Entry[T], error) {
	found := make(map[string]store.Entry[T], len(keys))
	missing := s.localMany(ctx, keys, found)
	if len(missing) == 0 {
		return found, nil
	}
	all := make([]*call[T], len(missing))
	var led []*call[T]
	for i, key := range missing {
		c, lead := s.flights.Begin(ctx, key)
		if all[i] = c; lead {
			led = append(led, c)
		}
	}
	if len(led) > 0 {
		go s.leadMany(ctx, led, load)
	}
	s.count.shared.Add(uint64(len(missing) - len(led)))

	var errs []error
	for i, c := range all {
		f, err := c.Wait(ctx)
		switch {
		case err == nil || f.Absent:
			found[missing[i]] = f.Entry
		case errors.Is(err, flight.ErrClosed):
			errs = append(errs, s.errClosed("get many", missing[i]))
		default:
			errs = append(errs, err)
		}
	}
	return found, joinDistinct(errs)
}

// joinDistinct joins errs, but says only once what many keys have in common.
func joinDistinct(errs []error) error {
	var distinct []error
	seen := make(map[string]bool, 1)
	for _, err := range errs {
		if msg := err.Error(); !seen[msg] {
			seen[msg] = true
			distinct = append(distinct, err)
		}
	}
	if len(distinct) == 1 {
		return distinct[0]
	}
	return errors.Join(distinct...)
}

// leadMany does the work of the flights that a batch leads: one exchange with
// L2, one load, and the way back. Every flight is finished when it returns.
func (s *Store[T]) leadMany(caller context.Context, led []*call[T], load ManyLoader[T]) {
	ctx, cancel := whileAny(caller, led)
	defer cancel()
	flight.Protect(func() (Found[T], error) {
		return Found[T]{}, s.batch(ctx, led, load)
	}, func(none Found[T], err error) {
		for _, c := range led { // those that have been finished are not changed
			c.Finish(none, err)
		}
	})
}

// whileAny returns a context with the values of caller that is cancelled when
// the contexts of all calls have been: nobody wants any of them any more.
func whileAny[T any](caller context.Context, led []*call[T]) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(caller))
	var left atomic.Int64
	left.Store(int64(len(led)))
	for _, c := range led {
		context.AfterFunc(c.Context(), func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, cancel
}

// batch finishes the calls that it can answer and returns why it cannot answer
// the others.
func (s *Store[T]) batch(ctx context.Context, led []*call[T], load ManyLoader[T]) error {
	byKey := make(map[string]*call[T], len(led))
	ks := make([]string, len(led))
	for i, c := range led {
		ks[i], byKey[c.Key()] = c.Key(), c
	}
	stale := make(map[string]Found[T])
	l2err := s.behindMany(led[0].Values(), ks, byKey, stale)
	if len(byKey) == 0 {
		return nil
	}
	ks = ks[:0]
	for key, c := range byKey {
		ks = append(ks, key)
		c.Renew() // see lead
	}
	loaded, err := s.loadMany(ctx, ks, load)
	s.fillMany(byKey, loaded, l2err)
	for key := range byKey {
		if _, ok := loaded[key]; ok {
			continue
		}
		if old, ok := stale[key]; ok {
			f, ferr := s.failSafe(old, err)
			byKey[key].Finish(f, ferr)
		}
	}
	return err
}

// behindMany finishes the calls that L2 answers and takes them out of byKey. What
// is stale there goes into stale.
func (s *Store[T]) behindMany(ctx context.Context, ks []string, byKey map[string]*call[T], stale map[string]Found[T]) error {
	if !s.hasL2 {
		s.count.misses.Add(uint64(len(ks)))
		return nil
	}
	found, err := s.readManyL2(ctx, ks)
	if err != nil {
		s.count.l2Errors.Add(1)
	}
	now := store.Now()
	for key, e := range found {
		f := Found[T]{Entry: e, Tier: L2, Stale: e.Stale(now)}
		if f.Stale {
			stale[key] = f
			continue
		}
		s.count.l2Hits.Add(1)
		byKey[key].Finish(f, e.MissError())
		delete(byKey, key)
	}
	s.count.misses.Add(uint64(len(byKey)))
	return err
}

// loadMany calls load and gives each entry a life. If load succeeds, every key
// is in the map.
func (s *Store[T]) loadMany(ctx context.Context, ks []string, load ManyLoader[T]) (map[string]store.Entry[T], error) {
	ctx, cancel := s.loadContext(ctx)
	defer cancel()
	s.count.loads.Add(1)
	ctx, end := store.Observe(ctx, s.opts.Observer, store.Op{Store: "source", Name: "load", Keys: len(ks)})
	began := store.Now()
	got, err := load(ctx, ks)
	if err != nil {
		s.count.loadErrors.Add(1)
	}
	loaded := make(map[string]store.Entry[T], len(ks))
	for _, key := range ks {
		e, ok := got[key]
		if !ok && err != nil {
			continue
		}
		if !ok || e.Absent {
			e = store.Entry[T]{Absent: true}
		}
		s.arrived(&e, began)
		loaded[key] = e
	}
	end(len(got), err)
	if err != nil {
		err = fmt.Errorf("loading %d keys: %w", len(ks), err)
	}
	return loaded, err
}

// fillers is how many fills of a batch are under way at once: they share
// exchanges with L2.
const fillers = 32

// fillMany keeps what was loaded and finishes its calls.
func (s *Store[T]) fillMany(byKey map[string]*call[T], loaded map[string]store.Entry[T], l2err error) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, fillers)
	for key, e := range loaded {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			c := byKey[key]
			c.Keep(func() { e = s.fill(c.Values(), key, e, l2err) })
			c.Finish(Found[T]{Entry: e}, e.MissError())
		})
	}
	wg.Wait()
}
