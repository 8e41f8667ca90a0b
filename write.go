package strata

import (
	"context"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

func (c *untyped[K]) set(ctx context.Context, id K, v any) error {
	key, err := c.key(id)
	if err != nil {
		return c.failed("set", err)
	}
	if c.keepsNothing() {
		return c.tiers.Delete(ctx, key)
	}
	e, err := c.given(id, v)
	if err != nil {
		return c.failed("set", err)
	}
	return c.tiers.Set(ctx, key, e)
}

// Delete invalidates the values of ids in every process, so that the next Get loads them.
// Call it after the source has changed. It takes one Redis exchange per 400 ids. If Redis
// is unreachable, the error wraps store.ErrUnavailable, with the effects described at Set.
// An id that has no key does not keep the others from being invalidated.
func (c *untyped[K]) Delete(ctx context.Context, ids ...K) error {
	return c.eachKey("delete", ids, func(ks []string) error { return c.tiers.Delete(ctx, ks...) })
}

// DeleteAndWait is Delete that returns once no process can serve the old values, not even
// one that lost its connection without noticing. It takes 1.1 times Config.MaxDisconnected,
// which must be the same in all processes.
func (c *untyped[K]) DeleteAndWait(ctx context.Context, ids ...K) error {
	return c.eachKey("delete", ids, func(ks []string) error { return c.tiers.DeleteAndWait(ctx, ks...) })
}

// Clear invalidates all values of this cache in every process. Other caches are not
// affected.
func (c *untyped[K]) Clear(ctx context.Context) error { return c.tiers.Clear(ctx) }

func (c *untyped[K]) beginWrite(ctx context.Context, hold time.Duration, ids ...K) (*layered.WriteIntent[any], error) {
	ks, err := c.keys("begin write", ids)
	if err != nil {
		return nil, err
	}
	return c.tiers.BeginWrite(ctx, hold, ks...)
}

// DeleteHolding is Delete for a loader that reads from a replica of the source that lags by
// up to hold. For that time, a loaded value is cached only until the hold ends. Without
// Redis the error wraps errors.ErrUnsupported.
func (c *untyped[K]) DeleteHolding(ctx context.Context, hold time.Duration, ids ...K) error {
	return c.eachKey("delete", ids, func(ks []string) error { return c.tiers.DeleteHolding(ctx, store.Hold{For: hold}, ks...) })
}

// DeleteOlder is DeleteHolding after a change that has produced revision. A loaded value
// with that revision or a newer one, as returned by Options.RevisionOf, is cached for its
// full TTL at once.
func (c *untyped[K]) DeleteOlder(ctx context.Context, hold time.Duration, revision uint64, ids ...K) error {
	return c.eachKey("delete", ids, func(ks []string) error {
		return c.tiers.DeleteHolding(ctx, store.Hold{For: hold, Revision: revision}, ks...)
	})
}

func (c *untyped[K]) setIfNewer(ctx context.Context, id K, v any, revision uint64) (kept bool, err error) {
	key, err := c.key(id)
	if err != nil {
		return false, c.failed("set", err)
	}
	if c.keepsNothing() {
		return false, c.tiers.Delete(ctx, key)
	}
	e, err := c.given(id, v)
	if err != nil {
		return false, c.failed("set", err)
	}
	e.Revision = revision
	return c.tiers.SetNewer(ctx, key, e)
}

// MarkStale makes the values of ids stale, however fresh they are. The next Get loads, and
// returns the old value if the source fails. With Options.StaleWhileRevalidate it returns
// the old value during the load; use Delete for values that must not be served any more.
// Without Redis the error wraps errors.ErrUnsupported.
func (c *untyped[K]) MarkStale(ctx context.Context, ids ...K) error {
	return c.eachKey("mark stale", ids, func(ks []string) error { return c.tiers.MarkStale(ctx, ks...) })
}
