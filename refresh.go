package strata

import (
	"context"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

func (c *untyped[K]) refresh(ctx context.Context, id K) (any, error) {
	key, err := c.key(id)
	if err != nil {
		return nil, c.failed("refresh", err)
	}
	if c.bypassed(ctx) {
		f, err := c.findAtSource(ctx, key, id)
		return c.out(f.Value, err)
	}
	f, err := layered.Found[any]{}, error(nil)
	if c.keepsNothing() {
		f, err = c.direct(ctx, key, c.source(id))
	} else {
		f, err = c.tiers.Refresh(ctx, key, c.source(id))
	}
	if d := c.reader(ctx); d != nil {
		c.noteRead(d, key, &f, err)
	}
	if c.captures && (err == nil || f.Absent) {
		if cerr := c.changed(ctx, []string{key}); cerr != nil {
			v, _ := c.out(f.Value, err)
			return v, cerr
		}
	}
	return c.out(f.Value, err)
}

// refreshSoon refreshes e, a hit in L1, in the background. It is separate from Get so that
// other hits do not pay for the closure.
func (c *untyped[K]) refreshSoon(ctx context.Context, key string, id K, e *store.Entry[any]) {
	c.tiers.RefreshSoon(ctx, key, e, c.source(id))
}

// refreshKnown starts to load id again, or loads it if there is no value, and returns the time
// until the next refresh: see Options.RefreshEvery.
func (c *untyped[K]) refreshKnown(key string, id K) time.Duration {
	ctx, every := context.Background(), c.opts.RefreshEvery
	if c.switchedOff() != 0 {
		return every
	}
	f, err := c.tiers.Find(ctx, key, c.source(id))
	if err != nil || f.Tier == layered.Origin {
		return every
	}
	if age := store.Now().Sub(f.LoadedAt); age < every*9/10 { // another process has loaded it
		return every - max(age, 0)
	}
	c.refreshSoon(ctx, key, id, &f.Entry)
	return every
}
