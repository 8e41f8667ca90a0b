package strata

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// loadsAtOnce is how many ids of one GetMany are loaded at the same time where
// there is no LoadMany.
const loadsAtOnce = 8

// GetMany returns the values of ids, each from the first tier that has it fresh:
// one pass over L1, one exchange with Redis, one call of Options.LoadMany for the
// rest. Ids that the source does not have are not in the map, and no error. If
// some values cannot be had, the others are in the map, and the error says why.
func (c *Cache[K, V]) GetMany(ctx context.Context, ids []K) (map[K]V, error) {
	ks := make([]string, len(ids))
	byKey := make(map[string]K, len(ids))
	for i, id := range ids {
		key, err := c.key(id)
		if err != nil {
			return nil, c.failed("get many", err)
		}
		ks[i], byKey[key] = key, id
	}
	var found map[string]store.Entry[V]
	var err error
	if d := c.reader(ctx); d != nil {
		found, err = c.findManyNoting(ctx, d, ks, byKey)
	} else if hasToken(ctx) {
		found, err = c.findManySince(ctx, ks, byKey)
	} else {
		found, err = c.findMany(ctx, ks, byKey)
	}
	values := make(map[K]V, len(found))
	for key, e := range found {
		if !e.Absent {
			values[byKey[key]], _ = c.out(e.Value, nil)
		}
	}
	answered := func(id K) bool {
		key, err := c.key(id)
		return err == nil && found[key].Absent
	}
	return values, c.fallBackMany(ids, values, answered, err)
}

func (c *Cache[K, V]) findMany(ctx context.Context, ks []string, byKey map[string]K) (map[string]store.Entry[V], error) {
	load := c.manyLoader(byKey)
	if load == nil {
		return c.tiers.GetMany(ctx, ks)
	}
	return c.tiers.GetManyOrLoad(ctx, ks, load)
}

// manyLoader loads the ids of byKey for the tiers; nil if there is no source.
func (c *Cache[K, V]) manyLoader(byKey map[string]K) layered.ManyLoader[V] {
	if !c.loads() {
		return nil
	}
	return func(ctx context.Context, ks []string) (map[string]store.Entry[V], error) {
		ids := make([]K, len(ks))
		for i, key := range ks {
			ids[i] = byKey[key]
		}
		if !c.loadsMany() {
			return c.loadEach(ctx, ks, ids)
		}
		ctx, d := c.capture(ctx)
		entries, err := c.loadEntries(ctx, ids)
		d.done()
		loaded := make(map[string]store.Entry[V], len(ids))
		for i, id := range ids {
			if e, ok := entries[id]; ok {
				loaded[ks[i]] = c.onto(d, e)
			} else if err == nil && d != nil {
				loaded[ks[i]] = c.onto(d, store.Entry[V]{Absent: true})
			}
		}
		return loaded, err
	}
}

// loadEach loads ids one by one, some at the same time. One that fails does not
// keep the others from being loaded.
func (c *Cache[K, V]) loadEach(ctx context.Context, ks []string, ids []K) (map[string]store.Entry[V], error) {
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		loaded = make(map[string]store.Entry[V], len(ids))
		errs   []error
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
					errs = append(errs, fmt.Errorf("%v: %w", id, err))
				default:
					loaded[ks[i]] = e
				}
			})
		})
	}
	wg.Wait()
	return loaded, errors.Join(errs...)
}
