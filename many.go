package strata

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// ManyError maps each id for which an operation failed to its error; the operation
// succeeded for all other ids. Use errors.As to get it; errors.Is matches the errors of all
// ids. A LoadMany may return one to report which ids failed.
type ManyError[K comparable] = store.ManyError[K]

func (c *untyped[K]) getMany(ctx context.Context, ids []K, found func(K, any)) error {
	return c.each(ctx, ids, func(id K, f *layered.Found[any]) error {
		if f.Absent {
			return nil
		}
		v, err := c.out(f.Value, nil)
		if err == nil {
			found(id, v)
		}
		return err
	})
}

func (c *untyped[K]) getManyEntries(ctx context.Context, ids []K, found func(K, *Entry[any])) error {
	return c.each(ctx, ids, func(id K, f *layered.Found[any]) error {
		e, err := c.entryOf(f, nil)
		if err == nil {
			found(id, &e)
		}
		return err
	})
}

// each calls found for each of ids that was answered. An error of found is the error of its
// id.
func (c *untyped[K]) each(ctx context.Context, ids []K, found func(K, *layered.Found[any]) error) error {
	var errs map[K]error
	failed := func(id K, err error) {
		if errs == nil {
			errs = make(map[K]error)
		}
		errs[id] = err
	}
	ks, ids := c.keysOf("get many", ids, failed)
	c.findMany(ctx, ks, ids, func(i int, f *layered.Found[any], err error) {
		switch {
		case err == nil || f.Absent:
			err = found(ids[i], f)
		case errors.Is(err, store.ErrNotFound): // there is no loader
			err = nil
		}
		if err != nil {
			failed(ids[i], err)
		}
	})
	return store.NewManyError(errs)
}

// findMany looks up ids with the keys ks.
func (c *untyped[K]) findMany(ctx context.Context, ks []string, ids []K, each func(i int, f *layered.Found[any], err error)) {
	if c.bypassed(ctx) {
		c.findManyAtSource(ctx, ks, ids, each)
		return
	}
	if c.detour {
		each = c.notingUses(ctx, ks, ids, each)
	}
	if off := c.switchedOff(); off != 0 {
		c.findManySwitched(ctx, off, ks, ids, each)
		return
	}
	if c.opts.SourceFirst {
		c.eachAlone(ids, loadsAtOnce, func(i int) (layered.Found[any], error) {
			return c.findSourceFirst(ctx, ks[i], c.sourceOrDefault(ids[i]))
		}, each)
		return
	}
	src := c.manySource(ks, ids)
	if d := c.reader(ctx); d != nil {
		c.findManyNoting(ctx, d, ks, src, each)
	} else if hasToken(ctx) {
		c.findManySince(ctx, ks, src, each)
	} else {
		c.tiers.FindMany(ctx, ks, src, each)
	}
}

// notingUses returns each with noteUse before it. Reads of a load that records them are noted
// elsewhere, unless they bypass the tiers.
func (c *untyped[K]) notingUses(ctx context.Context, ks []string, ids []K, each func(i int, f *layered.Found[any], err error)) func(i int, f *layered.Found[any], err error) {
	if c.reader(ctx) != nil && !c.opts.SourceFirst && c.switchedOff() == 0 {
		return each
	}
	return func(i int, f *layered.Found[any], err error) {
		c.noteUse(ctx, ks[i], ids[i], f, err)
		each(i, f, err)
	}
}

func (c *untyped[K]) setMany(ctx context.Context, values map[K]any) error {
	if c.keepsNothing() {
		return c.Delete(ctx, slices.Collect(maps.Keys(values))...)
	}
	entries, byKey, errs := c.givenAll("set many", values)
	if err := c.tiers.SetMany(ctx, entries); err != nil {
		many := store.AsManyError[string](err)
		if many == nil {
			return err
		}
		for key, err := range many.Errors {
			errs[byKey[key]] = err
		}
	}
	return store.NewManyError(errs)
}
