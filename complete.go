package strata

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// complete adds to e what the options say and e does not: its life, its tags and its
// revision. Every entry that the cache keeps has passed through it.
func (c *Cache[K, V]) complete(id K, e store.Entry[V]) store.Entry[V] {
	if e.Absent {
		if !lives(&e) {
			c.live(&e, c.absentFor())
		}
		return e
	}
	if c.encodes {
		e.Value = codec.Canonical(c.opts.Codec, e.Value)
	}
	if !lives(&e) {
		var ttl time.Duration
		if c.opts.TTLOf != nil {
			ttl = c.opts.TTLOf(id, e.Value)
		}
		c.live(&e, ttl)
	}
	if c.opts.Tags != nil {
		e.Tags = union(c.opts.Tags(id, e.Value), e.Tags)
	}
	if c.opts.RevisionOf != nil && e.Revision == 0 {
		e.Revision = c.opts.RevisionOf(id, e.Value)
	}
	return e
}

// lives reports whether e has been given a life, which may be endless.
func lives[V any](e *store.Entry[V]) bool {
	return e.ExpiresAt != 0 || e.StaleAt != 0 || e.LoadedAt != 0
}

// live gives e a life of ttl from now; 0 is Options.TTL. An absent entry is never stale.
func (c *Cache[K, V]) live(e *store.Entry[V], ttl time.Duration) {
	like := c.tiers.NewEntry(e.Value, ttl)
	e.LoadedAt, e.ExpiresAt, e.StaleAt = like.LoadedAt, like.ExpiresAt, like.StaleAt
	if e.Absent && e.StaleAt != 0 {
		e.ExpiresAt, e.StaleAt = e.StaleAt, 0
	}
}

// absentFor returns for how long an entry is kept of which the source has no value.
func (c *Cache[K, V]) absentFor() time.Duration {
	return cmp.Or(c.opts.AbsentFor, layered.DefaultAbsentFor)
}

// union returns the tags of a, and those of b that are not among them.
func union(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	a = slices.Clip(a)
	for _, tag := range b {
		if !slices.Contains(a, tag) {
			a = append(a, tag)
		}
	}
	return a
}

// completeKey is complete for an entry that was given to [Cache.Tiers] under key.
func (c *Cache[K, V]) completeKey(key string, e store.Entry[V]) (_ store.Entry[V], err error) {
	defer flight.Catch("a function of Options", &err)
	var id K
	if !e.Absent && (c.opts.TTLOf != nil || c.opts.Tags != nil || c.opts.RevisionOf != nil) {
		if id, err = c.idOf(key); err != nil {
			return e, err
		}
	}
	if !e.Absent {
		e.Value = c.in(e.Value)
	}
	return c.complete(id, e), nil
}

// idOf returns the id whose key is key.
func (c *Cache[K, V]) idOf(key string) (id K, err error) {
	if c.id == nil {
		return id, fmt.Errorf("%w: the functions of Options take an id, and %v has MarshalText but not UnmarshalText; use the methods of the Cache",
			errors.ErrUnsupported, reflect.TypeFor[K]())
	}
	if id, err = c.id(key); err != nil {
		return id, fmt.Errorf("%w: %q is not the text of an id: %w", store.ErrInvalidKey, key, err)
	}
	return id, nil
}
