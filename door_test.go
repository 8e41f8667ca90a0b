package strata_test

import (
	"context"
	"database/sql"
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

// eachBackend runs test on L1 of both engines alone, on Redis alone, and on both tiers.
func eachBackend(t *testing.T, test func(t *testing.T, b *strata.Backend)) {
	server := redistest.Start(t, nil)
	for name, c := range map[string]*strata.Config{
		"otter":     {},
		"ristretto": {Engine: strata.Ristretto},
		"Redis":     {RedisURL: server.URL(), Memory: -1, Prefix: "l2:"},
		"tiers":     {RedisURL: server.URL(), Prefix: "both:"},
	} {
		t.Run(name, func(t *testing.T) { test(t, backend(t, c)) })
	}
}

// awaitHas waits for what Has reports: Ristretto applies writes in the background.
func awaitHas(t *testing.T, c *strata.Cache[string, string], id string, want bool) {
	t.Helper()
	redistest.WaitFor(t, fmt.Sprintf("Has(%q) to be %v", id, want), func() bool {
		has, err := c.Has(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return has == want
	})
}

func near(got, want time.Duration) bool { return got <= want && got > want-time.Minute }

func TestCache_lifetimes(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		ctx := t.Context()
		c, err := strata.New[string, string](b, "c", nil, &strata.Options[string, string]{TTL: time.Hour, StaleFor: 2 * time.Hour, Jitter: -1})
		if err != nil {
			t.Fatal(err)
		}
		is := func(fresh, kept time.Duration) {
			t.Helper()
			redistest.WaitFor(t, fmt.Sprintf("the TTL to be %v, %v", fresh, kept), func() bool {
				f, k, err := c.TTL(ctx, "a")
				return err == nil && near(f, fresh) && near(k, kept)
			})
		}
		awaitHas(t, c, "a", false)
		if _, _, err := c.TTL(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("TTL of nothing: %v", err)
		}
		if err := c.SetTTL(ctx, "a", time.Hour); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("SetTTL of nothing: %v", err)
		}
		if err := c.Set(ctx, "a", "A"); err != nil {
			t.Fatal(err)
		}
		awaitHas(t, c, "a", true)
		is(time.Hour, 3*time.Hour)
		if err := c.SetTTL(ctx, "a", 10*time.Hour); err != nil {
			t.Fatal(err)
		}
		is(10*time.Hour, 12*time.Hour)
		if err := c.Touch(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		is(time.Hour, 3*time.Hour)
		if err := c.SetFor(ctx, "a", "B", 20*time.Hour); err != nil {
			t.Fatal(err)
		}
		is(20*time.Hour, 22*time.Hour)
		if v, err := c.Get(ctx, "a"); v != "B" || err != nil {
			t.Errorf("Get = %q, %v", v, err)
		}
		for _, ttl := range []time.Duration{0, -1} {
			if err := errors.Join(c.SetTTL(ctx, "a", ttl), c.SetFor(ctx, "a", "C", ttl)); !errors.Is(err, store.ErrRefused) || strings.Count(err.Error(), "not positive") != 2 {
				t.Errorf("TTL %v: %v", ttl, err)
			}
		}
	})
}

func TestCache_Touch_ttlOf(t *testing.T) {
	c, err := strata.New[string, string](backend(t, nil), "c", nil, &strata.Options[string, string]{
		Jitter: -1, TTLOf: func(string, string) time.Duration { return 5 * time.Hour },
	})
	if err == nil {
		err = errors.Join(c.SetFor(t.Context(), "a", "A", 50*time.Hour), c.Touch(t.Context(), "a"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if fresh, kept, err := c.TTL(t.Context(), "a"); !near(fresh, 5*time.Hour) || kept != fresh || err != nil {
		t.Errorf("TTL = %v, %v, %v", fresh, kept, err)
	}
}

func TestCache_DeletePattern(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		ctx := t.Context()
		c, err := strata.New[string, string](b, "c", nil, nil)
		other, oerr := strata.New[string, string](b, "other", nil, nil)
		if err := errors.Join(err, oerr); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"eu:1", "eu:2", "us:1"} {
			if err := errors.Join(c.Set(ctx, id, id), other.Set(ctx, id, id)); err != nil {
				t.Fatal(err)
			}
			awaitHas(t, c, id, true)
			awaitHas(t, other, id, true)
		}
		if n, err := c.DeletePattern(ctx, "eu:*"); n != 2 || err != nil {
			t.Errorf("DeletePattern = %d, %v, want 2", n, err)
		}
		awaitHas(t, c, "eu:1", false)
		awaitHas(t, c, "eu:2", false)
		awaitHas(t, c, "us:1", true)
		awaitHas(t, other, "eu:1", true)
	})
}

