package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
)

// An emptying is one way in which Redis loses its data under one kind of cache: a part of
// TestEmptied.
type emptying struct {
	tracking strata.Tracking
	tags     bool // each value has one
	strict   bool // StrictStale
	flushed  bool // by FLUSHALL; else by a restart
}

// changeOf is what happens to the value of an id, by its remainder.
var changeOf = []string{"nothing", "invalidated here before", "invalidated elsewhere before", "invalidated here after"}

// TestEmptied: when Redis has lost its data in a restart and the source fails, a copy is
// returned as stale if nothing has invalidated it, alone and in batches. All others are
// errors: with StrictStale, what was invalidated before or after, by this process or another,
// and everything after FLUSHALL, which is meant; and with Broadcast, where Redis pushes the
// process's own lease as a change. These are 256 combinations.
func TestEmptied(t *testing.T) {
	for _, tracking := range []strata.Tracking{strata.PerKey, strata.Broadcast, strata.NoTracking, strata.PubSub} {
		for i := range 8 {
			e := emptying{tracking, i&1 != 0, i&2 != 0, i&4 != 0}
			t.Run(fmt.Sprintf("%v tags=%t strict=%t flushed=%t", tracking, e.tags, e.strict, e.flushed), func(t *testing.T) {
				t.Parallel()
				e.test(t)
			})
		}
	}
}

// emptiedCache is a cache of ids whose source fails when fails is set.
type emptiedCache struct {
	*strata.Cache[int, int]
	backend *strata.Backend
	tags    bool
	fails   atomic.Bool
}

func (e emptying) open(t *testing.T, server *redistest.Server) *emptiedCache {
	t.Helper()
	conf := strata.Config{RedisURL: server.URL(), Tracking: e.tracking}
	if e.tracking == strata.NoTracking || e.tracking == strata.PubSub {
		conf.MaxStale = 50 * time.Millisecond
	}
	b, err := strata.Open(t.Context(), &conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c := &emptiedCache{backend: b, tags: e.tags}
	o := strata.Options[int, int]{TTL: time.Hour, StaleFor: time.Hour, RetryAfter: -1, StrictStale: e.strict}
	if e.tags {
		o.Tags = func(id, _ int) []string { return []string{fmt.Sprint("t", id)} }
	}
	c.Cache, err = strata.New(b, "n", func(_ context.Context, id int) (int, error) {
		if c.fails.Load() {
			return 0, errSource
		}
		return id, nil
	}, &o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// invalidate invalidates the value of id, by its tag if it has one.
func (c *emptiedCache) invalidate(t *testing.T, id int) {
	t.Helper()
	err := error(nil)
	if c.tags {
		err = c.backend.InvalidateTags(t.Context(), fmt.Sprint("t", id))
	} else {
		err = c.Delete(t.Context(), id)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// emptiedReads are the ways to read id: they report whether it was returned as stale. Any other answer
// than that and the error of the source is an error.
var emptiedReads = map[string]func(ctx context.Context, c *emptiedCache, id int) (stale bool, err error){
	"Get": func(ctx context.Context, c *emptiedCache, id int) (bool, error) {
		return staleOf(c.GetEntry(ctx, id))
	},
	"GetMany": func(ctx context.Context, c *emptiedCache, id int) (bool, error) {
		all, err := c.GetManyEntries(ctx, []int{id, id + 100}) // the other is missing
		if !errors.Is(err, errSource) {
			return false, fmt.Errorf("a batch with a missing value returned %v", err)
		}
		got, ok := all[id]
		if ok {
			err = nil
		}
		return staleOf(got, err)
	},
}

func staleOf(e strata.Entry[int], err error) (bool, error) {
	switch {
	case errors.Is(err, errSource):
		return false, nil
	case err == nil && e.Stale && errors.Is(e.Cause, errSource):
		return true, nil
	}
	return false, fmt.Errorf("got %+v, %w", e, err)
}

func (e emptying) test(t *testing.T) {
	server := redistest.Start(t, nil)
	c, peer := e.open(t, server), e.open(t, server)
	for read, get := range emptiedReads {
		for id := range changeOf {
			redistest.WaitFor(t, "copies in L1", func() bool {
				got, err := c.GetEntry(t.Context(), id)
				return err == nil && got.Tier == layered.L1
			})
		}
		c.fails.Store(true)
		refused := func(id int) func() bool {
			return func() bool { stale, err := get(t.Context(), c, id); return err == nil && !stale }
		}
		c.invalidate(t, 1)
		peer.invalidate(t, 2)
		redistest.WaitFor(t, "the invalidation by the other process", refused(2))
		e.empty(t, server, c)
		c.invalidate(t, 3)
		for id, what := range changeOf {
			switch stale, err := get(t.Context(), c, id); {
			case e.flushed && id == 0:
				redistest.WaitFor(t, "the flushed value to be refused", refused(id))
			case err != nil:
				t.Errorf("%s, %s: %v", read, what, err)
			case stale != (id == 0 && !e.strict && e.tracking != strata.Broadcast):
				t.Errorf("%s, %s: returned as stale: %t", read, what, stale)
			}
		}
		c.fails.Store(false)
	}
}

// empty makes Redis lose its data, and waits until it is used again.
func (e emptying) empty(t *testing.T, server *redistest.Server, c *emptiedCache) {
	t.Helper()
	if e.flushed {
		if _, err := server.Do("FLUSHALL"); err != nil {
			t.Fatal(err)
		}
		return
	}
	server.Kill()
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "Redis to be used again", func() bool {
		return c.backend.Ping(t.Context()) == nil && c.backend.Health().Err() == nil
	})
}
