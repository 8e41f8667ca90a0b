package strata

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// With Config.CaptureDeps a value carries tags of what its load has read in other caches:
// for each id one, and for each cache one that Clear invalidates. A change of an id
// invalidates its tag, after it was made.
//
// Why that is enough: what a load reads is read strictly, so it was true at a moment
// after the load began, and so after the stamp of what it loads was taken. A change that
// comes after that moment invalidates the tag after that stamp, and whoever looks at the
// tags finds the value outdated. If the load read from L1 instead, that might be from
// before a change whose tag is older than the stamp, and what it loads would stay.

const (
	mostDeps     = 128     // tags of a value by what its load has read; more are made coarser
	mostDepBytes = 8 << 10 // of their texts

	// doubtfulFor is how long a value is fresh that was made of something stale, or
	// although something could not be read.
	doubtfulFor = 5 * time.Second
)

// The first two bytes of the tags of a cache; what follows is the prefix of its keys.
const (
	depID      = "!i" // and a key: it was changed
	depAny     = "!a" // any of its keys was changed, or all were
	depCleared = "!c" // all were
)

// depsKey is the key under which a context has the deps of a load, for caches of the
// backend.
type depsKey struct{ backend *Backend }

// deps are what a load has read. All methods may be called concurrently, and those
// with values also on nil, of a load whose reads nobody wants to know.
type deps struct {
	over atomic.Bool // the load has ended

	mu     sync.Mutex
	tags   map[string]struct{}
	fresh  store.Time // until when all that was read is; 0: for ever
	end    store.Time // until when all that was read lives; 0: for ever
	unkept bool       // something was overtaken, so that it may be old
}

// capture returns a context for a load that notes what it reads. d is nil if that is
// not wanted.
func (c *Cache[K, V]) capture(ctx context.Context) (_ context.Context, d *deps) {
	if !c.captures {
		return ctx, nil
	}
	d = &deps{tags: make(map[string]struct{})}
	return context.WithValue(ctx, depsKey{c.backend}, d), d
}

// reader returns the deps of the load that reads with ctx, or nil.
func (c *Cache[K, V]) reader(ctx context.Context) *deps {
	if !c.captures {
		return nil
	}
	d, _ := ctx.Value(depsKey{c.backend}).(*deps)
	if d == nil || d.over.Load() {
		return nil
	}
	return d
}

// done says that the load has ended: what is read with its context from here on does not
// matter to it.
func (d *deps) done() {
	if d != nil {
		d.over.Store(true)
	}
}

// some reports whether the load has read anything.
func (d *deps) some() bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.tags) > 0
}

// madeOfOthers reports whether a value with these tags was.
func madeOfOthers(tags []string) bool {
	return slices.ContainsFunc(tags, func(tag string) bool {
		return strings.HasPrefix(tag, depID) || strings.HasPrefix(tag, depAny)
	})
}

// noteRead notes that a load has read key, and what it has found.
func (c *Cache[K, V]) noteRead(d *deps, key string, f *layered.Found[V], err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tags[depID+c.deps+key] = struct{}{}
	d.tags[depCleared+c.deps] = struct{}{}
	for _, tag := range f.Tags {
		d.tags[tag] = struct{}{}
	}
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound), f.Stale:
		d.fresh = earlier(d.fresh, store.In(doubtfulFor))
	case f.StaleAt != 0:
		d.fresh = earlier(d.fresh, f.StaleAt)
	}
	d.fresh, d.end = earlier(d.fresh, f.ExpiresAt), earlier(d.end, f.ExpiresAt)
	inDoubt := c.backend.redis != nil && f.Tier == layered.L1 // else a strict read is not answered from there
	d.unkept = d.unkept || f.Unkept() || inDoubt
	if c.backend.redis != nil && f.Tier == layered.Source && f.LoadedAt != 0 && f.Version == 0 {
		// Redis was not there to say that its key is being written.
		d.end = earlier(d.end, store.In(c.backend.unheard()))
	}
}

