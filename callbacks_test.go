package strata_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

var errCallback = errors.New("panicked on purpose")

// A panicKey panics when it becomes a text, if it is negative.
type panicKey int

func (k panicKey) MarshalText() ([]byte, error) {
	if k < 0 {
		panic(errCallback)
	}
	return fmt.Append(nil, int(k)), nil
}

// A panicObserver panics whenever it is called.
type panicObserver struct{ called atomic.Bool }

func (o *panicObserver) Begin(context.Context, store.Op) context.Context {
	o.called.Store(true)
	panic(errCallback)
}
func (o *panicObserver) End(context.Context, store.Op, store.Result) { panic(errCallback) }

// A panic of a function of Options is an error of the call that needs it, for all waiters,
// and leaves nothing behind that a later call waits for.
func TestOptions_panicIsAnError(t *testing.T) {
	var broken atomic.Bool
	check := func() {
		if broken.Load() {
			panic(errCallback)
		}
	}
	options := map[string]func(o *strata.Options[panicKey, int]){
		"TTLOf": func(o *strata.Options[panicKey, int]) {
			o.TTLOf = func(panicKey, int) time.Duration { check(); return 0 }
		},
		"Tags": func(o *strata.Options[panicKey, int]) { o.Tags = func(panicKey, int) []string { check(); return nil } },
		"RevisionOf": func(o *strata.Options[panicKey, int]) {
			o.RevisionOf = func(panicKey, int) uint64 { check(); return 0 }
		},
		"Clone": func(o *strata.Options[panicKey, int]) { o.Clone = func(v int) int { check(); return v } },
		"LoadBudget": func(o *strata.Options[panicKey, int]) {
			o.LoadBudget = func(context.Context) error { check(); return nil }
		},
		"Default": func(o *strata.Options[panicKey, int]) {
			o.LoadBudget = func(context.Context) error {
				if broken.Load() {
					return errors.New("no")
				}
				return nil
			}
			o.Default = func(panicKey, error) (int, bool) { check(); return 0, false }
		},
	}
	server := redistest.Start(t, nil)
	for _, cfg := range []*strata.Config{{}, {RedisURL: server.URL()}} {
		for name, set := range options {
			t.Run(fmt.Sprintf("%s, Redis %v", name, cfg.RedisURL != ""), func(t *testing.T) {
				b, err := strata.Open(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				o := &strata.Options[panicKey, int]{}
				set(o)
				c, err := strata.New(b, name, func(_ context.Context, id panicKey) (int, error) { return int(id), nil }, o)
				if err != nil {
					t.Fatal(err)
				}
				broken.Store(true)
				calls(t, c)
				broken.Store(false)
				// Shorter than a lease that is not released.
				ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
				defer cancel()
				if got, err := c.GetMany(ctx, []panicKey{1, 2, 3}); err != nil || got[1] != 1 || got[3] != 3 {
					t.Errorf("the next call returned %v, %v", got, err)
				}
			})
		}
	}
}

// calls makes calls that may fail, but must return.
func calls(t *testing.T, c *strata.Cache[panicKey, int]) {
	t.Helper()
	failed := false
	note := func(name string, err error) {
		failed = failed || err != nil
		if err != nil && !errors.Is(err, errCallback) && !errors.Is(err, store.ErrLoadFailed) && !errors.Is(err, store.ErrOverload) {
			t.Errorf("%s returned %v", name, err)
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { _, _ = c.Get(t.Context(), 1) })
	}
	wg.Wait()
	_, err := c.Get(t.Context(), 1)
	note("Get", err)
	_, err = c.GetEntry(t.Context(), 1)
	note("GetEntry", err)
	_, err = c.GetFresh(t.Context(), 1)
	note("GetFresh", err)
	_, err = c.GetMany(t.Context(), []panicKey{1, 2})
	note("GetMany", err)
	_, err = c.GetManyEntries(t.Context(), []panicKey{1, 2})
	note("GetManyEntries", err)
	_, err = c.Refresh(t.Context(), 1)
	note("Refresh", err)
	note("Set", c.Set(t.Context(), 1, 1))
	note("SetMany", c.SetMany(t.Context(), map[panicKey]int{1: 1, 2: 2}))
	_, err = c.SetIfNewer(t.Context(), 1, 1, 1)
	if !errors.Is(err, errors.ErrUnsupported) {
		note("SetIfNewer", err)
	}
	if !failed {
		t.Error("nothing failed: the function was not called")
	}
}

// A value with a failing Tags function does not affect the others in a batch.
func TestOptions_panicOfOneInABatch(t *testing.T) {
	b, err := strata.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := strata.New(b, "batch", nil, &strata.Options[int, int]{
		LoadMany: func(_ context.Context, ids []int) (map[int]int, error) {
			vs := make(map[int]int)
			for _, id := range ids {
				vs[id] = id
			}
			delete(vs, 4)
			return vs, &strata.ManyError[int]{Errors: map[int]error{4: store.ErrOverload}}
		},
		Tags: func(id, _ int) []string {
			if id == 2 {
				panic(errCallback)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.GetMany(t.Context(), []int{1, 2, 3, 4})
	many := store.AsManyError[int](err)
	if len(got) != 2 || got[1] != 1 || got[3] != 3 || many == nil || !errors.Is(many.Errors[2], errCallback) || !errors.Is(many.Errors[4], store.ErrOverload) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestKey_panicIsAnError(t *testing.T) {
	b, err := strata.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := strata.New(b, "keys", func(_ context.Context, id panicKey) (int, error) { return int(id), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), -1); !errors.Is(err, store.ErrInvalidKey) || !errors.Is(err, errCallback) {
		t.Errorf("Get returned %v", err)
	}
	if got, err := c.GetMany(t.Context(), []panicKey{-1, 2}); got[2] != 2 || !errors.Is(err, store.ErrInvalidKey) {
		t.Errorf("GetMany returned %v, %v", got, err)
	}
}

// A panic of an Observer has no effect.
func TestObserver_panics(t *testing.T) {
	o := &panicObserver{}
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: redistest.Start(t, nil).URL(), Observer: o})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := strata.New(b, "observed", func(_ context.Context, id int) (int, error) { return id, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(t.Context(), 1); got != 1 || err != nil {
		t.Errorf("Get returned %v, %v", got, err)
	}
	if got, err := c.GetMany(t.Context(), []int{1, 2, 3}); len(got) != 3 || err != nil {
		t.Errorf("GetMany returned %v, %v", got, err)
	}
	if err := c.Delete(t.Context(), 1); err != nil || !o.called.Load() {
		t.Errorf("Delete returned %v", err)
	}
}

// A nilError is an error whose methods panic if it is nil.
type nilError struct{ inner error }

func (e *nilError) Error() string { return e.inner.Error() }
func (e *nilError) Unwrap() error { return e.inner }

// A loader that returns a nil pointer as its error has failed: it does not end the program,
// and stale values are returned.
func TestLoader_nilPointerAsError(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		var broken atomic.Bool
		load := func(context.Context, int) (int, error) {
			if broken.Load() {
				return 0, (*nilError)(nil)
			}
			return 7, nil
		}
		many := func(ctx context.Context, ids []int) (map[int]int, error) {
			v, err := load(ctx, 0)
			if err != nil {
				return nil, err
			}
			return map[int]int{1: v, 2: v}, nil
		}
		for name, o := range map[string]*strata.Options[int, int]{
			"alone": {}, "batch": {LoadMany: many}, "window": {LoadMany: many, BatchWindow: time.Millisecond},
			"background": {StaleWhileRevalidate: true},
		} {
			o.TTL, o.StaleFor, o.RetryAfter = time.Millisecond, time.Hour, -1
			broken.Store(false)
			c, err := strata.New(backend(t, cfg), name, load, o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.GetMany(t.Context(), []int{1, 2}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
			broken.Store(true)
			for range 3 {
				if v, err := c.Get(t.Context(), 1); v != 7 || err != nil {
					t.Errorf("%s: Get: %d, %v", name, v, err)
				}
				if vs, err := c.GetMany(t.Context(), []int{1, 2}); vs[1] != 7 || vs[2] != 7 || err != nil {
					t.Errorf("%s: GetMany: %v, %v", name, vs, err)
				}
			}
			var p *store.PanicError
			if v, err := c.Get(t.Context(), 3); !errors.As(err, &p) {
				t.Errorf("%s: Get without a stale value: %d, %v", name, v, err)
			}
			if vs, err := c.GetMany(t.Context(), []int{3, 4}); !errors.As(err, &p) {
				t.Errorf("%s: GetMany without a stale value: %v, %v", name, vs, err)
			}
		}
	})
}
