package strata

import (
	"context"
	"errors"
	"fmt"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// An Index finds the values of a cache by another unique attribute A, such as users by
// their e-mail address. It caches which id an attribute has; the values are those of the
// cache. All methods are safe for concurrent use.
type Index[A, K comparable, V any] struct {
	ids   *Cache[A, K]
	cache *Cache[K, V]
	of    func(V) A
}

// NewIndex returns an index of the values of c. name must be unique in the backend.
//
// find gets the id of an attribute from the source, or returns an error that wraps
// store.ErrNotFound. of returns the attribute of a value: Get compares it, so that an
// attribute that has moved to another value is looked up again. of must be quick and safe
// for concurrent use. o configures the cache of the ids and may be nil.
func NewIndex[A, K comparable, V any](c *Cache[K, V], name string, find func(context.Context, A) (K, error), of func(V) A, o *Options[A, K]) (*Index[A, K, V], error) {
	if find == nil || of == nil {
		return nil, fmt.Errorf("strata: index %q: find and of are required", name)
	}
	if c == nil {
		return nil, fmt.Errorf("strata: index %q: the cache is nil; use New", name)
	}
	ids, err := New(c.backend, name, find, o)
	if err != nil {
		return nil, err
	}
	return &Index[A, K, V]{ids, c, of}, nil
}

// Get returns the value with the attribute a: two reads of caches. If the value that the
// index names is gone or has another attribute, Get looks a up at the source once. If there
// is no value with the attribute, the error wraps store.ErrNotFound.
//
// The index remembers attributes without a value for Options.AbsentFor: call Delete when the
// source gets a value with a new attribute.
func (x *Index[A, K, V]) Get(ctx context.Context, a A) (V, error) {
	id, err := x.ids.Get(ctx, a)
	if err != nil {
		var zero V
		return zero, err
	}
	v, ok, err := x.get(ctx, id, a)
	if ok || err != nil {
		return v, err
	}
	if id, err = x.ids.Refresh(ctx, a); err != nil {
		return v, err
	}
	if v, ok, err = x.get(ctx, id, a); ok || err != nil {
		return v, err
	}
	var zero V
	return zero, x.ids.failed("get", fmt.Errorf("%w: the id that the source has for this attribute has another attribute", store.ErrNotFound))
}

// get returns the value of id, and whether a is its attribute.
func (x *Index[A, K, V]) get(ctx context.Context, id K, a A) (v V, ok bool, err error) {
	v, err = x.cache.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return v, false, nil
	}
	if err == nil {
		ok, err = x.has(v, a)
	}
	return v, ok, err
}

// has reports whether a is the attribute of v. Attributes with one key are one, such as an
// instant in two time zones.
func (x *Index[A, K, V]) has(v V, a A) (ok bool, err error) {
	own, err := x.attribute(v)
	if err != nil || own == a {
		return err == nil, err
	}
	key, err := x.ids.key(own)
	if err != nil {
		return false, nil // it is not a, which has a key
	}
	want, err := x.ids.key(a)
	return key == want, err
}

// attribute returns the attribute of v. It returns a panic as an error.
func (x *Index[A, K, V]) attribute(v V) (a A, err error) {
	defer flight.Catch("the function of NewIndex", &err)
	return x.of(v), nil
}

// Delete invalidates what the index knows of attributes, in every process. Call it after the
// source has changed which value has them. Values keep: see [Cache.Delete].
func (x *Index[A, K, V]) Delete(ctx context.Context, as ...A) error { return x.ids.Delete(ctx, as...) }

// IDs returns the cache of the ids, for all other operations.
func (x *Index[A, K, V]) IDs() *Cache[A, K] { return x.ids }
