package strata_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// A row number has no text, and so no key, if it is negative.
type rowNumber int

func (n rowNumber) MarshalText() ([]byte, error) {
	if n < 0 {
		return nil, errors.New("a negative row")
	}
	return fmt.Append(nil, int(n)), nil
}

// TestWrites_idWithoutKey: the ids of a call that have a key are invalidated, whatever the
// others are.
func TestWrites_idWithoutKey(t *testing.T) {
	for name, cfg := range map[string]*strata.Config{"L1": {}, "Redis": {RedisURL: redistest.Start(t, nil).URL()}} {
		var source atomic.Int64
		c, err := strata.New(backend(t, cfg), "n", func(context.Context, rowNumber) (int64, error) { return source.Load(), nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		for op, write := range map[string]func(ctx context.Context, ids ...rowNumber) error{
			"Delete": c.Delete, "DeleteAndWait": c.DeleteAndWait, "MarkStale": c.MarkStale,
			"DeleteHolding": func(ctx context.Context, ids ...rowNumber) error { return c.DeleteHolding(ctx, time.Second, ids...) },
			"DeleteOlder":   func(ctx context.Context, ids ...rowNumber) error { return c.DeleteOlder(ctx, time.Second, 1, ids...) },
		} {
			if _, err := c.GetMany(t.Context(), []rowNumber{1, 2}); err != nil {
				t.Fatal(err)
			}
			want := source.Add(1)
			err := write(t.Context(), 1, -1, 2)
			if errors.Is(err, errors.ErrUnsupported) {
				continue // without Redis
			}
			if !errors.Is(err, store.ErrInvalidKey) || strings.Count(err.Error(), "a negative row") != 1 {
				t.Errorf("%s, %s: %v", name, op, err)
			}
			for _, id := range []rowNumber{1, 2} {
				if v, err := c.Get(t.Context(), id); v != want || err != nil {
					t.Errorf("%s, %s: then id %d is %d, %v; want %d", name, op, id, v, err, want)
				}
			}
			if err := write(t.Context(), -1); !errors.Is(err, store.ErrInvalidKey) {
				t.Errorf("%s, %s of one id without a key: %v", name, op, err)
			}
		}
	}
}

// TestCommitSet_refused: a value that CommitSet does not keep, because a function of Options
// panics on it or its id has no key, does not leave the old value in its place.
func TestCommitSet_refused(t *testing.T) {
	for name, cfg := range map[string]*strata.Config{"L1": {}, "Redis": {RedisURL: redistest.Start(t, nil).URL()}} {
		var source atomic.Int64
		c, err := strata.New(backend(t, cfg), "n", func(context.Context, rowNumber) (int64, error) { return source.Load(), nil },
			&strata.Options[rowNumber, int64]{Tags: func(_ rowNumber, v int64) []string {
				if v == 7 {
					panic("no tags of 7")
				}
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		for what, values := range map[string]map[rowNumber]int64{"a panic": {1: 7, 2: 8}, "no key": {2: 8, -1: 8}} {
			w, err := c.BeginWrite(t.Context(), time.Hour, 1, 2)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.GetMany(t.Context(), []rowNumber{1, 2}); err != nil { // the old values
				t.Fatal(err)
			}
			want := source.Add(10)
			if err := w.CommitSet(t.Context(), values); err == nil {
				t.Errorf("%s, %s: CommitSet returned no error", name, what)
			}
			if v, err := c.Get(t.Context(), 1); v != want || err != nil {
				t.Errorf("%s, %s: 1 is %d, %v; want %d", name, what, v, err, want)
			}
			if v, err := c.Get(t.Context(), 2); v != 8 || err != nil {
				t.Errorf("%s, %s: 2 is %d, %v; want what CommitSet was given", name, what, v, err)
			}
		}
	}
}

// TestReset_idWithoutKey is TestWrites_idWithoutKey for counters.
func TestReset_idWithoutKey(t *testing.T) {
	for name, cfg := range map[string]*strata.Config{"L1": {}, "Redis": {RedisURL: redistest.Start(t, nil).URL()}} {
		b := backend(t, cfg)
		c, err := strata.NewCounter[rowNumber](b, "n", 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []rowNumber{1, 2} {
			if _, err := c.Add(t.Context(), id, 5); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Reset(t.Context(), 1, -1, 2); !errors.Is(err, store.ErrInvalidKey) || strings.Count(err.Error(), "a negative row") != 1 {
			t.Errorf("%s: Reset: %v", name, err)
		}
		for _, id := range []rowNumber{1, 2} {
			if n, err := c.Get(t.Context(), id); n != 0 || err != nil {
				t.Errorf("%s: then the counter of %d is %d, %v", name, id, n, err)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.Reset(t.Context(), 1, 2); !errors.Is(err, store.ErrClosed) || strings.Count(err.Error(), "closed") != 1 {
			t.Errorf("%s: Reset after Close: %v", name, err)
		}
	}
}
