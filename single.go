package strata

import "context"

// A Single is a cache of one value, such as the settings of a service. All methods are safe
// for concurrent use. Cache describes what they do.
type Single[V any] struct {
	cache *Cache[OnlyID, V]
}

// OnlyID is the type of the id of the value in a [Single]. It has one value.
type OnlyID struct{}

// MarshalText returns "only".
func (OnlyID) MarshalText() ([]byte, error) { return []byte("only"), nil }

// UnmarshalText accepts any text.
func (*OnlyID) UnmarshalText([]byte) error { return nil }

// NewSingle returns a cache of one value. load gets it from the source and may be nil. o may
// be nil. See [New].
func NewSingle[V any](b *Backend, name string, load func(context.Context) (V, error), o *Options[OnlyID, V]) (*Single[V], error) {
	var one func(context.Context, OnlyID) (V, error)
	if load != nil {
		one = func(ctx context.Context, _ OnlyID) (V, error) { return load(ctx) }
	}
	c, err := New(b, name, one, o)
	if err != nil {
		return nil, err
	}
	return &Single[V]{c}, nil
}

// Get returns the value: see [Cache.Get].
func (s *Single[V]) Get(ctx context.Context) (V, error) { return s.cache.Get(ctx, OnlyID{}) }

// Set makes v the value for every process: see [Cache.Set].
func (s *Single[V]) Set(ctx context.Context, v V) error { return s.cache.Set(ctx, OnlyID{}, v) }

// Delete invalidates the value in every process: see [Cache.Delete].
func (s *Single[V]) Delete(ctx context.Context) error { return s.cache.Delete(ctx, OnlyID{}) }

// Refresh loads the value now: see [Cache.Refresh].
func (s *Single[V]) Refresh(ctx context.Context) (V, error) { return s.cache.Refresh(ctx, OnlyID{}) }

// Cache returns the cache that holds the value, for all other operations.
func (s *Single[V]) Cache() *Cache[OnlyID, V] { return s.cache }
