package strata

import (
	"context"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/layered"
)

// fallBack answers a read with ctx, which could not find f, with what Options.Default
// gives.
func (c *Cache[K, V]) fallBack(ctx context.Context, id K, f layered.Found[V], err error) (_ layered.Found[V], failed error) {
	if err == nil || c.opts.Default == nil {
		return f, err
	}
	last, ok, panicked := c.lastResort(ctx, id, err)
	switch {
	case panicked != nil:
		return f, c.failed("get", oneline.Join(err, panicked))
	case ok:
		return last, nil
	}
	return f, err
}

func (c *Cache[K, V]) lastResort(ctx context.Context, id K, err error) (last layered.Found[V], ok bool, panicked error) {
	defer flight.Catch("Options.Default", &panicked)
	last, ok = c.tiers.FallBackFor(ctx, err, func(err error) (V, bool) { return c.opts.Default(id, err) })
	return last, ok, nil
}
