package strata_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// The class sets what the options leave zero, and both add tags.
func TestNewDefined_class(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := strata.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		var r keys.Registry
		class := keys.Class{TTL: time.Minute, StaleFor: time.Hour, AbsentFor: 10 * time.Second, L1TTL: 50 * time.Second, Jitter: -1}
		d := keys.Define1(&r, "d", class, func(id int) []string { return []string{"of the definition"} })
		loads, failure := 0, error(nil)
		c, err := strata.NewDefined(b, d, func(_ context.Context, id int) (int, error) {
			if loads++; id < 0 {
				return 0, store.ErrNotFound
			}
			return loads, failure
		}, &strata.Options[int, int]{RetryAfter: -1, Tags: func(id, v int) []string { return []string{"of the options"} }})
		if err != nil {
			t.Fatal(err)
		}
		e, err := c.GetEntry(t.Context(), 1)
		if err != nil || !slices.Equal(e.Tags, []string{"of the definition", "of the options"}) {
			t.Errorf("entry %+v, %v", e, err)
		}
		if fresh, kept, err := c.TTL(t.Context(), 1); fresh != time.Minute && fresh != 50*time.Second || err != nil {
			t.Errorf("TTL %v, %v, %v", fresh, kept, err)
		}
		time.Sleep(61 * time.Second)
		failure = errors.New("down")
		if v, err := c.Get(t.Context(), 1); v != 1 && err == nil {
			t.Errorf("a stale value: %d, %v", v, err)
		}
		before := loads
		for range 3 {
			if _, err := c.Get(t.Context(), -1); !errors.Is(err, store.ErrNotFound) {
				t.Error(err)
			}
			time.Sleep(4 * time.Second)
		}
		if loads != before+1 {
			t.Errorf("%d loads of an absent id within 8 s", loads-before)
		}
		time.Sleep(3 * time.Second)
		if c.Get(t.Context(), -1); loads != before+2 {
			t.Errorf("%d loads of an absent id within 15 s", loads-before)
		}
	})
}

// Options come before the class, and mistakes are those of New.
func TestNewDefined_options(t *testing.T) {
	b, err := strata.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var r keys.Registry
	d := keys.Define1[int](&r, "d", keys.Class{TTL: time.Minute}, nil)
	load := func(context.Context, int) (int, error) { return 1, nil }
	c, err := strata.NewDefined(b, d, load, &strata.Options[int, int]{TTL: time.Hour, Jitter: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if fresh, _, err := c.TTL(t.Context(), 1); fresh < 59*time.Minute || err != nil {
		t.Errorf("TTL %v, %v", fresh, err)
	}
	if _, err := strata.NewDefined(b, d, load, nil); err == nil || !strings.Contains(err.Error(), "already has a cache") {
		t.Errorf("the same definition twice: %v", err)
	}
	if _, err := strata.NewDefined[int, int](b, nil, load, nil); err == nil {
		t.Error("no error for a nil definition")
	}
	if _, err := strata.NewDefined(b, keys.Define1[int](&r, "!d", keys.Class{}, nil), load, nil); !errors.Is(err, store.ErrInvalidKey) {
		t.Errorf("a name with !: %v", err)
	}
}

// A changed type of values has other keys, so that its caches read no old bytes.
func TestNewDefined_schema(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		var r keys.Registry
		d := keys.Define2[string, int](&r, "d", keys.Class{}, nil).Colocate()
		id := keys.ID2[string, int]{A: "acme", B: 7}
		type old struct{ Price int }
		type changed struct{ Price string }
		one, err := strata.NewDefined(backend(t, cfg), d, func(context.Context, keys.ID2[string, int]) (old, error) { return old{1}, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		two, err := strata.NewDefined(backend(t, cfg), d, func(context.Context, keys.ID2[string, int]) (changed, error) { return changed{"one"}, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := one.Get(t.Context(), id); v.Price != 1 || err != nil {
			t.Errorf("old: %v, %v", v, err)
		}
		if v, err := two.Get(t.Context(), id); v.Price != "one" || err != nil {
			t.Errorf("changed: %v, %v", v, err)
		}
	})
}
