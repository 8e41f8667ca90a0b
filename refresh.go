package strata

import (
	"context"
	"errors"

	"github.com/lokroom/strata/store"
)

// Refresh loads the value of id now, whatever is there, and makes it the value for
// every process. Until it is loaded all go on reading what they have, and if the load
// fails, they keep it. A Set or Delete of id that comes while it loads, in any process,
// wins over what the load has seen, which is then loaded once more.
//
// It is for a source that changes without telling, and for values that should be there
// before somebody asks. After a change of one's own call Delete: what was loaded before
// it is not served from then on. Without a loader it is an error that is
// errors.ErrUnsupported.
func (c *Cache[K, V]) Refresh(ctx context.Context, id K) (V, error) {
	key, err := c.key(id)
	if err != nil {
		var zero V
		return zero, c.failed("refresh", err)
	}
	f, err := c.tiers.Refresh(ctx, key, c.loader(id))
	if d := c.reader(ctx); d != nil {
		c.noteRead(d, key, &f, err)
	}
	if c.captures && (err == nil || f.Absent) {
		if cerr := c.changed(ctx, []string{key}); cerr != nil {
			v, _ := c.out(f.Value, err)
			return v, cerr
		}
	}
	return c.out(f.Value, err)
}

// reloadEntry asks the source whether old is still the value of id.
//
// A value that was made of others is always loaded: it cannot live on when they do not.
func (c *Cache[K, V]) reloadEntry(ctx context.Context, id K, old store.Entry[V]) (store.Entry[V], error) {
	if c.captures && madeOfOthers(old.Tags) {
		return c.loadEntry(ctx, id)
	}
	lent := old
	var err error
	if lent.Value, err = c.lent(old.Value); err != nil {
		return store.Entry[V]{}, c.failed("reload", err)
	}
	noting, d := c.capture(ctx)
	v, err := c.opts.Reload(noting, id, lent)
	d.done()
	switch {
	case errors.Is(err, store.ErrNotModified) && d.some():
		return c.loadEntry(ctx, id) // it is now, so to speak
	case errors.Is(err, store.ErrNotModified):
		return c.entry(id, old.Value), err // with the life that it gets now
	case d.some() && errors.Is(err, store.ErrNotFound):
		return c.onto(d, store.Entry[V]{Absent: true}), nil
	case err != nil:
		return store.Entry[V]{}, err
	}
	return c.onto(d, c.entry(id, v)), nil
}

// refreshSoon has e, which L1 has answered with, loaded in the background. It is not
// part of Get so that other hits need not pay for the closure.
func (c *Cache[K, V]) refreshSoon(ctx context.Context, key string, id K, e *store.Entry[V]) {
	c.tiers.RefreshSoon(ctx, key, e, c.loader(id))
}
