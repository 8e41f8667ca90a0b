package store_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

var ctx = context.Background()

// A plain store has the three methods and nothing else, and fails where fail is set.
type plain struct {
	entries map[string]store.Entry[int]
	fail    map[string]error // by key
}

func newPlain() plain { return plain{map[string]store.Entry[int]{}, map[string]error{}} }

func (p plain) Get(_ context.Context, key string) (store.Entry[int], error) {
	if err := p.fail[key]; err != nil {
		return store.Entry[int]{}, err
	}
	e, ok := p.entries[key]
	if !ok {
		return store.Entry[int]{}, store.ErrNotFound
	}
	return e, e.MissError()
}

func (p plain) Set(_ context.Context, key string, e store.Entry[int]) error {
	if err := p.fail[key]; err != nil {
		return err
	}
	p.entries[key] = e
	return nil
}

func (p plain) Delete(_ context.Context, keys ...string) error {
	for _, key := range keys {
		delete(p.entries, key)
	}
	return nil
}

func TestGetMap_fallback(t *testing.T) {
	s := newPlain()
	s.entries["a"] = store.Entry[int]{Value: 1}
	s.entries["absent"] = store.Entry[int]{Absent: true}
	found, err := store.GetMap(ctx, s, []string{"a", "absent", "nothing", "a"})
	want := map[string]store.Entry[int]{"a": {Value: 1}, "absent": {Absent: true}}
	if err != nil || !reflect.DeepEqual(found, want) {
		t.Errorf("got %v, %v", found, err)
	}
	if found, err := store.GetMap(ctx, s, nil); found == nil || len(found) > 0 || err != nil {
		t.Errorf("of no keys: %#v, %v", found, err)
	}
}

func TestGetMap_fallbackGoesOn(t *testing.T) {
	s := newPlain()
	s.entries["z"] = store.Entry[int]{Value: 1}
	s.fail["a"], s.fail["b"] = store.ErrUnavailable, store.ErrTooLarge
	found, err := store.GetMap(ctx, s, []string{"a", "b", "z"})
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrTooLarge) || found["z"].Value != 1 || len(found) != 1 {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestSetMany_fallback(t *testing.T) {
	s := newPlain()
	s.fail["b"], s.fail["c"] = store.ErrUnavailable, store.ErrTooLarge
	err := store.SetMany(ctx, s, map[string]store.Entry[int]{"a": {Value: 1}, "b": {}, "c": {}, "d": {Value: 4}})
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("the error is %v", err)
	}
	if len(s.entries) != 2 || s.entries["a"].Value != 1 || s.entries["d"].Value != 4 {
		t.Errorf("after two failures the store holds %v", s.entries)
	}
}

func TestTTL_fallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPlain()
		s.entries["hour"] = store.Entry[int]{ExpiresAt: store.In(time.Hour)}
		s.entries["absent"] = store.Entry[int]{ExpiresAt: store.In(time.Minute), Absent: true}
		s.entries["for ever"] = store.Entry[int]{}
		s.fail["broken"] = store.ErrUnavailable
		for key, want := range map[string]struct {
			ttl time.Duration
			err error
		}{
			"hour": {time.Hour, nil}, "absent": {time.Minute, nil}, "for ever": {store.Forever, nil},
			"nothing": {0, store.ErrNotFound}, "broken": {0, store.ErrUnavailable},
		} {
			if ttl, err := store.TTL(ctx, s, key); ttl != want.ttl || err != want.err {
				t.Errorf("%s: %v, %v", key, ttl, err)
			}
		}
	})
}

func TestExists_fallback(t *testing.T) {
	s := newPlain()
	s.entries["value"] = store.Entry[int]{}
	s.entries["absent"] = store.Entry[int]{Absent: true}
	s.fail["broken"] = store.ErrUnavailable
	s.fail["wrapped"] = fmt.Errorf("deep down: %w", store.ErrNotFound)
	for key, want := range map[string]struct {
		ok  bool
		err error
	}{
		"value": {true, nil}, "absent": {false, nil}, "nothing": {false, nil}, "wrapped": {false, nil},
		"broken": {false, store.ErrUnavailable},
	} {
		if ok, err := store.Exists(ctx, s, key); ok != want.ok || err != want.err {
			t.Errorf("%s: %v, %v", key, ok, err)
		}
	}
}

func TestPing_fallback(t *testing.T) {
	if err := store.Ping(ctx, newPlain()); err != nil {
		t.Error(err)
	}
}

func TestUnsupported(t *testing.T) {
	s := newPlain()
	for op, do := range map[string]func() error{
		"clear":           func() error { return store.Clear(ctx, s) },
		"add":             func() error { _, err := store.Add(ctx, s, "k", 1, 0); return err },
		"expire":          func() error { return store.Expire(ctx, s, "k", 1) },
		"delete pattern":  func() error { _, err := store.DeletePattern(ctx, s, "*"); return err },
		"invalidate tags": func() error { return store.InvalidateTags(ctx, s, "t") },
		"stats":           func() error { _, err := store.StatsOf(ctx, s); return err },
	} {
		err := do()
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", op, err)
		}
		if want := "store_test.plain: " + op + ": unsupported operation"; fmt.Sprint(err) != want {
			t.Errorf("the error is %q, want %q", err, want)
		}
	}
}

