package strata

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// SetBypass switches reads or writes of all caches of this process off, and on again with the
// zero Bypass. It is for operators: to see whether a cache is the cause of a fault, or to take
// load off Redis. Delete, MarkStale, InvalidateTags and the like always work, so that no old
// value is left when the cache is used again. Counters and Cache.Tiers are not affected.
//
// A load that is not cached is not shared with other callers; Options.MaxLoads and LoadBudget
// bound what reaches the source.
func (b *Backend) SetBypass(off Bypass) {
	b.off.set(off)
	b.logBypass("all", off)
}

func (b *Backend) logBypass(cache string, off Bypass) {
	if b.cfg.Logger != nil {
		b.cfg.Logger.Warn("strata: the bypass of caches was set", slog.String("cache", cache), slog.Bool("reads", off.Reads), slog.Bool("writes", off.Writes))
	}
}

// SetBypass is [Backend.SetBypass] for this cache. What is switched off for all caches is off.
func (c *untyped[K]) SetBypass(off Bypass) {
	c.off.set(off)
	c.backend.logBypass(c.name, off)
}

// findSwitched is find for a cache of which off must not be used.
func (c *untyped[K]) findSwitched(ctx context.Context, off uint32, key string, src layered.Source[any]) (layered.Found[any], error) {
	if off == noReads && src.Load != nil {
		return c.findSource(ctx, key, src)
	}
	var cached layered.Found[any]
	if off&noReads == 0 {
		f, err := c.tiers.Find(ctx, key, layered.Source[any]{})
		if err == nil && !f.Stale || f.Absent || !c.loads() {
			return f, err
		}
		cached = f
	}
	f, err := c.direct(ctx, key, src)
	if err != nil && !f.Absent && cached.Stale {
		cached.Cause = err
		return cached, nil
	}
	return f, err
}

// direct calls the loader for one key.
func (c *untyped[K]) direct(ctx context.Context, key string, src layered.Source[any]) (f layered.Found[any], err error) {
	c.tiers.Direct(ctx, []string{key}, src, func(_ int, found *layered.Found[any], ferr error) { f, err = *found, ferr })
	return f, err
}

// findSource loads key, and has the tiers keep the value.
func (c *untyped[K]) findSource(ctx context.Context, key string, src layered.Source[any]) (layered.Found[any], error) {
	f, err := c.tiers.Refresh(ctx, key, src)
	if err == nil && f.Stale { // the loader failed, and the tiers had a value
		return layered.Found[any]{}, f.Cause
	}
	return f, err
}

// findSourceFirst is find with Options.SourceFirst.
func (c *untyped[K]) findSourceFirst(ctx context.Context, key string, src layered.Source[any]) (layered.Found[any], error) {
	f, err := c.tiers.Refresh(ctx, key, src)
	if err == nil || f.Absent || errors.Is(err, store.ErrClosed) {
		return f, err
	}
	cached, cerr := c.tiers.Find(context.WithoutCancel(ctx), key, layered.Source[any]{})
	switch {
	case cerr == nil:
		cached.Stale, cached.Cause = true, err
		return cached, nil
	case src.Default != nil && ctx.Err() == nil:
		if v, derr := src.Default(key, err); derr == nil {
			return layered.Found[any]{Entry: store.Entry[any]{Value: v}, Tier: layered.Default, Stale: true, Cause: err}, nil
		}
	}
	return f, err
}

// findManySwitched is findMany for a cache of which off must not be used.
func (c *untyped[K]) findManySwitched(ctx context.Context, off uint32, ks []string, ids []K, each func(i int, f *layered.Found[any], err error)) {
	switch {
	case off&noReads == 0:
		c.findManyUnkept(ctx, ks, ids, each)
	case off == noReads:
		c.eachAlone(ids, loadsAtOnce, func(i int) (layered.Found[any], error) { return c.findSwitched(ctx, off, ks[i], c.source(ids[i])) }, each)
	default:
		c.directMany(ctx, ks, ids, each)
	}
}

// directMany calls the loader for ids. Without a batch loader it loads one after the other: a
// transaction may not allow more.
func (c *untyped[K]) directMany(ctx context.Context, ks []string, ids []K, each func(i int, f *layered.Found[any], err error)) {
	if c.loadsMany() {
		c.tiers.Direct(ctx, ks, c.manySource(ks, ids), each)
		return
	}
	c.eachAlone(ids, 1, func(i int) (layered.Found[any], error) { return c.direct(ctx, ks[i], c.source(ids[i])) }, each)
}

// findManyUnkept returns cached values, and loads the others without caching them.
func (c *untyped[K]) findManyUnkept(ctx context.Context, ks []string, ids []K, each func(i int, f *layered.Found[any], err error)) {
	var at []int // of ids to load
	stale := make(map[int]layered.Found[any])
	c.tiers.FindMany(ctx, ks, layered.Source[any]{}, func(i int, f *layered.Found[any], err error) {
		if err == nil && !f.Stale || f.Absent || !c.loads() {
			each(i, f, err)
			return
		}
		at = append(at, i)
		if f.Stale {
			stale[i] = *f
		}
	})
	restKeys, rest := make([]string, len(at)), make([]K, len(at))
	for j, i := range at {
		restKeys[j], rest[j] = ks[i], ids[i]
	}
	c.directMany(ctx, restKeys, rest, func(j int, f *layered.Found[any], err error) {
		if old, ok := stale[at[j]]; ok && err != nil && !f.Absent {
			old.Cause = err
			f, err = &old, nil
		}
		each(at[j], f, err)
	})
}

// eachAlone calls find for each of ids, several at a time, and then each.
func (c *untyped[K]) eachAlone(ids []K, atOnce int, find func(i int) (layered.Found[any], error), each func(i int, f *layered.Found[any], err error)) {
	found, errs := make([]layered.Found[any], len(ids)), make([]error, len(ids))
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range ids {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found[i], errs[i] = find(i)
		})
	}
	wg.Wait()
	for i := range ids {
		each(i, &found[i], errs[i])
	}
}