// earlier returns the earlier of two moments, of which zero is the latest.
func earlier(a, b store.Time) store.Time {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// onto returns e, what the load has loaded, with the tags of what it has read; and no
// longer fresh, or kept, than all of that.
func (c *Cache[K, V]) onto(d *deps, e store.Entry[V]) store.Entry[V] {
	if d == nil {
		return e
	}
	if e.Absent && !lives(&e) { // what follows may shorten its life, but is not to give it one
		c.live(&e, c.absentFor())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.tags) == 0 {
		return e
	}
	d.coarsen()
	own := e.Tags
	for _, tag := range slices.Sorted(maps.Keys(d.tags)) {
		if !slices.Contains(own, tag) {
			e.Tags = append(slices.Clip(e.Tags), tag)
		}
	}
	if d.fresh != 0 {
		switch {
		case e.StaleAt == 0:
			e.ExpiresAt = earlier(e.ExpiresAt, d.fresh)
		case d.fresh < e.StaleAt:
			if e.ExpiresAt != 0 {
				e.ExpiresAt -= e.StaleAt - d.fresh
			}
			e.StaleAt = d.fresh
		}
	}
	e.ExpiresAt = earlier(e.ExpiresAt, d.end)
	if d.unkept {
		e.ExpiresAt = 1 // long ago
	}
	return e
}

// coarsen replaces the tags of single ids of a cache by one for all of it, of that with
// the most first, until there are not too many. The lock is held.
func (d *deps) coarsen() {
	for {
		n, bytes := 0, 0
		of := make(map[string]int) // how many ids, by space
		for tag := range d.tags {
			n, bytes = n+1, bytes+len(tag)
			if space, ok := spaceOf(tag); ok {
				of[space]++
			}
		}
		if n <= mostDeps && bytes <= mostDepBytes || len(of) == 0 {
			return
		}
		var most string
		for space, n := range of {
			if n > of[most] || n == of[most] && space < most {
				most = space
			}
		}
		maps.DeleteFunc(d.tags, func(tag string, _ struct{}) bool {
			space, ok := spaceOf(tag)
			return ok && space == most
		})
		d.tags[depAny+most] = struct{}{}
	}
}

// spaceOf returns the prefix of the keys of the cache that tag names an id of. It is the
// name and the version of the cache, each with a colon behind it and none in it.
func spaceOf(tag string) (space string, ok bool) {
	rest, ok := strings.CutPrefix(tag, depID)
	if !ok {
		return "", false
	}
	i := strings.IndexByte(rest, ':')
	j := strings.IndexByte(rest[i+1:], ':')
	if i < 0 || j < 0 {
		return "", false
	}
	return rest[:i+j+2], true
}

// changed invalidates what was made of the values under ks, or of all if ks is nil. They
// have changed: see [layered.Options].Changed.
func (c *Cache[K, V]) changed(ctx context.Context, ks []string) error {
	tags := make([]string, 0, len(ks)+2)
	tags = append(tags, depAny+c.deps)
	if ks == nil {
		tags = append(tags, depCleared+c.deps)
	}
	for _, key := range ks {
		tags = append(tags, depID+c.deps+key)
	}
	b := c.backend
	b.tags.Invalidate(tags...)
	if b.redisTags == nil {
		return nil
	}
	return store.InCache(b.redisTags.Invalidate(ctx, tags...), c.name)
}

// findNoting is find for a load that notes what it reads.
func (c *Cache[K, V]) findNoting(ctx context.Context, d *deps, key string, id K) (layered.Found[V], error) {
	f, err := c.tiers.FindFresh(ctx, key, c.loader(id))
	c.noteRead(d, key, &f, err)
	return f, err
}

// findManyNoting is findMany for a load that notes what it reads.
func (c *Cache[K, V]) findManyNoting(ctx context.Context, d *deps, ks []string, load layered.ManyLoader[V], each func(i int, f *layered.Found[V], err error)) {
	c.tiers.FindManyFresh(ctx, ks, load, func(i int, f *layered.Found[V], err error) {
		c.noteRead(d, ks[i], f, err)
		each(i, f, err)
	})
}
