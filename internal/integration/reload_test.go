package integration_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/redisstore"
)

// A hooked is a Redis in which a hook runs between the read of a value and the decision
// which process loads it.
type hooked struct {
	*redisstore.Store[int]
	hook atomic.Pointer[func()] // runs once
	fill error                  // of a value loaded under a lease
}

func (s *hooked) FillLeased(ctx context.Context, key string, lease uint64, e store.Entry[int]) (store.Entry[int], bool, error) {
	if s.fill != nil {
		return store.Entry[int]{}, false, s.fill
	}
	return s.Store.FillLeased(ctx, key, lease, e)
}

func (s *hooked) happen() {
	if hook := s.hook.Swap(nil); hook != nil {
		(*hook)()
	}
}

func (s *hooked) Lease(ctx context.Context, key string, d time.Duration, not uint64) (store.Grant, error) {
	s.happen()
	return s.Store.Lease(ctx, key, d, not)
}

func (s *hooked) Claim(ctx context.Context, key string, version uint64, d time.Duration) (store.Grant, error) {
	s.happen()
	return s.Store.Claim(ctx, key, version, d)
}

func (s *hooked) Stamp(ctx context.Context) (uint64, error) {
	s.happen()
	return s.Store.Stamp(ctx)
}

// buildHooked builds a house with a hooked Redis.
func buildHooked(t *testing.T, server *redistest.Server, o *layered.Options[int]) (*house, *hooked) {
	t.Helper()
	b, err := otterstore.NewBudget(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	l2 := &hooked{Store: redisstore.New(dial(t, server.Addr()), &redisstore.Options[int]{Prefix: "h:"})}
	return &house{Store: tiers(t, otterstore.New[int](b, nil), store.Store[int](l2), o)}, l2
}

// The ways in which an existing value is loaded again.
var reloadings = map[string]struct {
	put func(*testing.T, *house, int)
	do  func(*testing.T, *house, layered.Source[int])
}{
	"in the background": {put, func(t *testing.T, h *house, src layered.Source[int]) {
		if f, err := h.Find(t.Context(), "k", src); err != nil || f.Value != 1 || f.Tier != layered.L2 || f.Stale {
			t.Errorf("got %+v, %v", f, err)
		}
		redistest.WaitFor(t, "the load", func() bool {
			c := h.Counts()
			return c.Loads > 0 && (c.Refused > 0 || c.NotModified > 0 && c.L1.Sets > 1)
		})
	}},
	"in the foreground": {putStale, func(t *testing.T, h *house, src layered.Source[int]) {
		if _, err := h.Find(t.Context(), "k", src); err != nil {
			t.Error(err)
		}
	}},
	"Refresh": {put, func(t *testing.T, h *house, src layered.Source[int]) {
		if _, err := h.Refresh(t.Context(), "k", src); err != nil {
			t.Error(err)
		}
	}},
}

// trusting loads 3, or reports that the existing value is current.
func trusting(during func()) layered.Source[int] {
	return layered.Source[int]{Load: tagged(3, "t"), Reload: func(context.Context, string, store.Entry[int]) (store.Entry[int], error) {
		during()
		return store.Entry[int]{}, store.ErrNotModified
	}}
}

// A value that is not modified gets a new TTL, in all processes, and keeps its tags.
func TestReloading_notModified(t *testing.T) {
	server := redistest.Start(t, nil)
	for name, way := range reloadings {
		t.Run(name, func(t *testing.T) {
			o := ahead()
			o.TTL = 100 * time.Hour
			a, b := build(t, server, o), build(t, server, nil)
			way.put(t, b, 1)
			old, err := b.Get(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			way.do(t, a, trusting(func() {}))
			for _, h := range []*house{a, b} {
				f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{})
				if life := f.ExpiresAt.Until(); err != nil || f.Value != 1 || f.Stale || life < 99*time.Hour || f.LoadedAt <= old.LoadedAt || len(f.Tags) != 1 {
					t.Errorf("got %+v, %v, with %v to live", f, err, life)
				}
			}
			want(t, a, now(9), 1, layered.L1)
			if c := a.Counts(); c.NotModified != 1 || c.Loads != 1 || c.Refused != 0 {
				t.Errorf("counted %+v", c)
			}
			if err := b.InvalidateTags(t.Context(), "t"); err != nil {
				t.Fatal(err)
			}
			for _, h := range []*house{a, b} {
				if f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(2)}); err != nil || f.Value != 2 {
					t.Errorf("when it was taken back: %d, %v", f.Value, err)
				}
			}
		})
	}
}

