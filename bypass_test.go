package strata_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

// With WithoutCache every read calls the loader with the context of the caller, and keeps
// nothing: a loader may read an uncommitted transaction.
func TestWithoutCache(t *testing.T) {
	type txKey struct{}
	with(t, func(t *testing.T, cfg *strata.Config) {
		many := func(ctx context.Context, ids []int) (map[int]string, error) {
			m := make(map[int]string)
			for _, id := range ids {
				if m[id] = "committed"; ctx.Value(txKey{}) != nil {
					m[id] = "uncommitted"
				}
				if id < 0 {
					delete(m, id)
				}
			}
			return m, nil
		}
		one := func(ctx context.Context, id int) (string, error) {
			m, err := many(ctx, []int{id})
			if v, ok := m[id]; ok {
				return v, err
			}
			return "", store.ErrNotFound
		}
		for name, c := range map[string]struct {
			load func(context.Context, int) (string, error)
			o    strata.Options[int, string]
		}{
			"one":    {load: one},
			"many":   {o: strata.Options[int, string]{LoadMany: many}},
			"both":   {load: one, o: strata.Options[int, string]{LoadMany: many}},
			"window": {o: strata.Options[int, string]{LoadMany: many, BatchWindow: 1}},
		} {
			cache, err := strata.New(backend(t, cfg), name, c.load, &c.o)
			if err != nil {
				t.Fatal(err)
			}
			tx := strata.WithoutCache(context.WithValue(t.Context(), txKey{}, true))
			for _, ctx := range []context.Context{tx, t.Context(), tx, t.Context()} { // nothing is kept, nothing is served
				want := "committed"
				if ctx == tx {
					want = "uncommitted"
				}
				if v, err := cache.Get(ctx, 1); v != want || err != nil {
					t.Errorf("%s: Get: %q, %v, want %q", name, v, err, want)
				}
				if e, err := cache.GetEntry(ctx, 1); e.Value != want || err != nil {
					t.Errorf("%s: GetEntry: %q, %v, want %q", name, e.Value, err, want)
				}
				if v, err := cache.GetFresh(ctx, 1); v != want || err != nil {
					t.Errorf("%s: GetFresh: %q, %v, want %q", name, v, err, want)
				}
				if v, err := cache.Refresh(ctx, 1); v != want || err != nil {
					t.Errorf("%s: Refresh: %q, %v, want %q", name, v, err, want)
				}
				if vs, err := cache.GetMany(ctx, []int{1, 2, -1}); len(vs) != 2 || vs[1] != want || vs[2] != want || err != nil {
					t.Errorf("%s: GetMany: %v, %v, want %q", name, vs, err, want)
				}
				if es, err := cache.GetManyEntries(ctx, []int{1, -1}); len(es) != 2 || !es[-1].Absent || es[1].Value != want || err != nil {
					t.Errorf("%s: GetManyEntries: %v, %v, want %q", name, es, err, want)
				}
				if _, err := cache.Get(ctx, -1); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s: Get of an absent id: %v", name, err)
				}
			}
		}
	})
}

// Without a loader, WithoutCache has no effect. A loader that panics is an error.
func TestWithoutCache_odd(t *testing.T) {
	b, ctx := backend(t, nil), strata.WithoutCache(t.Context())
	set, err := strata.New[int, int](b, "set", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Set(ctx, 1, 7); err != nil {
		t.Fatal(err)
	}
	if v, err := set.Get(ctx, 1); v != 7 || err != nil {
		t.Errorf("without a loader: %d, %v", v, err)
	}
	odd, err := strata.New(b, "odd", func(context.Context, int) (int, error) { panic("odd") }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := odd.Get(ctx, 1); err == nil {
		t.Errorf("a panic: %d, %v", v, err)
	}
}

// A loader that reads its own id without caches, also by way of another cache or of a batch,
// gets an error: it would call itself until the stack is full.
func TestWithoutCache_cycle(t *testing.T) {
	b := backend(t, nil)
	var one, other, many *strata.Cache[int, int]
	var err error
	one, err = strata.New(b, "one", func(ctx context.Context, id int) (int, error) { return other.Get(ctx, id) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err = strata.New(b, "other", func(ctx context.Context, id int) (int, error) {
		if id == 0 {
			return 7, nil
		}
		return one.Get(ctx, id)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	many, err = strata.New[int, int](b, "many", nil, &strata.Options[int, int]{LoadMany: func(ctx context.Context, ids []int) (map[int]int, error) {
		return many.GetMany(ctx, ids)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := strata.WithoutCache(t.Context())
	if _, err := one.Get(ctx, 1); !errors.Is(err, store.ErrCycle) {
		t.Errorf("by way of another cache: %v, want ErrCycle", err)
	}
	if _, err := many.GetMany(ctx, []int{1, 2}); !errors.Is(err, store.ErrCycle) {
		t.Errorf("in a batch: %v, want ErrCycle", err)
	}
	if v, err := one.Get(ctx, 0); v != 7 || err != nil {
		t.Errorf("the same id of another cache: %d, %v", v, err)
	}
}
