package strata_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// TestStats_operations checks the counters of each operation, with Redis and in memory.
func TestStats_operations(t *testing.T) {
	for _, engine := range []strata.Engine{strata.Otter, strata.Ristretto} {
		t.Run(engine.String(), func(t *testing.T) { countOperations(t, engine) })
	}
}

func countOperations(t *testing.T, engine strata.Engine) {
	server := redistest.Start(t, nil)
	errDown := errors.New("the source is down")
	open := func() *strata.Cache[int, string] {
		c, err := strata.New(backend(t, &strata.Config{RedisURL: server.URL(), Engine: engine}), "n", func(_ context.Context, id int) (string, error) {
			switch {
			case id < 0:
				return "", store.ErrNotFound
			case id > 1000:
				return "", errDown
			}
			return fmt.Sprint("value ", id), nil
		}, &strata.Options[int, string]{StaleFor: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, two := open(), open()
	ctx := t.Context()
	times := func(n int, f func(c *strata.Cache[int, string])) func(*strata.Cache[int, string]) {
		return func(c *strata.Cache[int, string]) {
			for range n {
				f(c)
			}
		}
	}
	get := func(id int) func(*strata.Cache[int, string]) {
		return func(c *strata.Cache[int, string]) { c.Get(ctx, id) }
	}
	fresh := func(c *strata.Cache[int, string]) { c.GetFresh(ctx, 1) }
	many := func(ids ...int) func(*strata.Cache[int, string]) {
		return func(c *strata.Cache[int, string]) { c.GetMany(ctx, ids) }
	}
	spoil := func(keys ...string) {
		for _, key := range keys {
			full, err := server.Do("KEYS", "*:"+key)
			if err != nil || len(full.([]any)) != 1 {
				t.Fatalf("the keys of %s: %v, %v", key, full, err)
			}
			if _, err := server.Do("SETRANGE", full.([]any)[0], 90, "\xff\xff"); err != nil {
				t.Fatal(err)
			}
		}
	}
	type counts struct{ l1, l2, misses, loads, loadErrors, rechecked, l2Errors, corrupt uint64 }
	read := func(c *strata.Cache[int, string]) counts {
		s := c.Stats()
		st, err := c.Tiers().Stats(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return counts{s.L1Hits, s.L2Hits, s.Misses, s.Loads, s.LoadErrors, s.Revalidated, s.L2Errors, st.Corrupt}
	}
	for _, step := range []struct {
		name  string
		cache *strata.Cache[int, string]
		do    func(*strata.Cache[int, string])
		want  counts
	}{
		{"a cold read", one, get(1), counts{misses: 1, loads: 1}},
		{"warm reads", one, times(100, get(1)), counts{l1: 100}},
		{"reads confirmed by Redis", one, times(100, fresh), counts{l2: 100, rechecked: 100}},
		{"a read of what another process has loaded", two, get(1), counts{l2: 1}},
		{"the same again", two, times(10, get(1)), counts{l1: 10}},
		{"a cold batch", one, many(2, 3, 4), counts{misses: 3, loads: 1}},
		{"a batch from L1", one, many(2, 3, 4), counts{l1: 3}},
		{"a batch of all three", two, many(1, 2, 3, 5), counts{l1: 1, l2: 2, misses: 1, loads: 1}},
		{"what the source does not have", one, get(-1), counts{misses: 1, loads: 1}},
		{"the same again", one, get(-1), counts{l1: 1}},
		{"a source that fails", one, get(1001), counts{misses: 1, loads: 1, loadErrors: 1}},
		{"a batch whose source fails", one, many(1002, 1), counts{l1: 1, misses: 1, loads: 1, loadErrors: 1}},
		{"Delete", one, func(c *strata.Cache[int, string]) { c.Delete(ctx, 1) }, counts{}},
		{"a read after Delete", one, get(1), counts{misses: 1, loads: 1}},
		{"what nobody can decode", two, func(c *strata.Cache[int, string]) {
			one.Delete(ctx, 7)
			one.Get(ctx, 7)
			spoil("7")
			c.Get(ctx, 7)
		}, counts{misses: 1, loads: 1, corrupt: 1}},
		{"a batch that nobody can decode", two, func(c *strata.Cache[int, string]) {
			one.GetMany(ctx, []int{8, 9})
			spoil("8", "9")
			c.GetMany(ctx, []int{8, 9})
		}, counts{misses: 2, loads: 1, corrupt: 2}},
	} {
		before := read(step.cache)
		step.do(step.cache)
		after := read(step.cache)
		got := counts{after.l1 - before.l1, after.l2 - before.l2, after.misses - before.misses, after.loads - before.loads,
			after.loadErrors - before.loadErrors, after.rechecked - before.rechecked, after.l2Errors - before.l2Errors, after.corrupt - before.corrupt}
		if got != step.want {
			t.Errorf("%s: %+v, want %+v", step.name, got, step.want)
		}
	}
	var none layered.Counts
	if s := one.Stats(); s.Invalidations == none.Invalidations {
		t.Error("the damage of another was not told")
	}
}
