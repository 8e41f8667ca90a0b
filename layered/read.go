package layered

import (
	"context"
	"errors"

	"github.com/lokroom/strata/store"
)

// Get returns the entry under key from L1 or L2, or store.ErrNotFound. From L2 it may be
// stale.
func (s *Store[T]) Get(ctx context.Context, key string) (store.Entry[T], error) {
	l, ok := s.Lookup(ctx, key)
	if ok {
		return *l.entry, l.entry.MissError()
	}
	s.noteRead(key)
	return s.getPast(ctx, key, l)
}

// getPast is Get after a miss in L1. Its entry needs no allocation.
func (s *Store[T]) getPast(ctx context.Context, key string, l Lookup[T]) (e store.Entry[T], err error) {
	if s.closed.Load() {
		return e, s.errClosed("get", key)
	}
	if !s.hasL2 { // L1 may have a stale entry, which is then the answer
		if old := s.getL1(ctx, key, l); old != nil {
			s.serveSeen()
			return *old, old.MissError()
		}
		s.count.misses.Add(1)
		return e, store.ErrNotFound
	}
	_, _, err = s.readOne(ctx, key, l, &e, false)
	switch {
	case err == nil || e.Absent:
		s.count.l2Hits.Add(1)
	case errors.Is(err, store.ErrNotFound):
		s.count.misses.Add(1)
	case !errors.Is(err, errQueued):
		s.count.l2Errors.Add(1)
	}
	return e, err
}

// GetOrLoad returns the entry under key from the first tier that has it fresh, else from
// load, which runs once for all callers that wait. An error of load is returned as it is; if
// there is a stale entry, that is returned instead. A failure of L2 costs time, but is not an
// error. A nil load loads nothing: GetOrLoad is then Get, and callers share one read of L2.
func (s *Store[T]) GetOrLoad(ctx context.Context, key string, load Loader[T]) (store.Entry[T], error) {
	src := Source[T]{Load: load}
	l, ok := s.Lookup(ctx, key)
	if ok {
		if s.ShouldRefresh(l.entry) {
			s.RefreshSoon(ctx, key, l.entry, src)
		}
		return *l.entry, l.entry.MissError()
	}
	f, err := s.FindAfter(ctx, key, l, src)
	return f.Entry, err
}

// Find is GetOrLoad that also returns the tier of the entry.
func (s *Store[T]) Find(ctx context.Context, key string, src Source[T]) (Found[T], error) {
	l, ok := s.Lookup(ctx, key)
	if ok {
		if s.ShouldRefresh(l.entry) {
			s.RefreshSoon(ctx, key, l.entry, src)
		}
		return Found[T]{Entry: *l.entry, Tier: L1}, l.entry.MissError()
	}
	return s.FindAfter(ctx, key, l, src)
}

// FindFresh is Find that bypasses L1. It returns no value that any process changed before the
// call, and a stale value only if the source fails. It takes one exchange with L2, which
// transfers no value if the copy in L1 is current.
func (s *Store[T]) FindFresh(ctx context.Context, key string, src Source[T]) (Found[T], error) {
	s.noteRead(key)
	f, err := s.join(ctx, key, Lookup[T]{}, src, true)
	if err != nil && src.Default != nil {
		err = s.orDefault(ctx, key, src, &f, err)
	}
	return f, err
}

// FindAfter is [Store.Find] after a [Store.Lookup] with which L1 cannot answer. It returns a
// stale entry of L1 if that may be served.
func (s *Store[T]) FindAfter(ctx context.Context, key string, l Lookup[T], src Source[T]) (Found[T], error) {
	s.noteRead(key)
	if s.opts.StaleWhileRevalidate && src.loads() {
		if f, ok := s.staleSoon(ctx, key, l, src); ok {
			return f, f.MissError()
		}
	}
	f, err := s.join(ctx, key, l, src, false)
	if err != nil && src.Default != nil {
		err = s.orDefault(ctx, key, src, &f, err)
	}
	return f, err
}

// staleSoon is staleLocal that refreshes a stale value in the background.
func (s *Store[T]) staleSoon(ctx context.Context, key string, l Lookup[T], src Source[T]) (f Found[T], ok bool) {
	f, ok = s.staleLocal(ctx, key, l)
	if f.Stale {
		s.RefreshSoon(ctx, key, &f.Entry, src)
	}
	return f, ok
}

// GetMany returns the entries that the tiers have under keys, each in the place of its key,
// as [store.ManyGetter] describes it, with at most one exchange with L2.
func (s *Store[T]) GetMany(ctx context.Context, keys []string) ([]*store.Entry[T], error) {
	return s.getMany(ctx, keys, true)
}

