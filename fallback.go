package strata

import "github.com/lokroom/strata/layered"

// fallBack answers with what Options.Default gives where f could not be found.
func (c *Cache[K, V]) fallBack(id K, f layered.Found[V], err error) (layered.Found[V], error) {
	if err == nil || c.opts.Default == nil {
		return f, err
	}
	if last, ok := c.tiers.FallBack(err, func(err error) (V, bool) { return c.opts.Default(id, err) }); ok {
		return last, nil
	}
	return f, err
}
