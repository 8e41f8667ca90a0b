package layered

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	return s.getMany(ctx, keys, true)
}

// getMany is GetMany that need not count as reading.
func (s *Store[T]) getMany(ctx context.Context, keys []string, counts bool) (map[string]store.Entry[T], error) {
	found := make(map[string]store.Entry[T], len(keys))
	missing := s.localMany(ctx, keys, found)
	if counts {
		s.noteRead(missing...)
	}
	if s.closed.Load() {
		return found, s.errClosed("get many", "")
	}
	if len(missing) == 0 {
		return found, nil
	}
	if !s.hasL2 { // a stale copy in L1 is all there is
		more, err := store.GetMany(ctx, s.l1, missing)
		maps.DeleteFunc(more, func(_ string, e store.Entry[T]) bool { return !s.current(&e) })
		maps.Copy(found, more)
		s.count.misses.Add(uint64(len(missing) - len(more)))
		return found, err
	}
	missing, left := s.splitPending(missing)
	more, err := s.readManyL2(ctx, missing)
	if len(left) > 0 {
		err = errors.Join(err, errPending)
	}
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

// splitPending takes out the keys that L2 must not be asked for.
func (s *Store[T]) splitPending(ks []string) (others, pending []string) {
	if !s.pending.some.Load() {
		return ks, nil
	}
	for _, key := range ks {
		if s.pending.has(key) {
			pending = append(pending, key)
		} else {
			others = append(others, key)
		}
	}
	return others, pending
}

// readManyL2 reads ks from L2 and keeps what it finds in L1.
func (s *Store[T]) readManyL2(ctx context.Context, ks []string) (map[string]store.Entry[T], error) {
	found, _, err := s.readManyKept(ctx, ks)
	return found, err
}

// readManyKept is readManyL2 that also says which of them L1 has.
func (s *Store[T]) readManyKept(ctx context.Context, ks []string) (found map[string]store.Entry[T], kept map[string]bool, err error) {
	marks := make([]mark, len(ks))
	for again := true; again; { // see readKept
		moment := s.journal.moment()
		for i, key := range ks {
			marks[i] = s.mark(key)
		}
		found, err = store.GetMany(ctx, s.l2, ks)
		again = s.journal.moment() != moment
	}
	if _, left := s.splitPending(ks); len(left) > 0 {
		for _, key := range left {
			delete(found, key)
		}
		err = errors.Join(err, errPending)
	}
	kept = make(map[string]bool, len(found))
	for i, key := range ks {
		if e, ok := found[key]; ok {
			kept[key] = s.keepRead(key, marks[i], e)
		} else if err == nil {
			s.denied(ctx, key)
		}
	}
	return found, kept, err
}

// GetManyOrLoad returns the entries under keys from the first tier that has them
// fresh, and loads those that no tier has with one call of load. Keys that are
// being loaded already, alone or in another batch, are waited for instead.
//
// The map holds every key for which there is an answer; absent entries are in it
// with Absent set. The error joins what kept others from being answered.
func (s *Store[T]) GetManyOrLoad(ctx context.Context, keys []string, load ManyLoader[T]) (map[string]store.Entry[T], error) {
	return s.getManyOrLoad(ctx, keys, load, true)
}

// getManyOrLoad is GetManyOrLoad that need not count as reading.
func (s *Store[T]) getManyOrLoad(ctx context.Context, keys []string, load ManyLoader[T], counts bool) (map[string]store.Entry[T], error) {
	found := make(map[string]store.Entry[T], len(keys))
	missing := s.localMany(ctx, keys, found)
	if counts {
		s.noteRead(missing...)
	}
	if s.opts.refreshesAhead() {
		s.inBackground(ctx, s.dueAmong(found), load, nil)
	}
	if s.opts.StaleWhileRevalidate {
		missing = s.staleMany(ctx, missing, found, load)
	}
	if len(missing) == 0 {
		return found, nil
	}
	began := s.moment.Load()
	var errs []error
	for len(missing) > 0 {
		var again []string
		again, errs = s.flyMany(ctx, missing, load, began, found)
		missing = s.localMany(ctx, again, found)
	}
	return found, joinDistinct(errs)
}

// flyMany leads or joins a flight for each of the keys and puts what came of them
// into found. It returns the keys whose flights may have ended with what was true
// before began only: see [Store.join].
func (s *Store[T]) flyMany(ctx context.Context, keys []string, load ManyLoader[T], began uint64, found map[string]store.Entry[T]) (again []string, errs []error) {
	all := make([]*call[T], len(keys))
	leads := make([]bool, len(keys))
	var led []*call[T]
	for i, key := range keys {
		if all[i], leads[i] = s.flights.Begin(ctx, key); leads[i] {
			led = append(led, all[i])
		}
	}
	if len(led) > 0 {
		go s.leadMany(ctx, led, load)
	}
	s.count.shared.Add(uint64(len(keys) - len(led)))
	for i, c := range all {
		f, late, err := s.await(ctx, c, began, false)
		switch {
		case !late && !leads[i] && !(f.kept && len(f.Tags) == 0) && !s.holds(&f, began):
			again = append(again, keys[i])
		case err == nil || f.Absent:
			found[keys[i]] = f.Entry
		case errors.Is(err, flight.ErrClosed):
			errs = append(errs, s.errClosed("get many", keys[i]))
		default:
			errs = append(errs, err)
		}
	}
	return again, errs
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
	if s.opts.FinishLoads {
		for _, c := range led {
			c.Detach()
		}
	}
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
	ctx, cancel := context.WithCancel(withOld[T](context.WithoutCancel(caller), nil))
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
	b := &batch[T]{open: make(map[string]*call[T], len(led)), stale: make(map[string]Found[T])}
	for _, c := range led {
		b.open[c.Key()] = c
	}
	values := led[0].Values()
	if _, left := s.splitPending(b.keys()); len(left) > 0 {
		alone := &batch[T]{open: make(map[string]*call[T], len(left))}
		for _, key := range left {
			alone.open[key] = b.open[key]
			delete(b.open, key)
		}
		if err := s.batchAlone(ctx, alone, load, errPending); err != nil {
			for _, c := range alone.open {
				c.Finish(Found[T]{}, err)
			}
		}
	}
	if len(b.open) == 0 {
		return nil
	}
	l2err := s.behindMany(values, b)
	s.serveStale(values, b, load)
	s.restMany(values, b, l2err)
	if len(b.open) == 0 {
		return nil
	}
	if s.leaser != nil && l2err == nil {
		return s.batchLeased(ctx, values, b, load)
	}
	return s.batchAlone(ctx, b, load, l2err)
}

// A batch is calls that are led together.
type batch[T any] struct {
	open  map[string]*call[T] // not yet finished
	stale map[string]Found[T] // what L2 has for them that is past its soft expiry
	due   []due               // what is to be loaded anew in the background
}

func (b *batch[T]) keys() []string { return slices.Collect(maps.Keys(b.open)) }

func (b *batch[T]) finish(key string, f Found[T], err error) {
	b.open[key].Finish(f, err)
	delete(b.open, key)
}

// batchAlone loads what is open without asking other processes; see leadAlone.
func (s *Store[T]) batchAlone(ctx context.Context, b *batch[T], load ManyLoader[T], l2err error) error {
	for _, c := range b.open {
		c.Renew() // see leadAlone
	}
	asOf := s.moment.Add(1)
	loaded, err := s.loadMany(ctx, b.keys(), load, s.patience())
	s.eachLoaded(b, loaded, func(c *call[T], e store.Entry[T]) Found[T] {
		f := Found[T]{Entry: e, asOf: asOf}
		c.Keep(func() { f.Entry = s.fill(c.Values(), c.Key(), e, l2err) })
		f.proven = s.provenAlone(c, &e)
		return f
	})
	if err != nil {
		s.inDoubtMany(ctx, b, l2err)
	}
	s.failBatch(b, err)
	return err
}

// failBatch answers with what is stale where a load failed.
func (s *Store[T]) failBatch(b *batch[T], err error) {
	for key, old := range b.stale {
		if b.open[key] != nil {
			f, ferr := s.failSafe(old, err)
			b.finish(key, f, ferr)
		}
	}
}

// behindMany finishes the calls that L2 answers. What is stale there goes into
// b.stale.
func (s *Store[T]) behindMany(ctx context.Context, b *batch[T]) error {
	if !s.hasL2 {
		s.count.misses.Add(uint64(len(b.open)))
		s.staleAlone(ctx, b)
		return nil
	}
	asOf := s.moment.Add(1)
	found, kept, err := s.readManyKept(ctx, b.keys())
	if err != nil {
		s.count.l2Errors.Add(1)
	}
	now := store.Now()
	for key, e := range found {
		f := Found[T]{Entry: e, Tier: L2, Stale: e.Stale(now), asOf: asOf, kept: kept[key]}
		if f.Stale {
			b.stale[key] = f
			s.offer(b.open[key], &f)
			continue
		}
		s.count.l2Hits.Add(1)
		if s.dueInL2(&e) {
			b.due = append(b.due, dueOf(key, &e))
		}
		b.finish(key, f, e.MissError())
	}
	s.count.misses.Add(uint64(len(b.open)))
	return err
}

// loadMany calls load and gives each entry a life. If load succeeds, every key
// is in the map. See admit for patience.
func (s *Store[T]) loadMany(ctx context.Context, ks []string, load ManyLoader[T], patience time.Duration) (map[string]store.Entry[T], error) {
	leave, err := s.admit(ctx, first(ks), patience)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.loadContext(ctx)
	defer cancel()
	s.count.loads.Add(1)
	ctx, end := store.Observe(ctx, s.opts.Observer, store.Op{Store: "source", Name: "load", Key: first(ks), Keys: len(ks)})
	began, stamp := time.Now(), s.opts.Tags.now()
	got, err := ask(ctx, &s.strays, leave, func() (map[string]store.Entry[T], error) { return load(ctx, ks) })
	s.took(time.Since(began), err)
	if err != nil {
		s.count.loadErrors.Add(1)
	}
	loaded := make(map[string]store.Entry[T], len(ks))
	for _, key := range ks {
		e, ok := got[key]
		if !ok && err != nil {
			s.remember(ctx, key, err)
			continue
		}
		s.remember(ctx, key, nil)
		if !ok || e.Absent {
			e = asAbsent(e)
		}
		s.arrived(&e, began)
		e.Stamp = stamp
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

// eachLoaded finishes the calls of what was loaded with what keep says.
func (s *Store[T]) eachLoaded(b *batch[T], loaded map[string]store.Entry[T], keep func(*call[T], store.Entry[T]) Found[T]) {
	ks := slices.Collect(maps.Keys(loaded))
	inParallel(ks, func(_ int, key string) {
		c := b.open[key]
		f := keep(c, loaded[key])
		c.Finish(f, f.MissError())
	})
	for _, key := range ks {
		delete(b.open, key)
	}
}

// inParallel calls f for each of ks, several at a time.
func inParallel(ks []string, f func(i int, key string)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, fillers)
	for i, key := range ks {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i, key)
		})
	}
	wg.Wait()
}
