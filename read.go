package strata

import (
	"cmp"
	"context"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// get returns the entry that L1 has for id, or if it cannot answer, or its value has to be cloned,
// the value.
func (c *untyped[K]) get(ctx context.Context, id K) (hit *store.Entry[any], v any, err error) {
	key, err := c.key(id)
	if err != nil {
		return nil, nil, c.failed("get", err)
	}
	if isSpecial(ctx) || c.detour && c.uses(ctx) || switched.Load() && c.switchedOff() != 0 {
		v, err = c.getAround(ctx, key, id)
		return nil, v, err
	}
	l, ok := c.tiers.Lookup(ctx, key)
	if !ok {
		v, err = c.getPast(ctx, key, l, id)
		return nil, v, err
	}
	e := l.Entry()
	if c.tiers.ShouldRefresh(e) {
		c.refreshSoon(ctx, key, id, e)
	}
	if c.clone != nil {
		v, err = c.out(e.Value, e.MissError())
		return nil, v, err
	}
	return e, nil, nil
}

// uses reports whether a read with ctx is recorded, or always calls the loader.
func (c *untyped[K]) uses(ctx context.Context) bool {
	return c.opts.SourceFirst || c.opts.IdleTTL > 0 || c.known != nil || c.reader(ctx) != nil
}

// getAround and getPast are separate from Get so that a hit in L1 does not clear a Found.
func (c *untyped[K]) getAround(ctx context.Context, key string, id K) (any, error) {
	f, err := c.find(ctx, key, id)
	return c.out(f.Value, err)
}

func (c *untyped[K]) getPast(ctx context.Context, key string, l layered.Lookup[any], id K) (any, error) {
	f, err := c.findPast(ctx, key, l, id)
	return c.out(f.Value, err)
}

// An Entry is a value with its metadata.
type Entry[V any] struct {
	store.Entry[V]
	Tier  layered.Tier  // the tier that returned it
	Age   time.Duration // time since its load began; 0 if unknown
	Stale bool          // it is past its TTL; a load failed, is slow, or runs in the background
	Cause error         // why the load failed or was not awaited; nil during a background load
}

func (c *untyped[K]) getEntry(ctx context.Context, id K) (Entry[any], error) {
	key, err := c.key(id)
	if err != nil {
		return Entry[any]{}, c.failed("get", err)
	}
	f, err := c.find(ctx, key, id)
	return c.entryOf(&f, err)
}

func (c *untyped[K]) entryOf(f *layered.Found[any], err error) (Entry[any], error) {
	e := Entry[any]{Entry: f.Entry, Tier: f.Tier, Stale: f.Stale, Cause: f.Cause}
	if e.LoadedAt != 0 {
		e.Age = max(store.Now().Sub(e.LoadedAt), 0)
	}
	e.Value, err = c.out(e.Value, err)
	return e, err
}

// find is separate from Get so that a hit in L1 does not pay for the closures.
func (c *untyped[K]) find(ctx context.Context, key string, id K) (layered.Found[any], error) {
	src := c.sourceOrDefault(id)
	var f layered.Found[any]
	var err error
	switch off := c.switchedOff(); {
	case c.bypassed(ctx):
		return c.findAtSource(ctx, key, id)
	case off != 0:
		f, err = c.findSwitched(ctx, off, key, src)
	case c.opts.SourceFirst:
		f, err = c.findSourceFirst(ctx, key, src)
	case isSpecial(ctx):
		f, err = c.findSpecially(ctx, key, id, src)
	case c.reader(ctx) != nil:
		return c.findNoting(ctx, c.reader(ctx), key, src)
	default:
		f, err = c.tiers.Find(ctx, key, src)
	}
	if c.detour {
		c.noteUse(ctx, key, id, &f, err)
	}
	return f, err
}

// noteUse records a read of id with the result f and err, as the options want it.
func (c *untyped[K]) noteUse(ctx context.Context, key string, id K, f *layered.Found[any], err error) {
	if d := c.reader(ctx); d != nil {
		c.noteRead(d, key, f, err)
	}
	if c.opts.IdleTTL > 0 && err == nil {
		c.slide(ctx, key, id, f)
	}
	if c.known != nil {
		c.known.note(key, id)
	}
}

// findPast is find after a miss in L1.
func (c *untyped[K]) findPast(ctx context.Context, key string, l layered.Lookup[any], id K) (layered.Found[any], error) {
	return c.tiers.FindAfter(ctx, key, l, c.sourceOrDefault(id))
}

// slide extends the life of f, which was read under key: see Options.IdleTTL. An error, such as
// that of an unreachable Redis, leaves the life as it is; the next read tries again.
func (c *untyped[K]) slide(ctx context.Context, key string, id K, f *layered.Found[any]) {
	if f.Stale || f.Tier == layered.Origin || f.Tier == layered.Default || f.LoadedAt == 0 || c.keepsNothing() {
		return
	}
	left := cmp.Or(f.StaleAt, f.ExpiresAt).Until()
	if left > c.opts.IdleTTL/2 {
		return
	}
	ttl, err := c.usualTTL(id, f.Value)
	if err != nil {
		return
	}
	ttl = min(c.opts.IdleTTL, f.LoadedAt.Add(ttl).Until())
	if ttl-left > c.opts.IdleTTL/100 { // else the hard end is near
		_ = c.setTTL(ctx, key, id, ttl)
	}
}
