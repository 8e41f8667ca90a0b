package strata

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// loadsAtOnce is how many ids of one GetMany are loaded at the same time where
// there is no LoadMany.
const loadsAtOnce = 8

// A ManyError says for which of many ids an operation failed, and why. It is found in
// an error with errors.As; errors.Is looks at the causes of all ids. What is not in it
// succeeded. A LoadMany that knows which ids failed returns one.
type ManyError[K comparable] = store.ManyError[K]

// GetMany returns the values of ids, each from the first tier that has it fresh:
// one pass over L1, one exchange with Redis, one call of Options.LoadMany for the
// rest. An id that is being loaded already, by a Get or another GetMany in any
// process, is waited for and not loaded again. Ids that the source does not have are
// not in the map, and no error.
//
// If some values cannot be had, the others are in the map, and the error is a
// *[ManyError] of K that says why, id by id.
func (c *Cache[K, V]) GetMany(ctx context.Context, ids []K) (map[K]V, error) {
	values := make(map[K]V, len(ids))
	err := c.each(ctx, ids, func(id K, f *layered.Found[V]) error {
		if f.Absent {
			return nil
		}
		v, err := c.out(f.Value, nil)
		if err == nil {
			values[id] = v
		}
		return err
	})
	return values, err
}

// GetManyEntries is GetMany that tells what is known about the values. Ids that the
// source does not have are in the map, with an Entry that is Absent.
func (c *Cache[K, V]) GetManyEntries(ctx context.Context, ids []K) (map[K]Entry[V], error) {
	entries := make(map[K]Entry[V], len(ids))
	err := c.each(ctx, ids, func(id K, f *layered.Found[V]) error {
		e, err := c.entryOf(f, nil)
		if err == nil {
			entries[id] = e
		}
		return err
	})
	return entries, err
}

// each calls found for each of ids for which there is an answer. An error of found is
// that of the id.
func (c *Cache[K, V]) each(ctx context.Context, ids []K, found func(K, *layered.Found[V]) error) error {
	var errs map[K]error
	failed := func(id K, err error) {
		if errs == nil {
			errs = make(map[K]error)
		}
		errs[id] = err
	}
	ks, ids := c.keysOf("get many", ids, failed)
	c.findMany(ctx, ks, ids, func(i int, f *layered.Found[V], err error) {
		switch {
		case err == nil || f.Absent:
			err = found(ids[i], f)
		case errors.Is(err, store.ErrNotFound): // there is no loader
			err = nil
		default:
			var last layered.Found[V]
			if last, err = c.fallBack(ctx, ids[i], *f, err); err == nil {
				err = found(ids[i], &last)
			}
		}
		if err != nil {
			failed(ids[i], err)
		}
	})
	return store.NewManyError(errs)
}

// keysOf returns the keys of those ids that have one, and those. It calls failed for
// the others.
func (c *Cache[K, V]) keysOf(op string, ids []K, failed func(K, error)) (ks []string, have []K) {
	ks, have = make([]string, 0, len(ids)), make([]K, 0, len(ids))
	for _, id := range ids {
		if key, err := c.key(id); err != nil {
			failed(id, c.failed(op, err))
		} else {
			ks, have = append(ks, key), append(have, id)
		}
	}
	return ks, have
}

// findMany answers for ids, whose keys are ks.
func (c *Cache[K, V]) findMany(ctx context.Context, ks []string, ids []K, each func(i int, f *layered.Found[V], err error)) {
	load := c.manyLoader(ks, ids)
	if d := c.reader(ctx); d != nil {
		c.findManyNoting(ctx, d, ks, load, each)
	} else if hasToken(ctx) {
		c.findManySince(ctx, ks, load, each)
	} else {
		c.tiers.FindMany(ctx, ks, load, each)
	}
}

// manyLoader loads ids, whose keys are ks, for the tiers; nil if there is no source.
func (c *Cache[K, V]) manyLoader(ks []string, ids []K) layered.ManyLoader[V] {
	if !c.loads() {
		return nil
	}
	return func(ctx context.Context, missing []string) (map[string]store.Entry[V], error) {
		byKey := make(map[string]K, len(ks))
		for i, key := range ks {
			byKey[key] = ids[i]
		}
		want := make([]K, len(missing))
		for i, key := range missing {
			want[i] = byKey[key]
		}
		if !c.loadsMany() {
			return c.loadEach(ctx, missing, want)
		}
		return c.loadMany(ctx, missing, want)
	}
}

func (c *Cache[K, V]) loadMany(ctx context.Context, ks []string, ids []K) (map[string]store.Entry[V], error) {
	entries, err := c.loadNoting(ctx, slices.Clone(ids)) // it may sort them
	loaded := make(map[string]store.Entry[V], len(entries))
	for i, id := range ids {
		if e, ok := entries[id]; ok {
			loaded[ks[i]] = e
		}
	}
	if many := store.AsManyError[K](err); many != nil {
		errs := make(map[string]error, len(many.Errors))
		for i, id := range ids {
			if err := many.Errors[id]; err != nil {
				errs[ks[i]] = err
			}
		}
		err = store.NewManyError(errs)
	}
	return loaded, err
}

// loadEach loads ids one by one, some at the same time. One that fails does not
// keep the others from being loaded.
func (c *Cache[K, V]) loadEach(ctx context.Context, ks []string, ids []K) (map[string]store.Entry[V], error) {
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		loaded = make(map[string]store.Entry[V], len(ids))
		errs   = make(map[string]error)
		slots  = make(chan struct{}, loadsAtOnce)
	)
	for i, id := range ids {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			flight.Protect(func() (store.Entry[V], error) { return c.loadEntry(ctx, id) }, func(e store.Entry[V], err error) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, store.ErrNotFound):
					loaded[ks[i]] = store.Entry[V]{Absent: true}
				case err != nil:
					errs[ks[i]] = err
				default:
					loaded[ks[i]] = e
				}
			})
		})
	}
	wg.Wait()
	return loaded, store.NewManyError(errs)
}

// SetMany is Set for many ids, in one exchange with Redis for every 400 of them. If
// some cannot be set, the others are, and the error is a *[ManyError] of K; one that
// is not concerns all.
func (c *Cache[K, V]) SetMany(ctx context.Context, values map[K]V) error {
	entries, byKey, errs := c.givenAll("set many", values)
	if err := c.tiers.SetMany(ctx, entries); err != nil {
		many := store.AsManyError[string](err)
		if many == nil {
			return err
		}
		for key, err := range many.Errors {
			errs[byKey[key]] = err
		}
	}
	return store.NewManyError(errs)
}
