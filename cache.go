package strata

import (
	"context"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A Cache maps ids to values of one type. Values are shared: callers must not modify a
// value that they receive or pass to Set, unless Options.Clone or Options.DecodeEach is
// set. All methods are safe for concurrent use.
type Cache[K comparable, V any] struct{ *untyped[K] }

// Get returns the value of id: from L1, from Redis, or from the loader. If the source has
// none, the error wraps store.ErrNotFound. An error of the loader is returned unchanged,
// unless there is a stale value to return.
func (c *Cache[K, V]) Get(ctx context.Context, id K) (V, error) {
	hit, value, err := c.get(ctx, id)
	if hit != nil {
		value, err = hit.Value, hit.MissError()
	}
	v, _ := value.(V)
	return v, err
}

// GetEntry is Get with the metadata of the value. For an id that is absent at the source it
// returns an Entry with Absent set, and an error that wraps store.ErrNotFound.
func (c *Cache[K, V]) GetEntry(ctx context.Context, id K) (Entry[V], error) {
	e, err := c.getEntry(ctx, id)
	return typedEntry[V](&e), err
}

// GetMany returns the values of ids, each from the first tier that has a fresh one. It
// takes one lookup in L1, one Redis exchange, and one call of Options.LoadMany for the
// remaining ids. It waits for loads that are already in flight, in any process, instead of
// loading the ids again. Ids that are absent at the source are missing from the map,
// without an error.
//
// If some values cannot be read or loaded, the map has the others, and the error is a
// *[ManyError] of K.
func (c *Cache[K, V]) GetMany(ctx context.Context, ids []K) (map[K]V, error) {
	values := make(map[K]V, len(ids))
	err := c.getMany(ctx, ids, func(id K, v any) { values[id], _ = v.(V) })
	return values, err
}

// GetManyEntries is GetMany with the metadata of each value. Ids that are absent at the
// source are in the map, with an Entry that has Absent set.
func (c *Cache[K, V]) GetManyEntries(ctx context.Context, ids []K) (map[K]Entry[V], error) {
	entries := make(map[K]Entry[V], len(ids))
	err := c.getManyEntries(ctx, ids, func(id K, e *Entry[any]) { entries[id] = typedEntry[V](e) })
	return entries, err
}

// GetFresh is Get that bypasses L1. It returns no value that any process changed before the
// call, and a stale value only if the source fails. It takes one Redis exchange, which
// transfers no value if the copy in L1 is current.
func (c *Cache[K, V]) GetFresh(ctx context.Context, id K) (V, error) {
	return typed[V](c.getFresh(ctx, id))
}

// Refresh loads the value of id and makes it the value for every process, whatever is
// cached. All processes keep reading the old value until the load ends, and keep it if the
// load fails. A Set or Delete of id during the load, in any process, takes precedence;
// Refresh then loads again.
//
// Use it for a source that changes without notification, or to fill the cache before the
// first read. After a change of the source call Delete instead: it also invalidates values
// that were loaded before it. Without a loader the error wraps errors.ErrUnsupported.
func (c *Cache[K, V]) Refresh(ctx context.Context, id K) (V, error) {
	return typed[V](c.refresh(ctx, id))
}

// Peek returns the entry that L1 or Redis has for id, fresh or stale, and does not call the
// loader. If there is none, or if id is known to be absent at the source, the error wraps
// store.ErrNotFound; in the second case the entry has Absent set. Callers must not modify the
// value.
func (c *Cache[K, V]) Peek(ctx context.Context, id K) (store.Entry[V], error) {
	e, err := c.peek(ctx, id)
	return entryOf[V](&e), err
}

// Set makes v the value of id for every process: it writes v to Redis and invalidates
// copies in memory. Of two concurrent Sets, the one that Redis executes last wins. If
// values come from a source, prefer Delete or SetIfNewer.
//
// If Redis is unreachable, the error wraps store.ErrUnavailable: other processes may serve
// the old value. This process has dropped its copy, calls the loader for id, and retries
// the write until Redis acknowledges it. If v cannot be stored, because it is too large or
// does not come back as it is, the error says so and the old value stays: Delete it.
func (c *Cache[K, V]) Set(ctx context.Context, id K, v V) error { return c.set(ctx, id, v) }

// SetFor is Set with a TTL for this value, in place of Options.TTL and TTLOf. All other
// Options apply. store.Forever: until it is evicted or changed. ttl must be positive.
func (c *Cache[K, V]) SetFor(ctx context.Context, id K, v V, ttl time.Duration) error {
	return c.setFor(ctx, id, v, ttl)
}

// SetMany is Set for several ids, in one Redis exchange per 400 ids. If some ids fail, the
// others are set, and the error is a *[ManyError] of K. Any other error concerns all ids.
func (c *Cache[K, V]) SetMany(ctx context.Context, values map[K]V) error {
	return c.setMany(ctx, untypedAll(values))
}

// SetIfNewer is Set that does nothing and returns false if the cached value has the same or
// a newer revision. Writers of the source may use it to set what they wrote: the newest
// value wins, in any order of calls. revision is the revision of v at the source, a number
// that grows with every change there.
//
// SetIfNewer compares with the cached value only. After a Delete, an expiry or an eviction
// it keeps an older value; DeleteOlder prevents that for a time. If the source loses data
// and its revisions go back, Delete the id.
func (c *Cache[K, V]) SetIfNewer(ctx context.Context, id K, v V, revision uint64) (kept bool, err error) {
	return c.setIfNewer(ctx, id, v, revision)
}

// Add is Set that keeps an existing value, fresh or stale, and then returns false: of
// concurrent calls in all processes, one returns true. An id that is known to be absent at the
// source has no value. It suits what only one may do: claim a job, hold a seat.
//
// If Redis is unreachable, the error wraps store.ErrUnavailable. The value may have been added,
// and nothing is retried. A cache may lose values: use the database where that must not happen.
func (c *Cache[K, V]) Add(ctx context.Context, id K, v V) (added bool, err error) {
	return c.add(ctx, id, v)
}

// Tiers returns the two tiers, for operations that Cache does not have: counters, patterns,
// the TTL of single entries. Its keys are the texts of ids.
//
// Options apply to entries written or loaded through it. An entry without an expiry gets
// that of TTLOf, TTL and StaleFor, an absent one that of AbsentFor, unless NewEntry made
// it. Options.Tags are added to its tags, and RevisionOf applies to an entry without a
// revision. If these functions cannot be called because the key is not the text of an id,
// the error wraps store.ErrInvalidKey. It wraps errors.ErrUnsupported if K has MarshalText
// but not UnmarshalText.
//
// Values are in an interface: those that it returns are of type V, and one of another type is
// refused with an error that wraps store.ErrUnstorable. Reads through it return the shared value without Clone, and CaptureDeps does not record
// them.
func (c *Cache[K, V]) Tiers() *layered.Store[any] { return c.raw }
