package strata

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// NoStore is the TTL of what is answered but not kept.
const NoStore time.Duration = -1

// A Loaded is a value as a loader returns it that knows more of it than the value tells:
// see Options.LoadEntry. What is zero is as Options say.
type Loaded[V any] struct {
	// Value is the value. If Absent, it is not looked at.
	Value V

	// TTL is how long the value is fresh. 0: as TTLOf or TTL say, or AbsentFor if
	// Absent. NoStore, or any below zero: it is answered but not kept.
	// store.Forever: until evicted or changed.
	TTL time.Duration

	// Tags are its invalidation tags: see Backend.InvalidateTags. Those of
	// Options.Tags come on top, but not if Absent.
	Tags []string

	// Revision is its version at the source. 0: what RevisionOf says.
	Revision uint64

	// Absent says that the source has no value. An error that is store.ErrNotFound
	// says so, too, but leaves no way to say for how long, or with which tags.
	Absent bool
}

// loads reports whether there is a source.
func (c *Cache[K, V]) loads() bool {
	return c.load != nil || c.opts.LoadEntry != nil || c.opts.LoadMany != nil || c.opts.LoadEntries != nil
}

// loadsMany reports whether the source gives many values in one go.
func (c *Cache[K, V]) loadsMany() bool { return c.opts.LoadMany != nil || c.opts.LoadEntries != nil }

// loadEntry gets id from the source, and what the load has read with it.
func (c *Cache[K, V]) loadEntry(ctx context.Context, id K) (store.Entry[V], error) {
	ctx, d := c.capture(ctx)
	e, err := c.loadOne(ctx, id)
	d.done()
	switch {
	case err == nil:
		return c.onto(d, e), nil
	case d != nil && errors.Is(err, store.ErrNotFound):
		return c.onto(d, store.Entry[V]{Absent: true}), nil
	default:
		return store.Entry[V]{}, err
	}
}

// loadOne gets id from the source, whichever of the loaders there is.
func (c *Cache[K, V]) loadOne(ctx context.Context, id K) (store.Entry[V], error) {
	if c.window != nil {
		return c.window.get(ctx, id)
	}
	if c.load != nil {
		v, err := c.load(ctx, id)
		if err != nil {
			return store.Entry[V]{}, err
		}
		return c.entry(id, v), nil
	}
	if c.opts.LoadEntry != nil {
		l, err := c.opts.LoadEntry(ctx, id)
		if err != nil {
			return store.Entry[V]{}, err
		}
		return c.loadedEntry(id, &l), nil
	}
	es, err := c.loadEntries(ctx, []K{id})
	return valueOf(es, err, id)
}

// loadNoting is loadEntries, and what the load has read with it.
func (c *Cache[K, V]) loadNoting(ctx context.Context, ids []K) (map[K]store.Entry[V], error) {
	if !c.captures {
		return c.loadEntries(ctx, ids)
	}
	want := slices.Clone(ids) // the loader may sort them
	ctx, d := c.capture(ctx)
	entries, err := c.loadEntries(ctx, ids)
	d.done()
	errOf := store.ByKey[K](err)
	for _, id := range want {
		if e, ok := entries[id]; ok {
			entries[id] = c.onto(d, e)
		} else if errOf(id) == nil {
			entries[id] = c.onto(d, store.Entry[V]{Absent: true})
		}
	}
	return entries, err
}

// loadEntries gets ids from the source with LoadMany or LoadEntries.
func (c *Cache[K, V]) loadEntries(ctx context.Context, ids []K) (map[K]store.Entry[V], error) {
	if c.opts.LoadMany != nil {
		vs, err := c.opts.LoadMany(ctx, ids)
		vs, err = byText(c, ids, vs, err)
		return entriesOf(ids, vs, err, func(id K, v V) (_ store.Entry[V], err error) {
			defer flight.Catch("a function of Options", &err)
			return c.entry(id, v), nil
		})
	}
	ls, err := c.opts.LoadEntries(ctx, ids)
	ls, err = byText(c, ids, ls, err)
	return entriesOf(ids, ls, err, func(id K, l Loaded[V]) (_ store.Entry[V], err error) {
		defer flight.Catch("a function of Options", &err)
		return c.loadedEntry(id, &l), nil
	})
}

// entriesOf makes entries of what was loaded under ids, together with err. Where that
// fails for one id, the others have theirs.
func entriesOf[K comparable, L, V any](ids []K, loaded map[K]L, err error, entry func(K, L) (store.Entry[V], error)) (map[K]store.Entry[V], error) {
	es := make(map[K]store.Entry[V], len(loaded))
	bad := make(map[K]error)
	for id, l := range loaded {
		if e, err := entry(id, l); err != nil {
			bad[id] = err
		} else {
			es[id] = e
		}
	}
	if len(bad) == 0 {
		return es, err
	}
	errOf := store.ByKey[K](err)
	for _, id := range ids {
		_, ok := loaded[id]
		if failed := errOf(id); !ok && failed != nil {
			bad[id] = failed
		}
	}
	return es, store.NewManyError(bad)
}

// loadedEntry is entry for what a loader knows more of.
func (c *Cache[K, V]) loadedEntry(id K, l *Loaded[V]) store.Entry[V] {
	e := store.Entry[V]{Value: l.Value, Absent: l.Absent, Tags: l.Tags, Revision: l.Revision}
	if l.TTL != 0 {
		c.live(&e, l.TTL)
	}
	return c.complete(id, e)
}

// checkLoaders reports loaders of which there must be one only.
func (c *Cache[K, V]) checkLoaders() error {
	var errs []error
	if c.load != nil && c.opts.LoadEntry != nil {
		errs = append(errs, errors.New("there is a loader and LoadEntry"))
	}
	if c.opts.LoadMany != nil && c.opts.LoadEntries != nil {
		errs = append(errs, errors.New("there is LoadMany and LoadEntries"))
	}
	return oneline.Join(errs...)
}
