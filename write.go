package strata

import (
	"context"
	"time"

	"github.com/lokroom/strata/layered"
)

// A Write is a change of the source that is under way. See [Cache.BeginWrite].
type Write[K comparable, V any] struct {
	cache   *Cache[K, V]
	bracket *layered.Bracket[V]
}

// BeginWrite opens a bracket around a change of the source of ids, so that a crash
// between the change and the Delete that should follow it leaves no old value
// behind:
//
//	w, err := listings.BeginWrite(ctx, 10*time.Second, id)
//	// change the source and commit
//	err = w.Done(ctx)
//
// Until Done, readers get what they load, and it is kept for hold at most, which
// must be longer than the change can take, a commit whose outcome is in doubt
// included. If BeginWrite fails, no bracket is open: give up the change, or make it
// and call Delete.
func (c *Cache[K, V]) BeginWrite(ctx context.Context, hold time.Duration, ids ...K) (*Write[K, V], error) {
	ks, err := c.keys(ids)
	if err != nil {
		return nil, c.failed("begin write", err)
	}
	b, err := c.tiers.BeginWrite(ctx, hold, ks...)
	if err != nil {
		return nil, err
	}
	return &Write[K, V]{c, b}, nil
}

// Done closes the bracket, whether the source was changed or not: every process
// forgets the values of its ids. If Redis cannot be reached, it is as with
// [Cache.Delete], and the hold does the rest.
func (w *Write[K, V]) Done(ctx context.Context) error { return w.bracket.Done(ctx) }

// DoneSet is Done that makes values those of their ids, as the source has them now.
// Each becomes so only if nobody else has written its id, or begun to, since
// BeginWrite; otherwise the next Get loads it.
func (w *Write[K, V]) DoneSet(ctx context.Context, values map[K]V) error {
	entries, _, errs := w.cache.givenAll("done", values)
	for _, err := range errs {
		return err
	}
	return w.bracket.DoneSet(ctx, entries)
}

// DeleteHolding is Delete for a loader that reads from a replica of the source, which
// may be as far behind as hold: for that time what is loaded is kept only for what
// is left of it. Without Redis it is an error that is errors.ErrUnsupported.
func (c *Cache[K, V]) DeleteHolding(ctx context.Context, hold time.Duration, ids ...K) error {
	ks, err := c.keys(ids)
	if err != nil {
		return c.failed("delete", err)
	}
	return c.tiers.DeleteHolding(ctx, hold, ks...)
}

// DeleteOlder is DeleteHolding after a change that has made revision, which
// Options.RevisionOf tells of values: what is loaded with that revision, or a newer
// one, is kept for its full life at once.
func (c *Cache[K, V]) DeleteOlder(ctx context.Context, hold time.Duration, revision uint64, ids ...K) error {
	ks, err := c.keys(ids)
	if err != nil {
		return c.failed("delete", err)
	}
	return c.tiers.DeleteOlder(ctx, hold, revision, ks...)
}

// SetVersion is Set that does nothing, and returns false, if a value of that revision
// or of a newer one is there. So whoever writes to the source may set what he has
// written: of several the newest stands, in whatever order their calls come to Redis.
// revision is the version of v at the source, a number that grows with every change
// there.
//
// Only what is there is compared. After a Delete, and when the newer value has
// expired or was evicted, an older one is kept; DeleteOlder guards against that for
// a time. An id whose source lost its value has no newest one: Delete it.
func (c *Cache[K, V]) SetVersion(ctx context.Context, id K, v V, revision uint64) (kept bool, err error) {
	key, err := c.key(id)
	if err != nil {
		return false, c.failed("set", err)
	}
	e, err := c.given(id, v)
	if err != nil {
		return false, c.failed("set", err)
	}
	e.Revision = revision
	return c.tiers.SetNewer(ctx, key, e)
}

// Expire makes the values of ids stale, however fresh they are: the next Get loads, and
// falls back on the old value if the source fails. With Options.StaleWhileRevalidate it
// answers with the old value, while it is loaded: call Delete for what must not be
// served any more. Without Redis it is an error that is errors.ErrUnsupported.
func (c *Cache[K, V]) Expire(ctx context.Context, ids ...K) error {
	ks, err := c.keys(ids)
	if err != nil {
		return c.failed("expire", err)
	}
	return c.tiers.MarkStale(ctx, ks...)
}