// A stale value that expires before the lease ends does so for waiters too; a value that is
// not modified is kept nevertheless.
func TestReloading_aboutToEnd(t *testing.T) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{TTL: time.Hour, Lease: 30 * time.Minute}
	a, b := build(t, server, o), build(t, server, nil)
	if err := b.Set(t.Context(), "k", store.Entry[int]{Value: 1, StaleAt: store.Now() - 1, ExpiresAt: store.In(10 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if f, err := a.Find(t.Context(), "k", trusting(func() {})); err != nil || f.Value != 1 || f.Stale {
		t.Errorf("got %+v, %v", f, err)
	}
	if f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{}); err != nil || f.Value != 1 || f.Stale || f.ExpiresAt.Until() < 50*time.Minute {
		t.Errorf("then %+v, %v", f, err)
	}
}

// A value changed or invalidated after it was read is not kept, whatever the loader
// returns, nor is one changed during the load.
func TestReloading_overtaken(t *testing.T) {
	server := redistest.Start(t, nil)
	changes := map[string]func(context.Context, *house) error{
		"Delete": func(ctx context.Context, h *house) error { return h.Delete(ctx, "k") },
		"Set": func(ctx context.Context, h *house) error {
			return h.Set(ctx, "k", store.Entry[int]{Value: 3, ExpiresAt: store.In(time.Hour), Tags: []string{"t"}})
		},
		"InvalidateTags": invalidations["InvalidateTags"],
		"Clear":          invalidations["Clear"],
	}
	for name, way := range reloadings {
		for change, f := range changes {
			for _, before := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, %s, before %v", name, change, before), func(t *testing.T) {
					if _, err := server.Do("FLUSHALL"); err != nil {
						t.Fatal(err)
					}
					o := ahead()
					o.StaleFor = time.Hour
					a, l2 := buildHooked(t, server, o)
					b := build(t, server, nil)
					way.put(t, b, 1)
					var begun, happened atomic.Bool
					happen := func() {
						if begun.Swap(true) {
							return
						}
						defer happened.Store(true)
						if err := f(t.Context(), b); err != nil {
							t.Error(err)
						}
					}
					load := trusting(func() {})
					if before {
						l2.hook.Store(&happen)
					} else {
						load = trusting(happen)
					}
					if name == "in the background" && before {
						f, err := a.Find(t.Context(), "k", load) // it may notice, and load 3 or nothing
						if err != nil || f.Value != 1 || f.Tier != layered.L2 || f.Stale {
							t.Errorf("got %+v, %v", f, err)
						}
					} else {
						way.do(t, a, load)
					}
					redistest.WaitFor(t, "the change", happened.Load)
					for _, h := range []*house{b, a} {
						if f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{Load: tagged(3, "t")}); err != nil || f.Value != 3 {
							t.Errorf("got %d from %v, %v; want 3", f.Value, f.Tier, err)
						}
					}
				})
			}
		}
	}
}

// If Redis was unreachable, an invalidation before the load would go unnoticed: the value
// is returned and not kept.
func TestReloading_redisFails(t *testing.T) {
	server := redistest.Start(t, nil)
	a, l2 := buildHooked(t, server, nil)
	putStale(t, a, 1)
	l2.fill = &store.Error{Store: "redis", Op: "fill", Err: store.ErrUnavailable}
	if f, err := a.Find(t.Context(), "k", trusting(func() {})); err != nil || f.Value != 1 || f.Stale {
		t.Errorf("got %+v, %v", f, err)
	}
	if e, ok := a.Local(t.Context(), "k"); ok {
		t.Errorf("L1 has %+v", e)
	}
}

// Three processes have copies of a value with a slow load: one loads it, long before it
// expires.
func TestRefreshBeta_oneInTheFleet(t *testing.T) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{RefreshBeta: 1e9, Jitter: -1} // each random time is long past, except once in 10^12
	var fleet [3]*house
	for i := range fleet {
		fleet[i] = buildQuiet(t, server, o)
	}
	e := store.Entry[int]{Value: 1, ExpiresAt: store.In(time.Hour), LoadTime: 30 * time.Second}
	if err := fleet[0].Set(t.Context(), "k", e); err != nil {
		t.Fatal(err)
	}
	g, monitor := newGated(2), redistest.StartMonitor(t, server)
	for i, h := range fleet {
		reads(t, h, g.load, 1, layered.L2, false)
		if i == 0 {
			<-g.here
		}
	}
	redistest.WaitFor(t, "the claim to be asked for", func() bool { return monitor.Count(t, "set", claims) >= 3 })
	for range 100 {
		for _, h := range fleet {
			reads(t, h, g.load, 1, layered.L1, false)
		}
	}
	close(g.let)
	for _, h := range fleet {
		redistest.WaitFor(t, "the new value", func() bool {
			f, err := h.Find(t.Context(), "k", layered.Source[int]{})
			return err == nil && f.Value == 2
		})
	}
	var refreshes uint64
	for _, h := range fleet {
		refreshes += h.Counts().Refreshes
	}
	if n := len(g.here); n != 0 || refreshes != 1 {
		t.Errorf("%d more loads, %d refreshes", n, refreshes)
	}
}
