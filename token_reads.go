package strata

import (
	"context"

	"github.com/lokroom/strata/layered"
)

// Token returns a token for all writes of this process through the backend in calls that have
// returned without an error.
func (b *Backend) Token() Token { return Token{b.tokens.writer, b.tokens.last.Add(1)} }

// catchUp returns nil once this process has received all invalidations up to the tokens of
// ctx.
func (b *Backend) catchUp(ctx context.Context) error {
	if !b.l2.exists() {
		return nil
	}
	news := b.tokens.news(ctx)
	if len(news) == 0 {
		return nil
	}
	if err := b.l2.sync(ctx); err != nil {
		return err
	}
	b.tokens.caughtUp(news)
	return nil
}

// asks reports whether a read with a token must ask Redis, because Redis does not notify this
// process of changes.
func (b *Backend) asks() bool { return b.l2.redis != nil && b.l2.redis.MaxStale() > 0 }

// findSpecially is find for a context that is special.
func (c *untyped[K]) findSpecially(ctx context.Context, key string, id K, src layered.Source[any]) (layered.Found[any], error) {
	if c.bypassed(ctx) {
		return c.findAtSource(ctx, key, id)
	}
	if d := c.reader(ctx); d != nil {
		return c.findNoting(ctx, d, key, src)
	}
	if !hasToken(ctx) { // there is no loader
		return c.tiers.Find(ctx, key, src)
	}
	return c.findSince(ctx, key, id, src)
}

// findSince is find for a context with tokens.
func (c *untyped[K]) findSince(ctx context.Context, key string, id K, src layered.Source[any]) (layered.Found[any], error) {
	if c.backend.asks() || c.backend.catchUp(ctx) != nil {
		return c.findFresh(ctx, key, src)
	}
	// No invalidations arrive for values loaded while Redis was unreachable.
	if e, ok := c.tiers.Local(ctx, key); ok && (e.Epoch != 0 || !c.backend.l2.exists()) {
		if c.tiers.ShouldRefresh(e) {
			c.refreshSoon(ctx, key, id, e)
		}
		return layered.Found[any]{Entry: *e, Tier: layered.L1}, e.MissError()
	}
	return c.findFresh(ctx, key, src)
}

// findFresh is find that bypasses L1.
func (c *untyped[K]) findFresh(ctx context.Context, key string, src layered.Source[any]) (layered.Found[any], error) {
	if d := c.reader(ctx); d != nil {
		return c.findNoting(ctx, d, key, src)
	}
	return c.tiers.FindFresh(ctx, key, src)
}

func (c *untyped[K]) getFresh(ctx context.Context, id K) (any, error) {
	key, err := c.key(id)
	if err != nil {
		return nil, c.failed("get", err)
	}
	if c.bypassed(ctx) {
		f, err := c.findAtSource(ctx, key, id)
		return c.out(f.Value, err)
	}
	var f layered.Found[any]
	src := c.source(id) // without a Default: see Options.Default
	noted := false      // findFresh notes what a load reads
	switch off := c.switchedOff(); {
	case off != 0:
		f, err = c.findSwitched(ctx, off|noReads, key, src)
	case c.opts.SourceFirst:
		f, err = c.findSourceFirst(ctx, key, src)
	default:
		noted = c.reader(ctx) != nil
		f, err = c.findFresh(ctx, key, src)
	}
	if c.detour && !noted {
		c.noteUse(ctx, key, id, &f, err)
	}
	return c.out(f.Value, err)
}

// findManySince is findMany for a context with tokens.
func (c *untyped[K]) findManySince(ctx context.Context, ks []string, src layered.Source[any], each func(i int, f *layered.Found[any], err error)) {
	if c.backend.asks() || c.backend.catchUp(ctx) != nil {
		c.tiers.FindManyFresh(ctx, ks, src, each)
		return
	}
	var near, far []string // keys that L1 may answer, and others: see findSince
	var nearAt, farAt []int
	for i, key := range ks {
		if e, ok := c.tiers.Local(ctx, key); ok && (e.Epoch != 0 || !c.backend.l2.exists()) {
			near, nearAt = append(near, key), append(nearAt, i)
		} else {
			far, farAt = append(far, key), append(farAt, i)
		}
	}
	c.tiers.FindMany(ctx, near, src, func(i int, f *layered.Found[any], err error) { each(nearAt[i], f, err) })
	c.tiers.FindManyFresh(ctx, far, src, func(i int, f *layered.Found[any], err error) { each(farAt[i], f, err) })
}
