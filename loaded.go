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

// Loaded is the result of a loader that also sets the TTL, tags or revision: see
// Options.LoadEntry. Zero fields take their values from Options.
type Loaded[V any] struct {
	// Value is the value. It is ignored if Absent is set.
	Value V

	// TTL is how long the value is fresh. 0: as set by TTLOf or TTL, or by AbsentFor if
	// Absent is set. NoStore, or any negative duration: the value is returned but not
	// cached. store.Forever: until it is evicted or changed.
	TTL time.Duration

	// Tags are the invalidation tags of the value: see Backend.InvalidateTags. Options.Tags
	// are added, except if Absent is set.
	Tags []string

	// Revision is the revision of the value at the source. 0: as returned by RevisionOf.
	Revision uint64

	// Absent means that the source has no value. Use it instead of an error that wraps
	// store.ErrNotFound to set a TTL or tags.
	Absent bool
}

// loads reports whether the cache has a source.
func (c *untyped[K]) loads() bool {
	return c.load != nil || c.opts.LoadEntry != nil || c.opts.LoadMany != nil || c.opts.LoadEntries != nil
}

// loadsMany reports whether the source can load several ids in one call.
func (c *untyped[K]) loadsMany() bool { return c.opts.LoadMany != nil || c.opts.LoadEntries != nil }

// loadEntry loads id and records what the load reads.
func (c *untyped[K]) loadEntry(ctx context.Context, id K) (store.Entry[any], error) {
	ctx, d := c.capture(ctx)
	e, err := c.loadOne(ctx, id)
	d.done()
	switch {
	case err == nil:
		return c.onto(d, e), nil
	case (d != nil || c.completesAbsent()) && errors.Is(err, store.ErrNotFound):
		return c.onto(d, c.complete(id, store.Entry[any]{Absent: true})), nil
	default:
		return store.Entry[any]{}, err
	}
}

// loadOne loads id with the loader that is configured.
func (c *untyped[K]) loadOne(ctx context.Context, id K) (store.Entry[any], error) {
	if c.window != nil {
		return c.window.get(ctx, id)
	}
	if c.load != nil || c.opts.LoadEntry != nil {
		return c.loadSingle(ctx, id)
	}
	es, err := c.loadEntries(ctx, []K{id})
	return valueOf(es, err, id)
}

// loadSingle loads id with the loader of single ids.
func (c *untyped[K]) loadSingle(ctx context.Context, id K) (store.Entry[any], error) {
	if c.load != nil {
		v, err := c.load(ctx, id)
		if err != nil {
			return store.Entry[any]{}, c.sourceError(err)
		}
		return c.entry(id, v), nil
	}
	l, err := c.opts.LoadEntry(ctx, id)
	if err != nil {
		return store.Entry[any]{}, c.sourceError(err)
	}
	return c.loadedEntry(id, &l), nil
}

// loadNoting is loadEntries that records what the load reads.
func (c *untyped[K]) loadNoting(ctx context.Context, ids []K) (map[K]store.Entry[any], error) {
	if !c.captures && !c.completesAbsent() {
		return c.loadEntries(ctx, ids)
	}
	want := slices.Clone(ids) // the loader may sort ids
	ctx, d := c.capture(ctx)
	entries, err := c.loadEntries(ctx, ids)
	d.done()
	errOf := store.ByKey[K](err)
	for _, id := range want {
		if e, ok := entries[id]; ok {
			entries[id] = c.onto(d, e)
		} else if errOf(id) == nil {
			entries[id] = c.onto(d, c.absent(id))
		}
	}
	return entries, err
}

// absent returns an entry for an id that the source does not have. If a function that
// completes it panics, it is not completed.
func (c *untyped[K]) absent(id K) (e store.Entry[any]) {
	flight.Protect(func() (store.Entry[any], error) {
		return c.complete(id, store.Entry[any]{Absent: true}), nil
	}, func(made store.Entry[any], err error) {
		if e = made; err != nil {
			e = store.Entry[any]{Absent: true}
		}
	})
	return e
}

// loadEntries loads ids with LoadMany or LoadEntries.
func (c *untyped[K]) loadEntries(ctx context.Context, ids []K) (map[K]store.Entry[any], error) {
	if c.opts.LoadMany != nil {
		vs, err := c.opts.LoadMany(ctx, ids)
		vs, err = byText(c, ids, vs, c.sourceError(err))
		return entriesOf(ids, vs, err, func(id K, v any) (_ store.Entry[any], err error) {
			defer flight.Catch("a function of Options", &err)
			return c.entry(id, v), nil
		})
	}
	ls, err := c.opts.LoadEntries(ctx, ids)
	ls, err = byText(c, ids, ls, c.sourceError(err))
	return entriesOf(ids, ls, err, func(id K, l Loaded[any]) (_ store.Entry[any], err error) {
		defer flight.Catch("a function of Options", &err)
		return c.loadedEntry(id, &l), nil
	})
}

// entriesOf returns entries for the result of a batch loader. A failure of one id does not
// affect the others.
func entriesOf[K comparable, L any](ids []K, loaded map[K]L, err error, entry func(K, L) (store.Entry[any], error)) (map[K]store.Entry[any], error) {
	es := make(map[K]store.Entry[any], len(loaded))
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

// loadedEntry is entry for the result of LoadEntry or LoadEntries.
func (c *untyped[K]) loadedEntry(id K, l *Loaded[any]) store.Entry[any] {
	e := store.Entry[any]{Value: l.Value, Absent: l.Absent, Tags: l.Tags, Revision: l.Revision}
	if l.TTL != 0 {
		c.live(id, &e, l.TTL)
	}
	return c.complete(id, e)
}

// checkLoaders returns an error if two loaders exclude each other.
func (c *untyped[K]) checkLoaders() error {
	var errs []error
	if c.load != nil && c.opts.LoadEntry != nil {
		errs = append(errs, errors.New("LoadEntry and the loader passed to New are mutually exclusive"))
	}
	if c.opts.LoadMany != nil && c.opts.LoadEntries != nil {
		errs = append(errs, errors.New("LoadMany and LoadEntries are mutually exclusive"))
	}
	return oneline.Join(errs...)
}
