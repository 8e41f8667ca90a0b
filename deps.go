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

// With Config.CaptureDeps a value carries a tag for each id that its load read in other
// caches, and one for each cache, which Clear invalidates. A change of an id invalidates
// its tag afterwards.
//
// This is sufficient: a load reads strictly, so each value was current at a time after the
// load began, and thus after its tag stamp was taken. A later change invalidates the tag
// after that stamp, so every reader that checks the tags finds the value outdated. If the
// load read from L1 instead, the copy might predate a change with a tag older than the
// stamp, and the outdated result would stay.

const (
	mostDeps     = 128     // tags per value; more are replaced by coarser ones
	mostDepBytes = 8 << 10 // total length of these tags

	// suspectFor is the TTL of a value made of a stale one, or of one that could not be
	// read.
	suspectFor = 5 * time.Second
)

// Prefixes of the tags of a cache, followed by the prefix of its keys.
const (
	depID      = "!i" // followed by a key: the key was changed
	depAny     = "!a" // any key was changed, or all were
	depCleared = "!c" // all keys were cleared
)

// depsKey is the context key of the deps of a load in caches of the backend.
type depsKey struct{ backend *Backend }

// deps records what a load has read. All methods are safe for concurrent use. Those with
// values also work on nil, for a load with reads that are not recorded.
type deps struct {
	over atomic.Bool // the load has ended

	mu     sync.Mutex
	tags   map[string]struct{}
	fresh  store.Time // the earliest soft expiry of the values read; 0: none
	end    store.Time // the earliest hard expiry of the values read; 0: none
	unkept bool       // a value read was overtaken by a change, so it may be outdated
}

// capture returns a context that records the reads of a load. d is nil if reads are not
// recorded.
func (c *untyped[K]) capture(ctx context.Context) (_ context.Context, d *deps) {
	if !c.captures {
		return ctx, nil
	}
	d = &deps{tags: make(map[string]struct{})}
	return context.WithValue(ctx, depsKey{c.backend}, d), d
}

// reader returns the deps of the load that ctx belongs to, or nil.
func (c *untyped[K]) reader(ctx context.Context) *deps {
	if !c.captures {
		return nil
	}
	d, _ := ctx.Value(depsKey{c.backend}).(*deps)
	if d == nil || d.over.Load() {
		return nil
	}
	return d
}

// done marks the end of the load: later reads with its context are not recorded.
func (d *deps) done() {
	if d != nil {
		d.over.Store(true)
	}
}

// some reports whether the load has read any value.
func (d *deps) some() bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.tags) > 0
}

// madeOfOthers reports whether tags belong to a value made of other values.
func madeOfOthers(tags []string) bool {
	return slices.ContainsFunc(tags, func(tag string) bool {
		return strings.HasPrefix(tag, depID) || strings.HasPrefix(tag, depAny)
	})
}

// noteRead records that a load has read key with the result f and err.
func (c *untyped[K]) noteRead(d *deps, key string, f *layered.Found[any], err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tags[depID+c.deps+key] = struct{}{}
	d.tags[depCleared+c.deps] = struct{}{}
	for _, tag := range f.Tags {
		d.tags[tag] = struct{}{}
	}
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound), f.Stale:
		d.fresh = earlier(d.fresh, store.In(suspectFor))
	case f.StaleAt != 0:
		d.fresh = earlier(d.fresh, f.StaleAt)
	}
	d.fresh, d.end = earlier(d.fresh, f.ExpiresAt), earlier(d.end, f.ExpiresAt)
	unchecked := c.backend.l2.exists() && f.Tier == layered.L1 // a strict read never returns an L1 copy without Redis
	d.unkept = d.unkept || f.Unkept() || unchecked
	if c.backend.l2.exists() && f.Tier == layered.Origin && f.LoadedAt != 0 && f.Version == 0 {
		// Redis was unreachable and could not fence the load.
		d.end = earlier(d.end, store.In(c.backend.maxDisconnected()))
	}
}

// earlier returns the earlier of two times; zero is the latest.
func earlier(a, b store.Time) store.Time {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// onto returns the loaded entry e with the tags of the values that the load read, and with
// an expiry no later than theirs.
func (c *untyped[K]) onto(d *deps, e store.Entry[any]) store.Entry[any] {
	if d == nil {
		return e
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

// coarsen replaces tags of single ids by a tag of their cache, starting with the cache that
// has most ids, until the limits hold. The lock is held.
func (d *deps) coarsen() {
	for {
		n, bytes := 0, 0
		of := make(map[string]int) // number of ids, by space
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

// spaceOf returns the key prefix of the cache that tag names an id of: its name and schema
// version, each followed by a colon. Neither contains a colon.
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

// changed invalidates the values that depend on ks, or on any key of the cache if ks is
// nil: see [layered.Options].Changed.
func (c *untyped[K]) changed(ctx context.Context, ks []string) error {
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
	return store.InCache(b.l2.invalidate(ctx, tags), c.name)
}

// findNoting is find for a load that records its reads.
func (c *untyped[K]) findNoting(ctx context.Context, d *deps, key string, src layered.Source[any]) (layered.Found[any], error) {
	f, err := c.tiers.FindFresh(ctx, key, src)
	c.noteRead(d, key, &f, err)
	return f, err
}

// findManyNoting is findMany for a load that records its reads.
func (c *untyped[K]) findManyNoting(ctx context.Context, d *deps, ks []string, src layered.Source[any], each func(i int, f *layered.Found[any], err error)) {
	c.tiers.FindManyFresh(ctx, ks, src, func(i int, f *layered.Found[any], err error) {
		c.noteRead(d, ks[i], f, err)
		each(i, f, err)
	})
}
