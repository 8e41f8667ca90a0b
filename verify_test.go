package strata_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// Peek returns what is cached and never calls the loader.
func TestCache_Peek(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		loads := 0
		c, err := strata.New(backend(t, cfg), "c", func(_ context.Context, id int) (int, error) {
			if loads++; id < 0 {
				return 0, store.ErrNotFound
			}
			return id, nil
		}, &strata.Options[int, int]{Clone: func(v int) int { return v + 100 }})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := c.Peek(t.Context(), 1); !errors.Is(err, store.ErrNotFound) || e.Absent || loads != 0 {
			t.Errorf("nothing cached: %+v, %v; %d loads", e, err, loads)
		}
		for _, id := range []int{1, -1} {
			c.Get(t.Context(), id)
		}
		if e, err := c.Peek(t.Context(), 1); e.Value%100 != 1 || e.Value < 100 || err != nil {
			t.Errorf("cached: %+v, %v", e, err)
		}
		if e, err := c.Peek(t.Context(), -1); !errors.Is(err, store.ErrNotFound) || !e.Absent || loads != 2 {
			t.Errorf("absent: %+v, %v; %d loads", e, err, loads)
		}
	})
}

// Verify finds a value of a real cache that a change without an event has left, and changes
// nothing.
func TestVerify_cache(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		source := map[int64]string{1: "old", 2: "old", 3: "old"}
		var r keys.Registry
		d := keys.Define1[int64](&r, "product", keys.Class{}, nil)
		c, err := strata.NewDefined(backend(t, cfg), d, func(_ context.Context, id int64) (string, error) { return source[id], nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		for id := range source {
			if _, err := c.Get(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		source[2] = "new"
		o := &invalidate.VerifyOptions[int64, string]{Settle: time.Millisecond}
		ids := slices.Values([]int64{1, 2, 3, 4})
		for range 2 {
			report, err := invalidate.Verify(t.Context(), c, ids, o)
			if err != nil || report.Checked != 3 || report.Missing != 1 || len(report.Stale) != 1 || report.Stale[0].ID != 2 {
				t.Fatalf("report %+v, %v", report, err)
			}
			if s := report.Stale[0]; cfg != nil && s.Version == 0 || s.Age < 0 {
				t.Errorf("stale %+v", s)
			}
		}
		if err := c.Delete(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if report, err := invalidate.Verify(t.Context(), c, ids, o); err != nil || len(report.Stale) != 0 {
			t.Errorf("after the invalidation: %+v, %v", report, err)
		}
	})
}

// DeleteTexts with a hold limits how long what is loaded with an older revision is kept.
func TestBackend_DeleteTexts_hold(t *testing.T) {
	b := backend(t, &strata.Config{RedisURL: redistest.Start(t, nil).URL()})
	revision := uint64(1)
	c, err := strata.New(b, "c", func(context.Context, int) (int, error) { return 1, nil }, &strata.Options[int, int]{
		TTL: time.Hour, Jitter: -1, RevisionOf: func(int, int) uint64 { return revision },
	})
	if err != nil {
		t.Fatal(err)
	}
	bus, err := invalidate.NewBus(heldRules(c), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		revision uint64
		most     time.Duration
	}{{1, time.Minute}, {2, time.Hour}} {
		if err := bus.Publish(t.Context(), heldEvent{2}); err != nil {
			t.Fatal(err)
		}
		revision = s.revision
		if _, err := c.Get(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if _, kept, err := c.TTL(t.Context(), 1); kept > s.most || kept < s.most-10*time.Second || err != nil {
			t.Errorf("revision %d: kept for %v, %v; want %v", s.revision, kept, err, s.most)
		}
	}
}

type heldEvent struct{ Revision uint64 }

func heldRules(c *strata.Cache[int, int]) *invalidate.Rules {
	r := invalidate.NewRules()
	invalidate.On(r, func(e heldEvent) invalidate.Targets {
		return invalidate.Targets{invalidate.IDs(c, 1).Older(e.Revision, time.Minute)}
	}, c)
	return r
}