// getMany is GetMany. counts is whether it counts for the hot-key sketch.
func (s *Store[T]) getMany(ctx context.Context, keys []string, counts bool) ([]*store.Entry[T], error) {
	found := make([]*store.Entry[T], len(keys))
	var hits []store.Entry[T] // in one allocation
	var items []item[T]
	var places []int // of items in keys
	for i, key := range keys {
		l, ok := s.Lookup(ctx, key)
		if ok {
			if hits == nil {
				hits = make([]store.Entry[T], 0, len(keys)-i)
			}
			hits = append(hits, *l.entry) // L1 keeps its own
			found[i] = &hits[len(hits)-1]
			continue
		}
		if items == nil {
			items, places = make([]item[T], 0, len(keys)-i), make([]int, 0, len(keys)-i)
		}
		items, places = append(items, item[T]{key: key, look: l}), append(places, i)
		if counts {
			s.noteRead(key)
		}
	}
	if s.closed.Load() {
		return found, s.errClosed("get many", "")
	}
	if len(items) == 0 {
		return found, nil
	}
	err := s.getManyPast(ctx, items)
	for i := range items {
		found[places[i]] = items[i].entry
	}
	return found, err
}

// getManyPast reads items after a miss in L1. Their entries are the caller's.
func (s *Store[T]) getManyPast(ctx context.Context, items []item[T]) error {
	if s.hasL2 {
		s.read(ctx, items, false)
	} else {
		s.readL1(ctx, items) // it may have stale entries, which are then the answer
	}
	errs := make(map[string]error)
	failed := false
	for i := range items {
		switch it := &items[i]; {
		case it.err != nil:
			errs[it.key] = it.err
			failed = failed || !errors.Is(it.err, errQueued)
		case it.entry == nil:
			s.count.misses.Add(1)
		case it.tier == L1:
			e := *it.entry // L1 keeps its own
			it.entry = &e
			s.serveSeen()
		default:
			s.count.l2Hits.Add(1)
		}
	}
	if failed {
		s.count.l2Errors.Add(1)
	}
	return store.NewManyError(errs)
}

// GetManyOrLoad returns the entries under keys from the first tier that has them fresh, and
// loads the others with one call of load. Keys with a load in flight, alone or in another
// batch, are waited for.
//
// The map has every key for which there is an answer; absent entries have Absent set. The
// error is a *[store.ManyError] of strings with the errors of the other keys.
func (s *Store[T]) GetManyOrLoad(ctx context.Context, keys []string, load ManyLoader[T]) (map[string]store.Entry[T], error) {
	return s.getManyOrLoad(ctx, keys, Source[T]{LoadMany: load}, true)
}

// getManyOrLoad is GetManyOrLoad. counts is whether it counts for the hot-key sketch.
func (s *Store[T]) getManyOrLoad(ctx context.Context, keys []string, src Source[T], counts bool) (map[string]store.Entry[T], error) {
	found := make(map[string]store.Entry[T], len(keys))
	errs := make(map[string]error)
	each := func(i int, f *Found[T], err error) {
		switch {
		case err == nil || f.Absent:
			found[keys[i]] = f.Entry
		case src.loads() || !errors.Is(err, store.ErrNotFound):
			errs[keys[i]] = err
		}
	}
	s.findMany(ctx, &search[T]{keys: keys, src: src, each: each, uncounted: !counts})
	return found, store.NewManyError(errs)
}

// FindMany is GetManyOrLoad that also returns the tiers of entries. It calls each once for
// every key, in any order, on the goroutine of the caller. i is the index of the key; f and
// err are what [Store.Find] returns for it. f must not be used after each has returned.
func (s *Store[T]) FindMany(ctx context.Context, keys []string, src Source[T], each func(i int, f *Found[T], err error)) {
	s.findMany(ctx, &search[T]{keys: keys, src: src, each: each})
}

// FindManyFresh is FindMany that bypasses L1, like [Store.FindFresh].
func (s *Store[T]) FindManyFresh(ctx context.Context, keys []string, src Source[T], each func(i int, f *Found[T], err error)) {
	s.findMany(ctx, &search[T]{keys: keys, src: src, each: each, strict: true})
}

// Warm is FindMany that returns only the keys without an answer, each once, and does not
// count for the hot-key sketch. The zero Source loads nothing: Warm then fills L1 with what
// L2 has, and a stale value is no answer.
func (s *Store[T]) Warm(ctx context.Context, keys []string, src Source[T]) (left []string, err error) {
	src.Default = nil
	done := make(map[string]bool, len(keys)) // has an answer, or is left
	if !src.loads() {
		var entries []*store.Entry[T]
		entries, err = s.getMany(ctx, keys, false)
		now := store.Now()
		for i, e := range entries {
			done[keys[i]] = e != nil && !e.Stale(now)
		}
	} else {
		var found map[string]store.Entry[T]
		found, err = s.getManyOrLoad(ctx, keys, src, false)
		for key := range found {
			done[key] = true
		}
	}
	for _, key := range keys {
		if !done[key] {
			done[key] = true
			left = append(left, key)
		}
	}
	return left, err
}
