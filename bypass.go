package strata

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lokroom/strata/internal/bypass"
	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// WithoutCache returns a context for reads that must not use caches, such as those inside a
// transaction of the source: the loader is called for each, with ctx, and its result is not
// kept. LoadTimeout, MaxLoads and LoadBudget do not apply. A loader that reads its own id with
// such a context gets an error that wraps store.ErrCycle.
//
// The context is for Get, GetMany, GetEntry, GetManyEntries, GetFresh and Refresh of caches
// that have a loader. outbox.InTx passes such a context to its function.
func WithoutCache(ctx context.Context) context.Context { return bypass.With(ctx) }

// bypassed reports whether reads with ctx call the loader.
func (c *untyped[K]) bypassed(ctx context.Context) bool { return bypass.Is(ctx) && c.loads() }

// findAtSource loads id, with the key, for one caller and does not keep the result.
func (c *untyped[K]) findAtSource(ctx context.Context, key string, id K) (layered.Found[any], error) {
	var e store.Entry[any]
	inner, err := c.enterSource(ctx, key)
	if err == nil {
		e, err = c.loadAtSource(inner, id)
	}
	return c.foundAtSource(ctx, key, e, err)
}

// enterSource returns a context for a load of ks, or store.ErrCycle if the load that ctx belongs
// to loads one of them: it would call itself without end.
func (c *untyped[K]) enterSource(ctx context.Context, ks ...string) (context.Context, error) {
	inner, cycle, ok := bypass.Enter(ctx, c.raw, ks)
	if !ok {
		err := fmt.Errorf("%w: the loader reads the value that it loads", store.ErrCycle)
		return ctx, &store.Error{Store: "strata", Cache: c.name, Op: "load", Key: cycle, Err: err}
	}
	return inner, nil
}

func (c *untyped[K]) foundAtSource(ctx context.Context, key string, e store.Entry[any], err error) (layered.Found[any], error) {
	if err == nil {
		err = e.MissError()
	}
	e.Absent = e.Absent || errors.Is(err, store.ErrNotFound)
	f := layered.Found[any]{Entry: e, Tier: layered.Origin}
	if d := c.reader(ctx); d != nil {
		c.noteRead(d, key, &f, err)
	}
	return f, err
}

func (c *untyped[K]) loadAtSource(ctx context.Context, id K) (e store.Entry[any], err error) {
	defer flight.Catch("the loader", &err)
	if c.load != nil || c.opts.LoadEntry != nil {
		return c.loadSingle(ctx, id)
	}
	es, err := c.loadEntries(ctx, []K{id})
	return valueOf(es, err, id)
}

// findManyAtSource is findAtSource for ids.
func (c *untyped[K]) findManyAtSource(ctx context.Context, ks []string, ids []K, each func(i int, f *layered.Found[any], err error)) {
	if !c.loadsMany() {
		for i, id := range ids {
			f, err := c.findAtSource(ctx, ks[i], id)
			each(i, &f, err)
		}
		return
	}
	var es map[K]store.Entry[any]
	inner, err := c.enterSource(ctx, ks...)
	if err == nil {
		es, err = c.loadManyAtSource(inner, ids)
	}
	for i, id := range ids {
		e, err := valueOf(es, err, id)
		f, err := c.foundAtSource(ctx, ks[i], e, err)
		each(i, &f, err)
	}
}

func (c *untyped[K]) loadManyAtSource(ctx context.Context, ids []K) (es map[K]store.Entry[any], err error) {
	defer flight.Catch("the loader", &err)
	return c.loadEntries(ctx, slices.Clone(ids)) // the loader may sort them
}
