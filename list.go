package strata

import (
	"context"
	"fmt"
)

// A List finds the values of a cache by a query Q, such as the listings of a city. It caches the
// ids that a query has, in their order; the values are those of the cache, so that a value that
// is in many lists is kept, changed and invalidated once. All methods are safe for concurrent use.
type List[Q, K comparable, V any] struct {
	ids   *Cache[Q, []K]
	cache *Cache[K, V]
}

// NewList returns the lists of a query over the values of c. name must be unique in the backend.
//
// find gets the ids of a query from the source: none is an empty list, not an error. Set
// Options.LoadMany of c, so that the values of a list are loaded together. o configures the
// cache of the ids and may be nil.
func NewList[Q, K comparable, V any](c *Cache[K, V], name string, find func(context.Context, Q) ([]K, error), o *Options[Q, []K]) (*List[Q, K, V], error) {
	if find == nil {
		return nil, fmt.Errorf("strata: list %q: find is required", name)
	}
	if c == nil {
		return nil, fmt.Errorf("strata: list %q: the cache is nil; use New", name)
	}
	ids, err := New(c.backend, name, find, o)
	if err != nil {
		return nil, err
	}
	return &List[Q, K, V]{ids, c}, nil
}

// Get returns the values of the query q in the order of the list: one read of the list, and one
// of its values. It leaves out values that the source no longer has. If some values cannot be
// read or loaded, it returns the others, and a *[ManyError] of K.
func (l *List[Q, K, V]) Get(ctx context.Context, q Q) ([]V, error) {
	ids, err := l.ids.Get(ctx, q)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	values, err := l.cache.GetMany(ctx, ids)
	found := make([]V, 0, len(ids))
	for _, id := range ids {
		if v, ok := values[id]; ok {
			found = append(found, v)
		}
	}
	return found, err
}

// Delete invalidates the lists of queries in every process. Call it after the source has
// changed which values they have; with Options.Tags, Backend.InvalidateTags invalidates many.
// Values keep: see [Cache.Delete].
func (l *List[Q, K, V]) Delete(ctx context.Context, qs ...Q) error { return l.ids.Delete(ctx, qs...) }

// IDs returns the cache of the ids, for all other operations.
func (l *List[Q, K, V]) IDs() *Cache[Q, []K] { return l.ids }
