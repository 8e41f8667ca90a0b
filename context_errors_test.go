package strata_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// A context error returned by a loader is a failure of the source: Default is called. If
// the context of the caller has ended, it is not.
func TestDefault_context(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		for name, window := range map[string]time.Duration{"alone": 0, "in a window": time.Millisecond} {
			asked := 0
			var failure error
			c, err := strata.New(backend(t, cfg), "n", nil, &strata.Options[int, int]{
				BatchWindow: window, RetryAfter: -1,
				LoadMany: func(ctx context.Context, ids []int) (map[int]int, error) {
					if failure != nil {
						return nil, failure
					}
					<-ctx.Done()
					return nil, ctx.Err()
				},
				Default: func(_ int, err error) (int, bool) {
					asked++
					return 7, errors.Is(err, failure)
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, failure = range []error{context.Canceled, context.DeadlineExceeded} {
				if v, err := c.Get(t.Context(), 1); v != 7 || err != nil {
					t.Errorf("%s: Get where the loader fails with %v: %d, %v", name, failure, v, err)
				}
				if vs, err := c.GetMany(t.Context(), []int{1, 2}); vs[1] != 7 || vs[2] != 7 || err != nil {
					t.Errorf("%s: GetMany where the loader fails with %v: %v, %v", name, failure, vs, err)
				}
			}
			failure, asked = nil, 0
			for _, end := range []func() (context.Context, context.CancelFunc){
				func() (context.Context, context.CancelFunc) {
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(20*time.Millisecond, cancel)
					return ctx, cancel
				},
				func() (context.Context, context.CancelFunc) {
					return context.WithTimeout(t.Context(), 20*time.Millisecond)
				},
			} {
				ctx, cancel := end()
				_, err := c.Get(ctx, 3)
				if many, merr := c.GetMany(ctx, []int{4}); len(many) != 0 || !errors.Is(merr, ctx.Err()) || !errors.Is(err, ctx.Err()) {
					t.Errorf("%s: a caller whose context has ended: %v; %v, %v", name, err, many, merr)
				}
				cancel()
			}
			if asked != 0 {
				t.Errorf("%s: Default was asked %d times for callers whose context had ended", name, asked)
			}
		}
	})
}

// A load of a stale value that is cancelled for lack of waiters does not make other
// processes skip the source.
func TestRetryAfter_cancelledLoadElsewhere(t *testing.T) {
	server := redistest.Start(t, nil)
	hang := make(chan context.CancelFunc, 1)
	load := func(ctx context.Context, id int) (int, error) {
		select {
		case leave := <-hang:
			leave()
			<-ctx.Done()
			return 0, ctx.Err()
		default:
			return id, nil
		}
	}
	open := func() *strata.Cache[int, int] {
		c, err := strata.New(backend(t, &strata.Config{RedisURL: server.URL(), Memory: -1}), "n", load, &strata.Options[int, int]{
			TTL: 50 * time.Millisecond, StaleFor: time.Hour, RetryAfter: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, two := open(), open()
	if _, err := one.Get(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the value to become stale", func() bool {
		e, err := one.Tiers().Get(t.Context(), "1")
		return err == nil && e.Stale(store.Now())
	})
	ctx, cancel := context.WithCancel(t.Context())
	hang <- cancel
	if _, err := one.Get(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has left: %v", err)
	}
	redistest.WaitFor(t, "the other process to load", func() bool {
		e, err := two.GetEntry(t.Context(), 1)
		return err == nil && !e.Stale
	})
}

// Every call after Close returns store.ErrClosed.
func TestClose_everyCall(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		b := backend(t, cfg)
		c, err := strata.New(b, "n", func(_ context.Context, id int) (int, error) { return id, nil }, &strata.Options[int, int]{BatchWindow: 0})
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		if _, err := c.Get(ctx, 1); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		token := strata.WithToken(ctx, b.Token())
		first := func(_ any, err error) error { return err }
		for name, err := range map[string]error{
			"Get":              first(c.Get(ctx, 1)),
			"Get with a token": first(c.Get(token, 1)),
			"GetEntry":         first(c.GetEntry(ctx, 1)),
			"GetFresh":         first(c.GetFresh(ctx, 1)),
			"GetMany":          first(c.GetMany(ctx, []int{1, 2})),
			"GetManyEntries":   first(c.GetManyEntries(ctx, []int{1, 2})),
			"Refresh":          first(c.Refresh(ctx, 1)),
			"Warm":             first(c.Warm(ctx, slices.Values([]int{1, 2}), nil)),
			"Set":              c.Set(ctx, 1, 1),
			"SetMany":          c.SetMany(ctx, map[int]int{1: 1}),
			"SetIfNewer":       first(c.SetIfNewer(ctx, 1, 1, 1)),
			"Delete":           c.Delete(ctx, 1),
			"DeleteAndWait":    c.DeleteAndWait(ctx, 1),
			"DeleteHolding":    c.DeleteHolding(ctx, time.Second, 1),
			"DeleteOlder":      c.DeleteOlder(ctx, time.Second, 1, 1),
			"Expire":           c.MarkStale(ctx, 1),
			"Clear":            c.Clear(ctx),
			"BeginWrite":       first(c.BeginWrite(ctx, time.Second, 1)),
			"SaveHot":          c.SaveHot(ctx, 1),
			"WarmHot":          first(c.WarmHot(ctx, 1, nil)),
			"Hottest":          first(c.Hottest(1)),
			"Add":              first(c.Tiers().Add(ctx, "n", 1, 0)),
			"GetOrLoad":        first(c.Tiers().GetOrLoad(ctx, "1", nil)),
			"TTL":              first(c.Tiers().TTL(ctx, "1")),
			"DeletePattern":    first(c.Tiers().DeletePattern(ctx, "*")),
			"Stats":            first(c.Tiers().Stats(ctx)),
			"Tiers.GetMany":    first(c.Tiers().GetMany(ctx, []string{"1"})),
			"Tiers.Ping":       c.Tiers().Ping(ctx),
			"InvalidateTags":   b.InvalidateTags(ctx, "t"),
			"Ping":             b.Ping(ctx),
			"Health":           b.Health().Err(),
			"New":              first(strata.New[int, int](b, "other", nil, nil)),
		} {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Every exported method with a context returns store.ErrClosed after Close, if it returns
// an error.
func TestClose_everyMethod(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		b := backend(t, cfg)
		load := func(_ context.Context, id string) (string, error) { return id, nil }
		c, err := strata.New(b, "n", load, nil)
		if err != nil {
			t.Fatal(err)
		}
		counter, err := strata.NewCounter[string](b, "counter", 0)
		if err != nil {
			t.Fatal(err)
		}
		single, err := strata.NewSingle(b, "single", func(context.Context) (string, error) { return "v", nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		index, err := strata.NewIndex(c, "index", load, func(v string) string { return v }, nil)
		if err != nil {
			t.Fatal(err)
		}
		all := []any{b, c, c.Tiers(), counter, single, index}
		if intent, err := c.BeginWrite(t.Context(), time.Minute, "k"); err == nil {
			all = append(all, intent)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		for _, v := range all {
			for name, call := range methodsOf(v) {
				results := call(t.Context())
				if len(results) == 0 || results[len(results)-1].Type() != reflect.TypeFor[error]() {
					continue
				}
				if err, _ := results[len(results)-1].Interface().(error); !errors.Is(err, store.ErrClosed) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}

// Readers that wait when the backend is closed get store.ErrClosed, whatever they wait for.
func TestClose_readersOfWindowsAndLeases(t *testing.T) {
	server := redistest.Start(t, nil)
	began := make(chan struct{}, 2)
	loadMany := func(ctx context.Context, ids []int) (map[int]int, error) {
		began <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	open := func(window time.Duration) (*strata.Backend, *strata.Cache[int, int]) {
		b := backend(t, &strata.Config{RedisURL: server.URL()})
		c, err := strata.New(b, "n", nil, &strata.Options[int, int]{LoadMany: loadMany, BatchWindow: window})
		if err != nil {
			t.Fatal(err)
		}
		return b, c
	}
	_, holder := open(0)
	held, release := context.WithCancel(t.Context())
	defer release()
	go holder.Get(held, 1)
	<-began // it has the lease
	b, c := open(time.Millisecond)
	gathering, g := open(time.Hour)
	errs := make(chan error, 4)
	go func() { _, err := c.Get(t.Context(), 1); errs <- err }()               // waits for the lease
	go func() { _, err := c.GetMany(t.Context(), []int{1, 1}); errs <- err }() // the same
	go func() { _, err := c.Get(t.Context(), 2); errs <- err }()               // waits for its loader
	go func() { _, err := g.GetEntry(t.Context(), 3); errs <- err }()          // waits for a window to end
	<-began
	redistest.WaitFor(t, "the readers to wait", func() bool { return c.Stats().Waits > 0 && c.Stats().Shared > 0 && g.Stats().Loads > 0 })
	if err := errors.Join(b.Close(), gathering.Close()); err != nil {
		t.Error(err)
	}
	for range cap(errs) {
		if err := <-errs; !errors.Is(err, store.ErrClosed) || errors.Is(err, context.Canceled) {
			t.Errorf("a reader that waits got %v", err)
		}
	}
}
