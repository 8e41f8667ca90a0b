package strata_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
)

// A tour is a value that is easily changed by mistake.
type tour struct {
	Stops  []string
	Prices map[string]int
}

func newTour(id int) *tour {
	return &tour{Stops: []string{fmt.Sprint("stop ", id), "end"}, Prices: map[string]int{"adult": id}}
}

func (v *tour) clone() *tour { return &tour{slices.Clone(v.Stops), maps.Clone(v.Prices)} }

func (v *tour) is(id int) bool {
	return v != nil && len(v.Stops) == 2 && v.Stops[0] == fmt.Sprint("stop ", id) && len(v.Prices) == 1 && v.Prices["adult"] == id
}

func (v *tour) spoil() {
	v.Stops[0], v.Prices["spoilt"] = "spoilt", 1
	v.Prices["adult"]++
}

// isolations are the ways to get values that callers may modify.
var isolations = map[string]strata.Options[int, *tour]{
	"Clone":            {Clone: (*tour).clone},
	"DecodeEach":       {DecodeEach: true},
	"DecodeEach, JSON": {DecodeEach: true, Codec: codec.JSON[*tour]()},
}

// A caller that modifies a value that it got or set does not affect other callers, for any
// read, tier and concurrency. The race detector sees what the values do not show.
func TestIsolation(t *testing.T) {
	for name, o := range isolations {
		t.Run(name, func(t *testing.T) {
			places(t, func(t *testing.T, b *strata.Backend) { testIsolation(t, b, o) })
		})
	}
}

func testIsolation(t *testing.T, b *strata.Backend, o strata.Options[int, *tour]) {
	load := func(_ context.Context, id int) (*tour, error) {
		time.Sleep(time.Millisecond) // so that others can join
		return newTour(id), nil
	}
	c, err := strata.New(b, "tour", load, &o)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	ways := map[string]func(id int) (*tour, error){
		"Get":      func(id int) (*tour, error) { return c.Get(ctx, id) },
		"GetFresh": func(id int) (*tour, error) { return c.GetFresh(ctx, id) },
		"Refresh":  func(id int) (*tour, error) { return c.Refresh(ctx, id) },
		"GetEntry": func(id int) (*tour, error) {
			e, err := c.GetEntry(ctx, id)
			return e.Value, err
		},
		"GetMany": func(id int) (*tour, error) {
			m, err := c.GetMany(ctx, []int{id, id + 1})
			return m[id], err
		},
	}
	var wg sync.WaitGroup
	for range 4 {
		for way, get := range ways {
			wg.Go(func() {
				for i := range 60 {
					id := i / 3
					v, err := get(id)
					if err != nil || !v.is(id) {
						t.Errorf("%s of %d: %+v, %v", way, id, v, err)
						return
					}
					v.spoil()
				}
			})
		}
	}
	wg.Wait()
	sets := map[string]func(id int, v *tour) error{
		"Set": func(id int, v *tour) error { return c.Set(ctx, id, v) },
		"SetIfNewer": func(id int, v *tour) error {
			_, err := c.SetIfNewer(ctx, id, v, 1)
			return err
		},
		"CommitSet": func(id int, v *tour) error {
			w, err := c.BeginWrite(ctx, time.Minute, id)
			if err != nil {
				return err
			}
			return w.CommitSet(ctx, map[int]*tour{id: v})
		},
	}
	for way, set := range sets {
		v := newTour(7)
		if err := set(7, v); err != nil {
			t.Fatal(err)
		}
		v.spoil()
		for range 2 {
			if got, err := c.Get(ctx, 7); err != nil || !got.is(7) {
				t.Errorf("after %s: %+v, %v", way, got, err)
			}
		}
	}
}

// Reload may modify the old value without an effect on others.
func TestIsolation_reload(t *testing.T) {
	for name, o := range isolations {
		t.Run(name, func(t *testing.T) {
			places(t, func(t *testing.T, b *strata.Backend) {
				var calls atomic.Int64
				o.Reload = func(_ context.Context, id int, old store.Entry[*tour]) (*tour, error) {
					calls.Add(1)
					old.Value.spoil()
					return nil, store.ErrNotModified
				}
				c, err := strata.New(b, "tour", func(_ context.Context, id int) (*tour, error) { return newTour(id), nil }, &o)
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if v, err := c.Get(t.Context(), 1); err != nil || !v.is(1) {
						t.Errorf("Get: %+v, %v", v, err)
					}
					if v, err := c.Refresh(t.Context(), 1); err != nil || !v.is(1) {
						t.Errorf("Refresh: %+v, %v", v, err)
					}
				}
				if calls.Load() != 3 {
					t.Errorf("%d calls of Reload", calls.Load())
				}
			})
		})
	}
}

// Without either, values are shared, as documented.
func TestIsolation_none(t *testing.T) {
	c, err := strata.New(backend(t, nil), "tour", func(_ context.Context, id int) (*tour, error) { return newTour(id), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := c.Get(t.Context(), 1)
	if second, _ := c.Get(t.Context(), 1); first != second {
		t.Error("two hits gave two values")
	}
}

// Absent values are not cloned.
func TestClone_absent(t *testing.T) {
	var r repo
	cloned := 0
	c := listings(t, backend(t, nil), &r, &strata.Options[int64, listing]{Clone: func(l listing) listing { cloned++; return l }})
	for range 2 {
		if _, err := c.Get(t.Context(), -1); err == nil || cloned != 0 {
			t.Errorf("%v, %d values cloned", err, cloned)
		}
		if m, err := c.GetMany(t.Context(), []int64{-1}); err != nil || len(m) != 0 || cloned != 0 {
			t.Errorf("%v, %v, %d values cloned", m, err, cloned)
		}
	}
}

func TestIsolation_options(t *testing.T) {
	_, err := strata.New(backend(t, nil), "tour", func(_ context.Context, id int) (*tour, error) { return newTour(id), nil },
		&strata.Options[int, *tour]{DecodeEach: true, Clone: (*tour).clone})
	if err == nil || !strings.Contains(err.Error(), "Clone and DecodeEach") {
		t.Errorf("got %v", err)
	}
}
