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

// loadsAtOnce is how many ids of one GetMany are loaded concurrently without a LoadMany.
const loadsAtOnce = 8

// sourceOrDefault is source with Options.Default.
func (c *untyped[K]) sourceOrDefault(id K) layered.Source[any] {
	src := c.source(id)
	if c.opts.Default != nil {
		src.Default = func(_ string, err error) (any, error) { return c.lastResort(id, err) }
	}
	return src
}

// source returns the source of id for the tiers.
func (c *untyped[K]) source(id K) (src layered.Source[any]) {
	if !c.loads() {
		return src
	}
	src.Load = func(ctx context.Context, _ string) (store.Entry[any], error) { return c.loadEntry(ctx, id) }
	if c.opts.Reload != nil {
		src.Reload = func(ctx context.Context, _ string, old store.Entry[any]) (store.Entry[any], error) {
			return c.reloadEntry(ctx, id, old)
		}
	}
	return src
}

// manySource returns the source of ids with the keys ks for the tiers.
func (c *untyped[K]) manySource(ks []string, ids []K) (src layered.Source[any]) {
	if c.opts.Default != nil {
		src.Default = func(key string, err error) (any, error) { return c.lastResort(ids[slices.Index(ks, key)], err) }
	}
	if !c.loads() {
		return src
	}
	src.LoadMany = func(ctx context.Context, missing []string) (map[string]store.Entry[any], error) {
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
	return src
}

func (c *untyped[K]) loadMany(ctx context.Context, ks []string, ids []K) (map[string]store.Entry[any], error) {
	entries, err := c.loadNoting(ctx, slices.Clone(ids)) // the loader may sort them
	loaded := make(map[string]store.Entry[any], len(entries))
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

// loadEach loads ids one by one, several concurrently. A failure of one does not stop the
// others.
func (c *untyped[K]) loadEach(ctx context.Context, ks []string, ids []K) (map[string]store.Entry[any], error) {
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		loaded = make(map[string]store.Entry[any], len(ids))
		errs   = make(map[string]error)
		slots  = make(chan struct{}, loadsAtOnce)
	)
	for i, id := range ids {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			flight.Protect(func() (store.Entry[any], error) { return c.loadEntry(ctx, id) }, func(e store.Entry[any], err error) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, store.ErrNotFound):
					loaded[ks[i]] = store.Entry[any]{Absent: true}
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

// reloadEntry calls Reload for old. A value made of other values is always loaded: it must
// not outlive them.
func (c *untyped[K]) reloadEntry(ctx context.Context, id K, old store.Entry[any]) (store.Entry[any], error) {
	if c.captures && madeOfOthers(old.Tags) {
		return c.loadEntry(ctx, id)
	}
	lent := old
	var err error
	if lent.Value, err = c.lent(old.Value); err != nil {
		return store.Entry[any]{}, c.failed("reload", err)
	}
	noting, d := c.capture(ctx)
	v, err := c.opts.Reload(noting, id, lent)
	err = c.sourceError(err)
	d.done()
	switch {
	case errors.Is(err, store.ErrNotModified) && d.some():
		return c.loadEntry(ctx, id) // it has dependencies, so it is not kept unchanged
	case errors.Is(err, store.ErrNotModified):
		return c.entry(id, old.Value), err // with its new TTL
	case (d.some() || c.completesAbsent()) && errors.Is(err, store.ErrNotFound):
		return c.onto(d, c.complete(id, store.Entry[any]{Absent: true})), nil
	case err != nil:
		return store.Entry[any]{}, err
	}
	return c.onto(d, c.entry(id, v)), nil
}
