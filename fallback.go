package strata

import (
	"fmt"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/layered"
)

// fallBack answers with what Options.Default gives where f could not be found.
func (c *Cache[K, V]) fallBack(id K, f layered.Found[V], err error) (_ layered.Found[V], failed error) {
	if err == nil || c.opts.Default == nil {
		return f, err
	}
	last, ok, panicked := c.lastResort(id, err)
	switch {
	case panicked != nil:
		return f, fmt.Errorf("%w; %w", err, panicked)
	case ok:
		return last, nil
	}
	return f, err
}

func (c *Cache[K, V]) lastResort(id K, err error) (last layered.Found[V], ok bool, panicked error) {
	defer flight.Catch("Options.Default", &panicked)
	last, ok = c.tiers.FallBack(err, func(err error) (V, bool) { return c.opts.Default(id, err) })
	return last, ok, nil
}