// Each function uses the capability where the store has it.
func TestCapabilities_used(t *testing.T) {
	s := memstore.NewShared[int](nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Only the method of the store itself can say this.
	for op, do := range map[string]func() error{
		"clear":           func() error { return store.Clear(ctx, s) },
		"add":             func() error { _, err := store.Add(ctx, s, "k", 1, 0); return err },
		"expire":          func() error { return store.Expire(ctx, s, "k", 1) },
		"ttl":             func() error { _, err := store.TTL(ctx, s, "k"); return err },
		"exists":          func() error { _, err := store.Exists(ctx, s, "k"); return err },
		"get many":        func() error { _, err := store.GetMap(ctx, s, nil); return err },
		"set many":        func() error { return store.SetMany(ctx, s, nil) },
		"delete pattern":  func() error { _, err := store.DeletePattern(ctx, s, "*"); return err },
		"invalidate tags": func() error { return store.InvalidateTags(ctx, s, "t") },
		"ping":            func() error { return store.Ping(ctx, s) },
		"stats":           func() error { _, err := store.StatsOf(ctx, s); return err },
	} {
		if err := do(); !errors.Is(err, store.ErrClosed) || !strings.HasPrefix(err.Error(), "memory: "+op) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestDiscard(t *testing.T) {
	s := store.Discard[int]()
	if err := s.Set(ctx, "k", store.Entry[int]{Value: 1}); err != nil {
		t.Error(err)
	}
	if e, err := s.Get(ctx, "k"); err != store.ErrNotFound || e.Value != 0 {
		t.Errorf("Get returned %v, %v", e, err)
	}
	if err := errors.Join(s.Delete(ctx, "k"), store.Clear(ctx, s), store.Ping(ctx, s)); err != nil {
		t.Error(err)
	}
	if found, err := store.GetMap(ctx, s, []string{"k"}); len(found) > 0 || err != nil {
		t.Errorf("GetMany returned %v, %v", found, err)
	}
}

func TestEntry(t *testing.T) {
	for _, c := range []struct {
		expires, stale, now    store.Time
		wantExpired, wantStale bool
	}{
		{0, 0, math.MaxInt64, false, false},
		{10, 0, 9, false, false},
		{10, 0, 10, true, false},
		{10, 5, 4, false, false},
		{10, 5, 5, false, true},
		{10, 5, 11, true, true},
		{-1, -1, 0, true, true},
	} {
		e := store.Entry[int]{ExpiresAt: c.expires, StaleAt: c.stale}
		if e.Expired(c.now) != c.wantExpired || e.Stale(c.now) != c.wantStale {
			t.Errorf("%+v: expired %v, stale %v", c, e.Expired(c.now), e.Stale(c.now))
		}
	}
	absent, value := store.Entry[int]{Absent: true}, store.Entry[int]{}
	if absent.MissError() != store.ErrNotFound || value.MissError() != nil {
		t.Error("MissError is wrong")
	}
}

func TestError(t *testing.T) {
	for want, err := range map[string]*store.Error{
		`redis: get "user:42": unavailable`:  {Store: "redis", Op: "get", Key: "user:42", Err: store.ErrUnavailable},
		`redis: clear: unavailable`:          {Store: "redis", Op: "clear", Err: store.ErrUnavailable},
		`redis: get "a\r\n\xff": not found`:  {Store: "redis", Op: "get", Key: "a\r\n\xff", Err: store.ErrNotFound},
		`redis: get "` + long + `": closed`:  {Store: "redis", Op: "get", Key: long, Err: store.ErrClosed},
		`redis: get "` + long + `...": boom`: {Store: "redis", Op: "get", Key: long + "x", Err: errors.New("boom")},
	} {
		if err.Error() != want {
			t.Errorf("got %s, want %s", err, want)
		}
		if !errors.Is(err, err.Err) {
			t.Errorf("%s is not its cause", err)
		}
	}
}

var long = strings.Repeat("k", 200)

func TestStats_HitRatio(t *testing.T) {
	for want, s := range map[float64]store.Stats{0: {}, 0.75: {Hits: 3, Misses: 1}, 1: {Hits: 2}} {
		if got := s.HitRatio(); got != want {
			t.Errorf("%+v: %v, want %v", s, got, want)
		}
	}
}

func TestView(t *testing.T) {
	ctx := t.Context()
	s := memstore.New[int](nil)
	s.Set(ctx, "k", store.Entry[int]{Value: 1})
	s.Set(ctx, "absent", store.Entry[int]{Absent: true})
	if e, err := store.View(ctx, s, "k"); err != nil || e.Value != 1 {
		t.Errorf("View = %+v, %v", e, err)
	}
	if e, err := store.View(ctx, s, "absent"); err != nil || !e.Absent {
		t.Errorf("View of an absent entry = %+v, %v", e, err)
	}
	if e, err := store.View(ctx, s, "none"); err != store.ErrNotFound || e != nil {
		t.Errorf("View of a miss = %+v, %v", e, err)
	}
}
