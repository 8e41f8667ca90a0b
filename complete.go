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

// entry returns an entry of v with the metadata that the options define.
func (c *untyped[K]) entry(id K, v any) store.Entry[any] {
	return c.complete(id, store.Entry[any]{Value: v})
}

// given is entry for a value passed by a caller. It returns a panic of an Options function
// as an error.
func (c *untyped[K]) given(id K, v any) (e store.Entry[any], err error) {
	defer flight.Catch("a function of Options", &err)
	return c.entry(id, c.in(v)), nil
}

// complete adds to e what the options define and e lacks: expiry, tags, revision. Every
// entry that the cache keeps passes through it.
func (c *untyped[K]) complete(id K, e store.Entry[any]) store.Entry[any] {
	if e.Absent {
		if c.idTags != nil {
			e.Tags = union(c.idTags(id), e.Tags)
		}
		if !lives(&e) {
			c.live(id, &e, c.absentFor(id))
		}
		c.capExpiry(&e)
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
		c.live(id, &e, ttl)
	}
	c.capExpiry(&e)
	if c.opts.Tags != nil {
		e.Tags = union(c.opts.Tags(id, e.Value), e.Tags)
	}
	if c.opts.RevisionOf != nil && e.Revision == 0 {
		e.Revision = c.opts.RevisionOf(id, e.Value)
	}
	return e
}

// completesAbsent reports whether complete changes an absent entry according to its id.
func (c *untyped[K]) completesAbsent() bool { return c.opts.OverrideOf != nil || c.idTags != nil }

// lives reports whether e has an expiry, which may be store.Forever.
func lives(e *store.Entry[any]) bool {
	return e.ExpiresAt != 0 || e.StaleAt != 0 || e.LoadedAt != 0
}

// live sets the expiry of e, an entry of id, to ttl from now; 0 is the TTL of the options.
// An absent entry is never stale.
func (c *untyped[K]) live(id K, e *store.Entry[any], ttl time.Duration) {
	o := c.opts.override(id)
	ttl = c.opts.capTTL(cmp.Or(ttl, o.TTL)) // 0: that of the tiers
	if c.opts.IdleTTL > 0 && !e.Absent {
		ttl = min(cmp.Or(ttl, c.opts.TTL), c.opts.IdleTTL)
	}
	like := c.tiers.NewEntry(e.Value, ttl)
	e.LoadedAt, e.ExpiresAt, e.StaleAt = like.LoadedAt, like.ExpiresAt, like.StaleAt
	end := cmp.Or(e.StaleAt, e.ExpiresAt)
	switch {
	case e.Absent, o.StaleFor < 0:
		e.ExpiresAt, e.StaleAt = end, 0
	case o.StaleFor > 0 && ttl >= 0 && end != 0:
		e.ExpiresAt, e.StaleAt = end.Add(o.StaleFor), end
	}
}

// absentFor returns how long it is remembered that the source has no value of id.
func (c *untyped[K]) absentFor(id K) time.Duration {
	return c.opts.capTTL(cmp.Or(c.opts.override(id).AbsentFor, c.opts.AbsentFor, layered.DefaultAbsentFor))
}

// keptFor returns the lifetime of a value of id that is fresh for ttl.
func (c *untyped[K]) keptFor(id K, ttl time.Duration) (kept time.Duration, err error) {
	defer flight.Catch("a function of Options", &err)
	staleFor := max(cmp.Or(c.opts.override(id).StaleFor, c.opts.StaleFor), 0)
	if ttl = c.opts.capTTL(ttl); ttl > store.Forever-staleFor {
		return store.Forever, nil
	}
	return ttl + staleFor, nil
}

// capExpiry applies Options.MaxTTL to an entry with an expiry.
func (c *untyped[K]) capExpiry(e *store.Entry[any]) {
	if c.opts.MaxTTL <= 0 {
		return
	}
	end := cmp.Or(e.LoadedAt, store.Now()).Add(c.opts.MaxTTL)
	switch {
	case e.StaleAt > end:
		if e.ExpiresAt != 0 {
			e.ExpiresAt -= e.StaleAt - end
		}
		e.StaleAt = end
	case e.StaleAt == 0 && (e.ExpiresAt == 0 || e.ExpiresAt > end):
		e.ExpiresAt = end
	}
}

// union returns the tags of a followed by those of b that a does not contain.
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

// completeKey is complete for an entry passed to [Cache.Tiers] under key.
func (c *untyped[K]) completeKey(key string, e store.Entry[any]) (_ store.Entry[any], err error) {
	defer flight.Catch("a function of Options", &err)
	var id K
	if c.completesAbsent() || !e.Absent && (c.opts.TTLOf != nil || c.opts.Tags != nil || c.opts.RevisionOf != nil) {
		if id, err = c.idOf(key); err != nil {
			return e, err
		}
	}
	if !e.Absent {
		if err := c.checkType(e.Value); err != nil {
			return e, err
		}
		e.Value = c.in(e.Value)
	}
	return c.complete(id, e), nil
}

// checkType returns an error for a value, passed to Tiers, that is not of type V. Nil is the zero V.
func (c *untyped[K]) checkType(v any) error {
	t := reflect.TypeOf(v)
	if t == nil || t == c.values || c.values.Kind() == reflect.Interface && t.Implements(c.values) {
		return nil
	}
	return fmt.Errorf("%w: it is of type %v, and the values of the cache are of type %v", store.ErrUnstorable, t, c.values)
}

// idOf returns the id of key.
func (c *untyped[K]) idOf(key string) (id K, err error) {
	if c.id == nil {
		return id, fmt.Errorf("%w: the functions in Options take an id, and %v has MarshalText but not UnmarshalText; use the methods of Cache",
			errors.ErrUnsupported, reflect.TypeFor[K]())
	}
	if id, err = c.id(key); err != nil {
		return id, fmt.Errorf("%w: %q is not the text of an id: %w", store.ErrInvalidKey, key, err)
	}
	return id, nil
}