func TestNewSingle(t *testing.T) {
	ctx := t.Context()
	var loads atomic.Int64
	load := func(context.Context) (int64, error) { return loads.Add(1), nil }
	s, err := strata.NewSingle(backend(t, nil), "settings", load, nil)
	if err != nil {
		t.Fatal(err)
	}
	is := func(want int64) {
		t.Helper()
		for range 2 {
			if v, err := s.Get(ctx); v != want || err != nil {
				t.Errorf("Get = %d, %v, want %d", v, err, want)
			}
		}
	}
	is(1)
	if err := s.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	is(2)
	if v, err := s.Refresh(ctx); v != 3 || err != nil {
		t.Errorf("Refresh = %d, %v", v, err)
	}
	if err := s.Set(ctx, 100); err != nil {
		t.Fatal(err)
	}
	is(100)
	if has, err := s.Cache().Has(ctx, strata.OnlyID{}); !has || err != nil {
		t.Errorf("Has = %v, %v", has, err)
	}
	none, err := strata.NewSingle[int64](backend(t, nil), "settings", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Get(ctx); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get without a loader: %v", err)
	}
}

// An index finds values by their attribute, and looks again when the attribute has moved.
func TestIndex(t *testing.T) {
	ctx := t.Context()
	rows := map[int64]string{1: "a@x", 2: "b@x"} // id to address
	var finds int
	b := backend(t, nil)
	users, err := strata.New(b, "users", func(_ context.Context, id int64) (string, error) {
		v, ok := rows[id]
		if !ok {
			return "", store.ErrNotFound
		}
		return v, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	find := func(_ context.Context, address string) (int64, error) {
		finds++
		for id, a := range rows {
			if a == address {
				return id, nil
			}
		}
		return 0, store.ErrNotFound
	}
	byAddress, err := strata.NewIndex(users, "users by address", find, func(v string) string { return v }, nil)
	if err != nil {
		t.Fatal(err)
	}
	is := func(address, want string, wantFinds int) {
		t.Helper()
		finds = 0
		v, err := byAddress.Get(ctx, address)
		if want == "" && !errors.Is(err, store.ErrNotFound) || want != "" && (err != nil || v != want) || finds != wantFinds {
			t.Errorf("Get(%q) = %q, %v with %d finds; want %q, %d", address, v, err, finds, want, wantFinds)
		}
	}
	is("a@x", "a@x", 1)
	is("a@x", "a@x", 0)
	is("c@x", "", 1)
	is("c@x", "", 0) // remembered

	rows[1], rows[2] = "b@x", "a@x" // they swap
	if err := users.Delete(ctx, 1, 2); err != nil {
		t.Fatal(err)
	}
	is("a@x", "a@x", 1)
	is("a@x", "a@x", 0)

	delete(rows, 2) // gone, with its address
	if err := users.Delete(ctx, 2); err != nil {
		t.Fatal(err)
	}
	is("a@x", "", 1)

	rows[3] = "c@x" // new
	if err := byAddress.Delete(ctx, "c@x"); err != nil {
		t.Fatal(err)
	}
	is("c@x", "c@x", 1)

	if has, err := byAddress.IDs().Has(ctx, "c@x"); !has || err != nil {
		t.Errorf("Has = %v, %v", has, err)
	}
	if _, err := strata.NewIndex(users, "bad", nil, func(v string) string { return v }, nil); err == nil {
		t.Error("an index without find")
	}
}

// What databases return for a missing row is remembered as absent.
func TestConfig_NotFound(t *testing.T) {
	gone := errors.New("code 5")
	b := backend(t, &strata.Config{NotFound: []error{sql.ErrNoRows}, IsNotFound: func(err error) bool { return err == gone }})
	for name, c := range map[string]struct {
		err    error
		absent bool
	}{
		"one of NotFound": {fmt.Errorf("query: %w", sql.ErrNoRows), true},
		"IsNotFound":      {gone, true},
		"neither":         {errors.New("connection refused"), false},
	} {
		var loads atomic.Int64
		fails := func(context.Context, string) (string, error) { loads.Add(1); return "", c.err }
		for kind, o := range map[string]*strata.Options[string, string]{
			"loader": {},
			"entry": {LoadEntry: func(ctx context.Context, id string) (strata.Loaded[string], error) {
				_, err := fails(ctx, id)
				return strata.Loaded[string]{}, err
			}},
			"many": {LoadMany: func(ctx context.Context, ids []string) (map[string]string, error) {
				_, err := fails(ctx, ids[0])
				return nil, &strata.ManyError[string]{Errors: map[string]error{ids[0]: err}}
			}},
		} {
			loads.Store(0)
			load := fails
			if kind != "loader" {
				load = nil
			}
			cache, err := strata.New(b, name+kind, load, o)
			if err != nil {
				t.Fatal(err)
			}
			_, err = cache.Get(t.Context(), "a")
			if errors.Is(err, store.ErrNotFound) != c.absent || !c.absent && !errors.Is(err, c.err) {
				t.Errorf("%s, %s: first Get: %v", name, kind, err)
			}
			_, err = cache.Get(t.Context(), "a")
			if n := loads.Load(); errors.Is(err, store.ErrNotFound) != c.absent || (n == 1) != c.absent {
				t.Errorf("%s, %s: second Get: %v, after %d loads", name, kind, err, n)
			}
		}
	}
}

// An option that does nothing is a mistake that New reports.
func TestNew_idleOptions(t *testing.T) {
	b := backend(t, nil)
	load := func(context.Context, int64) (string, error) { return "", nil }
	for want, o := range map[string]*strata.Options[int64, string]{
		"StaleWhileRevalidate requires StaleFor":      {StaleWhileRevalidate: true},
		"RevalidateFor requires StaleWhileRevalidate": {RevalidateFor: time.Second},
		"SoftTimeout requires StaleFor, MaxLoads or":  {SoftTimeout: time.Second},
		"BatchSize requires BatchWindow":              {BatchSize: 3},
	} {
		if _, err := strata.New(b, "idle", load, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, o := range map[string]*strata.Options[int64, string]{
		"RefreshAhead requires a loader": {RefreshAhead: 0.5},
		"RefreshBeta requires a loader":  {RefreshBeta: 1},
	} {
		if _, err := strata.New(b, "idle", nil, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	_, err := strata.New[oneWayID, string](b, "idle", nil, &strata.Options[oneWayID, string]{KeepHot: 1})
	if err == nil || !strings.Contains(err.Error(), "KeepHot requires ids that can be read from their keys") {
		t.Error(err)
	}
}

// A oneWayID cannot be read from its text.
type oneWayID struct{ N int }

func (id oneWayID) MarshalText() ([]byte, error) { return fmt.Append(nil, id.N), nil }

func TestOpen_smallMistakes(t *testing.T) {
	for want, c := range map[string]*strata.Config{
		"Config.Memory 64 is in bytes and at least 1048576":        {Memory: 64},
		"Config.NotFound contains nil":                             {NotFound: []error{nil}},
		`Config.Prefix "a\n": must not contain control characters`: {Prefix: "a\n"},
	} {
		if _, err := strata.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A bookingID is an id of several fields.
type bookingID struct {
	Hotel string
	Night int32
	Suite bool
}

// Structs are ids: distinct ones have distinct values, and they come back from keys.
func TestNew_structIDs(t *testing.T) {
	ctx := t.Context()
	load := func(_ context.Context, id bookingID) (string, error) { return fmt.Sprint(id), nil }
	c, err := strata.New(backend(t, nil), "bookings", load, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []bookingID{{}, {"a", 1, true}, {"a:1", 1, true}, {"a", -11, true}, {"a", 1, false}} {
		for range 3 {
			if v, err := c.Get(ctx, id); v != fmt.Sprint(id) || err != nil {
				t.Errorf("Get(%+v) = %q, %v", id, v, err)
			}
		}
	}
	redistest.WaitFor(t, "the hottest id", func() bool {
		for range 500 { // hits are sampled
			if _, err := c.Get(ctx, bookingID{"a:1", 1, true}); err != nil {
				t.Fatal(err)
			}
		}
		hot, err := c.Hottest(1)
		return err == nil && len(hot) == 1 && hot[0].ID == bookingID{"a:1", 1, true}
	})
	type hidden struct{ _ int }
	if _, err := strata.New[hidden, string](backend(t, nil), "x", nil, nil); err == nil || !strings.Contains(err.Error(), "hidden._ is unexported") {
		t.Error(err)
	}
	if _, err := strata.New[pointerID, string](backend(t, nil), "x", nil, nil); err == nil || !strings.Contains(err.Error(), "MarshalText has a pointer receiver: declare it on strata_test.pointerID") {
		t.Error(err)
	}
}

// A pointerID has its MarshalText on the pointer.
type pointerID [2]float32

func (*pointerID) MarshalText() ([]byte, error) { return nil, nil }
