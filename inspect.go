package strata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// Observe adds o to Config.Observer until stop is called: it is notified of every Redis
// operation and every load that begins meanwhile. It is for metrics and tools that are attached
// to a backend, such as packages otelcache and admin.
func (b *Backend) Observe(o store.Observer) (stop func()) { return b.observers.Add(o) }

// SampleRemovals calls fn for some of the entries that leave the memory of this process, one in
// 64 on the average, until stop is called: see [store.RemovalSampler], which also says what fn may
// do. cause is "expired", "evicted", "invalidated" or "replaced", and age the time since the load
// of the value began.
func (b *Backend) SampleRemovals(fn func(cache, cause string, age time.Duration)) (stop func()) {
	added := (*removed)(&fn)
	b.removals.change(func(list []*removed) []*removed { return append(list, added) })
	return func() {
		b.removals.change(func(list []*removed) []*removed {
			return slices.DeleteFunc(list, func(fn *removed) bool { return fn == added })
		})
	}
}

// Inspect returns the entries that L1 and Redis have under text in a cache, fresh or stale; nil:
// none. text is that of an id: see [Cache.Text]. It calls no loader, changes nothing and counts
// no read, and takes one Redis exchange. Callers must not modify the values. An error is that of
// Redis, and the entry of L1 is returned with it. It is for tools that treat all caches alike.
//
// A cache that the backend does not have is an error that wraps store.ErrNotFound.
func (b *Backend) Inspect(ctx context.Context, cache, text string) (l1, l2 *store.Entry[any], err error) {
	c, err := b.named("inspect", cache)
	if err != nil {
		return nil, nil, err
	}
	return c.Inspect(ctx, text)
}

// Record returns what Redis has under text in a cache, found by reads or not: also a lease, a hold,
// or an invalidated value, with the reading of each tag. It changes nothing, counts no read, and
// takes three exchanges. Without Redis the error wraps errors.ErrUnsupported.
//
// A cache that the backend does not have is an error that wraps store.ErrNotFound.
func (b *Backend) Record(ctx context.Context, cache, text string) (redisstore.Record, error) {
	c, err := b.named("record", cache)
	if err != nil {
		return redisstore.Record{}, err
	}
	w, ok := c.(windowed)
	if b.l2.redis == nil || !ok {
		return redisstore.Record{}, fmt.Errorf("strata: record: %w", errors.ErrUnsupported)
	}
	o := redisstore.Options[[]byte]{Name: cache, Prefix: b.cfg.Prefix + w.space, Tags: b.l2.tags}
	return redisstore.New(b.l2.redis, &o).Inspect(ctx, text)
}

// Hottest returns up to n texts of ids that were read most from a cache: see [Cache.Hottest]. It
// is for tools that treat all caches alike. A cache that the backend does not have is an error
// that wraps store.ErrNotFound.
func (b *Backend) Hottest(cache string, n int) ([]store.Hot, error) {
	c, err := b.named("hottest", cache)
	if err != nil {
		return nil, err
	}
	return c.Hottest(n)
}

// DeletePattern deletes the values of a cache that match pattern: see [Cache.DeletePattern]. It
// is for tools that treat all caches alike. A cache that the backend does not have is an error
// that wraps store.ErrNotFound.
func (b *Backend) DeletePattern(ctx context.Context, cache, pattern string) (int, error) {
	c, err := b.named("delete pattern", cache)
	if err != nil {
		return 0, err
	}
	return c.DeletePattern(ctx, pattern)
}

// named returns the tiers of a cache.
func (b *Backend) named(op, cache string) (counted, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, &store.Error{Store: "strata", Op: op, Err: store.ErrClosed}
	}
	c, ok := b.caches[cache].(counted)
	if !ok {
		return nil, fmt.Errorf("strata: %s: the backend has no cache %q: %w", op, cache, store.ErrNotFound)
	}
	return c, nil
}
