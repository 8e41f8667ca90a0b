package strata_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

func TestCounter(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		ctx := t.Context()
		type visit struct {
			Room string
			Day  int
		}
		c, err := strata.NewCounter[visit](b, "visits", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		other, err := strata.NewCounter[visit](b, "others", 0)
		if err != nil {
			t.Fatal(err)
		}
		id := visit{"attic", 3}
		is := func(want int64) {
			t.Helper()
			if n, err := c.Get(ctx, id); n != want || err != nil {
				t.Errorf("Get = %d, %v, want %d", n, err, want)
			}
		}
		is(0)
		is(0)
		for i, delta := range []int64{2, -5, 0, 1} {
			want := []int64{2, -3, -3, -2}[i]
			if n, err := c.Add(ctx, id, delta); n != want || err != nil {
				t.Errorf("Add(%d) = %d, %v, want %d", delta, n, err, want)
			}
			is(want)
		}
		if n, err := other.Get(ctx, id); n != 0 || err != nil {
			t.Errorf("another counter: %d, %v", n, err)
		}
		if err := c.Reset(ctx, id, visit{"none", 0}); err != nil {
			t.Errorf("Reset: %v", err)
		}
		is(0)
		if _, err := c.Add(ctx, id, math.MaxInt64); err != nil {
			t.Fatal(err)
		}
		var e *store.Error
		if n, err := c.Add(ctx, id, 1); n != 0 || !errors.As(err, &e) || e.Cache != "visits" {
			t.Errorf("Add beyond an int64: %d, %v", n, err)
		}
		is(math.MaxInt64)
		if err := b.Health().Err(); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if c, err = strata.NewCounter[visit](b, "visits", time.Hour); err != nil {
			t.Errorf("the name of a closed counter: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{"Add": second(c.Add(ctx, id, 1)), "Get": second(c.Get(ctx, id)), "Reset": c.Reset(ctx, id)} {
			if !errors.Is(err, store.ErrClosed) || !strings.Contains(err.Error(), "visits") {
				t.Errorf("%s after Close: %v", name, err)
			}
		}
	})
}

// TestCounter_ttl: the TTL counts from the Add that created the counter.
func TestCounter_ttl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := strata.NewCounter[string](backend(t, nil), "c", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := c.Add(t.Context(), "k", 1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(40 * time.Minute)
		}
		if n, err := c.Get(t.Context(), "k"); n != 0 || err != nil {
			t.Errorf("after its TTL: %d, %v", n, err)
		}
	})
	s := redistest.Start(t, nil)
	c, err := strata.NewCounter[string](backend(t, &strata.Config{RedisURL: s.URL()}), "c", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Add(t.Context(), "k", 1); err != nil {
		t.Fatal(err)
	}
	keys, err := s.Do("KEYS", "strata:c:*")
	if err != nil || len(keys.([]any)) != 1 {
		t.Fatal(keys, err)
	}
	if ms, err := s.Do("PTTL", fmt.Sprint(keys.([]any)[0])); err != nil || ms.(int64) <= 3_000_000 || ms.(int64) > 3_600_000 {
		t.Errorf("a TTL of %v ms, %v", ms, err)
	}
}

func TestNewCounter_refused(t *testing.T) {
	b := backend(t, nil)
	if _, err := strata.New[string, int](b, "taken", nil, nil); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]func() (*strata.Counter[string], error){
		"backend is nil": func() (*strata.Counter[string], error) { return strata.NewCounter[string](nil, "c", 0) },
		"TTL -1ns":       func() (*strata.Counter[string], error) { return strata.NewCounter[string](b, "c", -1) },
		"already has":    func() (*strata.Counter[string], error) { return strata.NewCounter[string](b, "taken", 0) },
		"must not begin": func() (*strata.Counter[string], error) { return strata.NewCounter[string](b, "!c", -1) },
		"is negative":    func() (*strata.Counter[string], error) { return strata.NewCounter[string](b, "!c", -1) },
	} {
		if c, err := f(); c != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

func TestCache_Add(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		ctx := t.Context()
		var loads atomic.Int64
		c, err := strata.New(b, "seats", func(context.Context, string) (string, error) {
			loads.Add(1)
			return "", store.ErrNotFound
		}, &strata.Options[string, string]{TTL: time.Hour, Jitter: -1, Tags: func(string, string) []string { return []string{"show"} }})
		if err != nil {
			t.Fatal(err)
		}
		add := func(id, v string, want bool) {
			t.Helper()
			if added, err := c.Add(ctx, id, v); added != want || err != nil {
				t.Errorf("Add(%q, %q) = %v, %v, want %v", id, v, added, err, want)
			}
		}
		is := func(id, want string) {
			t.Helper()
			redistest.WaitFor(t, "the value to be "+want, func() bool { // Ristretto writes in the background
				v, err := c.Get(ctx, id)
				return v == want && (err == nil || want == "" && errors.Is(err, store.ErrNotFound))
			})
		}
		is("a", "") // now known to be absent
		add("a", "ada", true)
		awaitHas(t, c, "a", true)
		is("a", "ada")
		add("a", "bob", false)
		is("a", "ada")
		if fresh, _, err := c.TTL(ctx, "a"); !near(fresh, time.Hour) || err != nil {
			t.Errorf("TTL %v, %v", fresh, err)
		}
		if err := b.InvalidateTags(ctx, "show"); err != nil {
			t.Fatal(err)
		}
		add("a", "cleo", true) // the value was invalidated
		awaitHas(t, c, "a", true)
		is("a", "cleo")
		if err := c.Delete(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		add("a", "dan", true)
		awaitHas(t, c, "a", true)
		if err := c.Clear(ctx); err != nil {
			t.Fatal(err)
		}
		add("a", "eve", true)
		is("a", "eve")

		var added atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				switch ok, err := c.Add(ctx, "one", fmt.Sprint(i)); {
				case err != nil:
					t.Error(err)
				case ok:
					added.Add(1)
				}
			})
		}
		if wg.Wait(); added.Load() != 1 {
			t.Errorf("%d of 8 calls added", added.Load())
		}
	})
}

// TestCache_Add_outage: an Add that fails is not retried: it deletes nothing of others.
func TestCache_Add_outage(t *testing.T) {
	s := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, s.Addr())
	here := backend(t, &strata.Config{RedisURL: "redis://" + proxy.Addr(), BreakAfter: -1})
	there := backend(t, &strata.Config{RedisURL: s.URL()})
	var cs []*strata.Cache[string, string]
	for _, b := range []*strata.Backend{here, there} {
		c, err := strata.New[string, string](b, "c", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		cs = append(cs, c)
	}
	if added, err := cs[1].Add(t.Context(), "k", "there"); !added || err != nil {
		t.Fatal(added, err)
	}
	proxy.Refuse(true)
	proxy.Cut()
	if added, err := cs[0].Add(t.Context(), "k", "here"); added || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Add without Redis: %v, %v", added, err)
	}
	if h := here.Health(); len(h.RetryQueues) != 0 {
		t.Errorf("retry queues: %+v", h.RetryQueues)
	}
	proxy.Refuse(false)
	redistest.WaitFor(t, "Redis to answer", func() bool { return here.Ping(t.Context()) == nil })
	if added, err := cs[0].Add(t.Context(), "k", "here"); added || err != nil {
		t.Errorf("Add again: %v, %v", added, err)
	}
	if v, err := cs[1].GetFresh(t.Context(), "k"); v != "there" || err != nil {
		t.Errorf("the value of another process: %q, %v", v, err)
	}
}
