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

// fallBackMany is fallBack for those of ids that known does not report as answered, for
// the reason of err. It puts what Options.Default gives into values, and returns err
// unless that is something for each.
func (c *Cache[K, V]) fallBackMany(ids []K, values map[K]V, known func(id K) bool, err error) error {
	if err == nil || c.opts.Default == nil {
		return err
	}
	left := false
	for _, id := range ids {
		if _, ok := values[id]; ok || known(id) {
			continue
		}
		if f, err := c.fallBack(id, layered.Found[V]{}, err); err == nil {
			values[id], _ = c.out(f.Value, nil)
		} else {
			left = true
		}
	}
	if left {
		return err
	}
	return nil
}
