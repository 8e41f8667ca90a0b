package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A hit in L1 allocates nothing, with every engine.
func TestAlloc_hitInL1(t *testing.T) {
	type listing struct {
		ID    int64
		Title string
		Words []string
	}
	for _, name := range []string{"otterstore", "ristrettostore"} {
		t.Run(name, func(t *testing.T) {
			s := tiers(t, l1s[listing]()[name](t), nil, &layered.Options[listing]{StaleFor: time.Hour})
			ctx := t.Context()
			load := func(context.Context, string) (store.Entry[listing], error) {
				return store.Entry[listing]{Value: listing{ID: 1}}, nil
			}
			for what, f := range map[string]func(){
				"Get":       func() { s.Get(ctx, "k") },
				"GetOrLoad": func() { s.GetOrLoad(ctx, "k", load) },
				"Find":      func() { s.Find(ctx, "k", layered.Source[listing]{Load: load}) },
				"Local":     func() { s.Local(ctx, "k") },
			} {
				s.GetOrLoad(ctx, "k", load)
				if n := testing.AllocsPerRun(1000, f); n != 0 {
					t.Errorf("%s of a hit in L1: %v allocations, want 0", what, n)
				}
			}
		})
	}
}

// Nor does it if the entry has tags with readings from Redis.
func TestAlloc_hitWithTags(t *testing.T) {
	h := build(t, redistest.Start(t, nil), &layered.Options[int]{SampleEvery: -1})
	redistest.WaitFor(t, "a hit", func() bool {
		f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: tagged(1, "t", "u", "v")})
		return err == nil && f.Tier == layered.L1
	})
	ctx := t.Context()
	misses := 0
	if n := testing.AllocsPerRun(1000, func() {
		if _, ok := h.Local(ctx, "k"); !ok {
			misses++
		}
	}); n != 0 || misses > 0 {
		t.Errorf("%v allocations, %d misses", n, misses)
	}
}

// Nor does one that is due for a refresh, while the refresh runs.
func TestAlloc_hitInL1WhileItIsRefreshed(t *testing.T) {
	for _, name := range []string{"otterstore", "ristrettostore"} {
		t.Run(name, func(t *testing.T) {
			s := tiers(t, l1s[int]()[name](t), nil, &layered.Options[int]{RefreshAhead: 1e-9, Jitter: -1})
			ctx := t.Context()
			s.GetOrLoad(ctx, "k", now(1))
			load := func(ctx context.Context, _ string) (store.Entry[int], error) {
				<-ctx.Done() // until the end of the test
				return store.Entry[int]{}, ctx.Err()
			}
			redistest.WaitFor(t, "the refresh to begin", func() bool {
				s.GetOrLoad(ctx, "k", load)
				return s.Counts().Refreshes == 1
			})
			for what, f := range map[string]func(){
				"GetOrLoad": func() { s.GetOrLoad(ctx, "k", load) },
				"Find":      func() { s.Find(ctx, "k", layered.Source[int]{Load: load}) },
			} {
				if n := testing.AllocsPerRun(1000, f); n != 0 {
					t.Errorf("%s of a hit in L1: %v allocations, want 0", what, n)
				}
			}
		})
	}
}
