package strata_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

func TestBackend_Inspect(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		c, err := strata.New(b, "c", func(context.Context, int) (string, error) { return "v", nil },
			&strata.Options[int, string]{Tags: func(int, string) []string { return []string{"t"} }})
		if err != nil {
			t.Fatal(err)
		}
		if l1, l2, err := b.Inspect(t.Context(), "c", "7"); l1 != nil || l2 != nil || err != nil {
			t.Fatalf("before the first read: %v, %v, %v", l1, l2, err)
		}
		if _, err := c.Get(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		before := c.Stats()
		l1, l2, err := b.Inspect(t.Context(), "c", "7")
		client, prefix := b.Redis()
		if hasL1 := prefix != "l2:"; err != nil || hasL1 != (l1 != nil) || l1 != nil && l1.Value != "v" {
			t.Errorf("in L1: %+v, %v", l1, err)
		}
		if client != nil && (l2 == nil || l2.Value != "v" || len(l2.Tags) != 1 || l2.Tags[0] != "t") {
			t.Errorf("in Redis: %+v", l2)
		}
		if after := c.Stats(); after.L1Hits != before.L1Hits || after.L2Hits != before.L2Hits || after.Misses != before.Misses || after.Loads != before.Loads {
			t.Errorf("Inspect was counted: %+v, then %+v", before, after)
		}
		r, err := b.Record(t.Context(), "c", "7")
		if client == nil {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("a record without Redis: %v", err)
			}
		} else if err != nil || r.Kind != redisstore.KindValue || len(r.Readings) != 1 || len(r.Invalidated) != 0 {
			t.Errorf("the record: %+v, %v", r, err)
		}
		if _, err := b.Record(t.Context(), "other", "7"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a record of an unknown cache: %v", err)
		}
		if _, _, err := b.Inspect(t.Context(), "other", "7"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of an unknown cache: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Hottest("c", 1); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of a closed cache: %v", err)
		}
	})
}

func TestBackend_Hottest(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		c, err := strata.New(b, "c", func(context.Context, string) (string, error) { return "v", nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		if hot, err := b.Hottest("c", 3); len(hot) != 0 || err != nil { // begins to count
			t.Fatal(hot, err)
		}
		if _, err := c.Get(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if hot, err := b.Hottest("c", 3); err != nil || len(hot) != 1 || hot[0].Key != "k" {
			t.Errorf("%v, %v", hot, err)
		}
		if n, err := b.DeletePattern(t.Context(), "c", "k*"); n != 1 || err != nil {
			t.Errorf("DeletePattern: %d, %v", n, err)
		}
	})
}

// loads counts the loads that it is notified of.
type loads struct{ n atomic.Int64 }

func (l *loads) Begin(ctx context.Context, _ store.Op) context.Context { return ctx }
func (l *loads) End(_ context.Context, op store.Op, _ store.Result) {
	if op.Store == "source" {
		l.n.Add(1)
	}
}

func TestBackend_Observe(t *testing.T) {
	var config, added loads
	b, err := strata.Open(t.Context(), &strata.Config{Observer: &config})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := strata.New(b, "c", func(context.Context, int) (string, error) { return "v", nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	get := func(id int) {
		if _, err := c.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	get(1)
	stop := b.Observe(&added)
	get(2)
	stop()
	get(3)
	if config.n.Load() != 3 || added.n.Load() != 1 {
		t.Errorf("%d and %d loads, want 3 and 1", config.n.Load(), added.n.Load())
	}
}
