package strata

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// Has reports whether Redis, or L1 without Redis, has a value of id, fresh or stale. An id
// that is known to be absent at the source has none. Has does not call the loader.
func (c *untyped[K]) Has(ctx context.Context, id K) (bool, error) {
	key, err := c.key(id)
	if err != nil {
		return false, c.failed("has", err)
	}
	return c.tiers.Exists(ctx, key)
}

func (c *untyped[K]) peek(ctx context.Context, id K) (store.Entry[any], error) {
	key, err := c.key(id)
	if err != nil {
		return store.Entry[any]{}, c.failed("peek", err)
	}
	e, err := c.tiers.Get(ctx, key)
	if c.clone != nil && err == nil {
		e.Value, err = c.out(e.Value, nil)
	}
	return e, err
}

// TTL returns how long the value of id is still fresh, and how long it is kept. Both are
// store.Forever for a value without expiry; fresh is 0 for a stale value. TTL does not call
// the loader. If there is no value, the error wraps store.ErrNotFound.
func (c *untyped[K]) TTL(ctx context.Context, id K) (fresh, kept time.Duration, err error) {
	key, err := c.key(id)
	if err != nil {
		return 0, 0, c.failed("ttl", err)
	}
	f, err := c.tiers.FindFresh(ctx, key, layered.Source[any]{})
	if err != nil {
		return 0, 0, err
	}
	kept = f.ExpiresAt.Until()
	if f.StaleAt == 0 {
		return kept, kept, nil
	}
	return max(min(f.StaleAt.Until(), kept), 0), kept, nil
}

// SetTTL makes the value of id fresh for ttl from now, in every process, and does not move
// the value. It is kept for Options.StaleFor after that. store.Forever: until it is evicted
// or changed. ttl must be positive. If there is no value, the error wraps store.ErrNotFound.
// If Redis is unreachable, it wraps store.ErrUnavailable, and nothing is retried: the value
// is the same with either TTL.
func (c *untyped[K]) SetTTL(ctx context.Context, id K, ttl time.Duration) error {
	key, err := c.key(id)
	if err == nil {
		err = c.checkTTL(ttl)
	}
	if err != nil {
		return c.failed("set ttl", err)
	}
	return c.setTTL(ctx, key, id, ttl)
}

// checkTTL returns why a caller cannot set ttl, or nil.
func (c *untyped[K]) checkTTL(ttl time.Duration) error {
	switch {
	case ttl <= 0:
		return fmt.Errorf("%w: TTL %v is not positive; to remove a value, use Delete", store.ErrRefused, ttl)
	case c.opts.IdleTTL > 0:
		return fmt.Errorf("%w: with Options.IdleTTL reads set the TTL; use TTLOf or OverrideOf for the hard end of single values", store.ErrRefused)
	}
	return nil
}

func (c *untyped[K]) setTTL(ctx context.Context, key string, id K, ttl time.Duration) error {
	kept, err := c.keptFor(id, ttl)
	if err != nil {
		return c.failed("set ttl", err)
	}
	return c.tiers.Expire(ctx, key, kept)
}

// Touch is SetTTL with the TTL that Options define for the value. With Options.TTLOf it
// reads the value first.
func (c *untyped[K]) Touch(ctx context.Context, id K) error {
	key, err := c.key(id)
	if err != nil {
		return c.failed("touch", err)
	}
	var f layered.Found[any]
	if c.opts.TTLOf != nil || c.opts.IdleTTL > 0 {
		if f, err = c.tiers.FindFresh(ctx, key, layered.Source[any]{}); err != nil {
			return err
		}
	}
	ttl, err := c.usualTTL(id, f.Value)
	if err != nil {
		return c.failed("touch", err)
	}
	if c.opts.IdleTTL > 0 {
		ttl = min(c.opts.IdleTTL, f.LoadedAt.Add(ttl).Until())
	}
	if ttl <= 0 {
		return c.failed("touch", fmt.Errorf("%w: the TTL of the value is over", store.ErrRefused))
	}
	return c.setTTL(ctx, key, id, ttl)
}

// usualTTL returns the TTL that the options define for v, a value of id.
func (c *untyped[K]) usualTTL(id K, v any) (ttl time.Duration, err error) {
	defer flight.Catch("a function of Options", &err)
	if c.opts.TTLOf != nil {
		ttl = c.opts.TTLOf(id, v)
	}
	return c.opts.capTTL(cmp.Or(ttl, c.opts.override(id).TTL, c.opts.TTL)), nil
}

func (c *untyped[K]) setFor(ctx context.Context, id K, v any, ttl time.Duration) error {
	key, err := c.key(id)
	if err == nil {
		err = c.checkTTL(ttl)
	}
	if err != nil {
		return c.failed("set", err)
	}
	if c.keepsNothing() {
		return c.tiers.Delete(ctx, key)
	}
	e, err := c.givenFor(id, v, ttl)
	if err != nil {
		return c.failed("set", err)
	}
	return c.tiers.Set(ctx, key, e)
}

// givenFor is given with a TTL.
func (c *untyped[K]) givenFor(id K, v any, ttl time.Duration) (e store.Entry[any], err error) {
	defer flight.Catch("a function of Options", &err)
	e.Value = c.in(v)
	c.live(id, &e, ttl)
	return c.complete(id, e), nil
}

func (c *untyped[K]) add(ctx context.Context, id K, v any) (added bool, err error) {
	key, err := c.key(id)
	if err != nil {
		return false, c.failed("add", err)
	}
	if c.keepsNothing() {
		return false, c.failed("add", errWritesOff)
	}
	e, err := c.given(id, v)
	if err != nil {
		return false, c.failed("add", err)
	}
	return c.tiers.SetIfAbsent(ctx, key, e)
}

// DeletePattern deletes the values of all ids with a text that matches pattern, in every process,
// and returns how many values it deleted. The text of an id is that of its MarshalText
// method, of its string, or its decimal number. package keys describes patterns, such as
// "eu:*". It scans all keys of Redis, so it is for maintenance; use tags for invalidations
// that are part of everyday work.
func (c *untyped[K]) DeletePattern(ctx context.Context, pattern string) (int, error) {
	return c.tiers.DeletePattern(ctx, pattern)
}
