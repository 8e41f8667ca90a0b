package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// ahead are options with a refresh after half of the TTL.
func ahead() *layered.Options[int] { return &layered.Options[int]{RefreshAhead: 0.5, Jitter: -1} }

// put writes v to Redis, in the last quarter of its TTL.
func put(t *testing.T, h *house, v int) {
	t.Helper()
	now := store.Now()
	e := store.Entry[int]{Value: v, LoadedAt: now.Add(-3 * time.Hour), ExpiresAt: now.Add(time.Hour), Tags: []string{"t"}}
	if err := h.Set(t.Context(), "k", e); err != nil {
		t.Fatal(err)
	}
}

// putStale writes v to Redis, past its soft expiry.
func putStale(t *testing.T, h *house, v int) {
	t.Helper()
	e := store.Entry[int]{Value: v, StaleAt: store.Now() - 1, ExpiresAt: store.In(time.Hour), Tags: []string{"t"}}
	if err := h.Set(t.Context(), "k", e); err != nil {
		t.Fatal(err)
	}
}

// A gated is a source of one value with loads that report their start and wait.
type gated struct {
	v         int
	here, let chan struct{}
}

func newGated(v int) *gated { return &gated{v, make(chan struct{}, 100), make(chan struct{})} }

func (g *gated) load(ctx context.Context, _ string) (store.Entry[int], error) {
	g.here <- struct{}{}
	select {
	case <-g.let:
		return store.Entry[int]{Value: g.v, Tags: []string{"t"}}, nil
	case <-ctx.Done():
		return store.Entry[int]{}, ctx.Err()
	}
}

// reads fails unless h returns v from tier, fresh or stale.
func reads(t *testing.T, h *house, load layered.Loader[int], v int, tier layered.Tier, stale bool) {
	t.Helper()
	f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: load})
	if err != nil || f.Value != v || f.Tier != tier || f.Stale != stale {
		t.Errorf("got %d from %v, stale %v, %v; want %d from %v, stale %v", f.Value, f.Tier, f.Stale, err, v, tier, stale)
	}
}

// Three processes read a key near the end of its TTL, or past it: one loads it. The others
// do not wait, do not notice until the value is there, and then read Redis once more.
func TestRefresh_oneInTheFleet(t *testing.T) {
	server := redistest.Start(t, nil)
	for _, stale := range []bool{false, true} {
		t.Run(fmt.Sprintf("stale %v", stale), func(t *testing.T) {
			o := ahead()
			o.StaleWhileRevalidate = stale
			var fleet [3]*house
			for i := range fleet {
				fleet[i] = buildQuiet(t, server, o)
			}
			if stale {
				putStale(t, fleet[0], 1)
			} else {
				put(t, fleet[0], 1)
			}
			g := newGated(2)
			monitor := redistest.StartMonitor(t, server)
			for i, h := range fleet {
				reads(t, h, g.load, 1, layered.L2, stale)
				if i == 0 {
					<-g.here
				}
			}
			// All try to claim it, without invalidations.
			redistest.WaitFor(t, "the claim to be asked for", func() bool { return monitor.Count(t, "set", claims) >= 3 })
			var told [3]uint64
			for i, h := range fleet {
				told[i] = h.Counts().Invalidations
			}
			for range 1000 {
				for _, h := range fleet {
					reads(t, h, g.load, 1, layered.L1, stale)
				}
			}
			for i, h := range fleet {
				if n := h.Counts().Invalidations - told[i]; n != 0 {
					t.Errorf("%d: told of %d changes, though nothing has changed", i, n)
				}
			}
			gets := monitor.Count(t, "get", "h:k")
			close(g.let)
			for i, h := range fleet {
				redistest.WaitFor(t, "the new value", func() bool {
					f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: g.load})
					return err == nil && f.Value == 2
				})
				reads(t, h, g.load, 2, layered.L1, false)
				c := h.Counts()
				if want := uint64(1 - min(i, 1)); c.Refreshes != want || c.RefreshErrors != 0 || c.Refused != 0 {
					t.Errorf("%d: counted %+v", i, c)
				}
				if want := uint64(min(i, 1)); c.Invalidations-told[i] != want {
					t.Errorf("%d: told of %d changes, want %d", i, c.Invalidations-told[i], want)
				}
			}
			if n := monitor.Count(t, "get", "h:k") - gets; n != 2 {
				t.Errorf("%d values were read again, want one for each of the others", n)
			}
			if n := len(g.here); n != 0 {
				t.Errorf("%d more loads", n)
			}
		})
	}
}

// M13: a refreshed value is not kept over a change made meanwhile.
func TestRefresh_overtakenByAChangeElsewhere(t *testing.T) { inBothModes(t, refreshOvertakenByAChange) }

func refreshOvertakenByAChange(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	changes := map[string]struct {
		change func(*testing.T, *house) error
		want   int // of a later read, when the source has 3
	}{
		"Delete": {func(t *testing.T, h *house) error { return h.Delete(t.Context(), "k") }, 3},
		"Set": {func(t *testing.T, h *house) error {
			return h.Set(t.Context(), "k", store.Entry[int]{Value: 5, ExpiresAt: store.In(time.Hour)})
		}, 5},
		"MarkStale": {func(t *testing.T, h *house) error { return h.MarkStale(t.Context(), "k") }, 3},
		"BeginWrite": {func(t *testing.T, h *house) error {
			_, err := h.BeginWrite(t.Context(), longHold, "k")
			return err
		}, 3},
		"Refresh": {func(t *testing.T, h *house) error {
			_, err := h.Refresh(t.Context(), "k", layered.Source[int]{Load: now(5)})
			return err
		}, 5},
	}
	for name, c := range changes {
		for _, fenced := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, fenced %v", name, fenced), func(t *testing.T) {
				if _, err := server.Do("FLUSHALL"); err != nil {
					t.Fatal(err)
				}
				a, b := build(t, server, ahead()), build(t, server, nil)
				if !fenced {
					defer mutant.Without(&mutant.NoCompare)()
				}
				put(t, b, 1)
				g := newGated(2)
				reads(t, a, g.load, 1, layered.L2, false)
				<-g.here // the row is 2, and changes after it was read
				if err := c.change(t, b); err != nil {
					t.Fatal(err)
				}
				close(g.let)
				if !fenced { // the control: the race was forced
					redistest.WaitFor(t, "Redis to have the old value", func() bool {
						f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{})
						return err == nil && f.Value == 2
					})
					return
				}
				redistest.WaitFor(t, "the refresh to be refused", func() bool { return a.Counts().Refused > 0 })
				for _, h := range []*house{b, a} {
					if f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(3)}); err != nil || f.Value != c.want {
						t.Errorf("got %d from %v, %v; want %d", f.Value, f.Tier, err, c.want)
					}
				}
			})
		}
	}
}

// A value refreshed before an invalidation is not returned after it, though the record has
// not changed: its stamp is from before the load.
func TestRefresh_overtakenByAnInvalidation(t *testing.T) {
	inBothModes(t, refreshOvertakenByAnInvalidation)
}

func refreshOvertakenByAnInvalidation(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	for name, invalidate := range invalidations {
		for _, fenced := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, fenced %v", name, fenced), func(t *testing.T) {
				if !fenced {
					defer mutant.Without(&mutant.LateStamp)()
				}
				a, b := build(t, server, ahead()), build(t, server, nil)
				put(t, b, 1)
				g := newGated(2)
				reads(t, a, g.load, 1, layered.L2, false)
				<-g.here
				if err := invalidate(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if !fenced { // a late stamp is only wrong when a knows of the invalidation
					notified(t, a, b)
				}
				close(g.let)
				if !fenced { // the control: the race was forced
					redistest.WaitFor(t, "Redis to have the old value", func() bool {
						f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{})
						return err == nil && f.Value == 2
					})
					return
				}
				redistest.WaitFor(t, "the refresh to be refused", func() bool { return a.Counts().Refused > 0 })
				for _, h := range []*house{b, a} {
					if f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{Load: tagged(3, "t")}); err != nil || f.Value != 3 {
						t.Errorf("got %d from %v, %v; want 3", f.Value, f.Tier, err)
					}
				}
			})
		}
	}
}

// notified waits until a was notified of what b has done: notifications keep their order.
func notified(t *testing.T, a, b *house) {
	t.Helper()
	if err := b.Set(t.Context(), "last", store.Entry[int]{Value: 1}); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "L1 to have a copy", func() bool {
		if _, err := a.Find(t.Context(), "last", layered.Source[int]{}); err != nil {
			t.Fatal(err)
		}
		_, ok := a.Lookup(t.Context(), "last")
		return ok
	})
	if err := b.Delete(t.Context(), "last"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the other process to be notified", func() bool {
		_, ok := a.Lookup(t.Context(), "last")
		return !ok
	})
}

// A refresh overtaken by an invalidation does not break the lease of the load that
// followed.
func TestRefresh_invalidationAndLease(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, ahead()), build(t, server, nil)
	put(t, b, 1)
	g, held := newGated(2), newGated(3)
	reads(t, a, g.load, 1, layered.L2, false)
	<-g.here
	if err := b.InvalidateTags(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	answer := make(chan int)
	go func() {
		f, _ := b.Find(t.Context(), "k", layered.Source[int]{Load: held.load})
		answer <- f.Value
	}()
	<-held.here
	close(g.let)
	redistest.WaitFor(t, "the refresh to be refused", func() bool { return a.Counts().Refused > 0 })
	close(held.let)
	if v := <-answer; v != 3 {
		t.Errorf("got %d", v)
	}
	want(t, b, now(9), 3, layered.L1)
	if n := b.Counts().Refused; n != 0 {
		t.Errorf("%d fills were refused", n)
	}
}

// The same for Refresh, which starts again, and then replaces the changed value.
func TestRefresh_beginsAgain(t *testing.T) { inBothModes(t, refreshBeginsAgain) }

func refreshBeginsAgain(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	for name, change := range map[string]func(*house) error{
		"Delete": func(h *house) error { return h.Delete(t.Context(), "k") },
		"Set": func(h *house) error {
			return h.Set(t.Context(), "k", store.Entry[int]{Value: 5, ExpiresAt: store.In(time.Hour)})
		},
		"an older refresh": func(h *house) error {
			_, err := h.Refresh(t.Context(), "k", layered.Source[int]{Load: now(5)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := build(t, server, nil), build(t, server, nil)
			put(t, b, 1)
			loads := 0
			f, err := a.Refresh(t.Context(), "k", layered.Source[int]{Load: func(context.Context, string) (store.Entry[int], error) {
				loads++
				if loads == 1 {
					return store.Entry[int]{Value: 2}, change(b)
				}
				return store.Entry[int]{Value: 3}, nil
			}})
			if err != nil || f.Value != 3 || loads != 2 {
				t.Errorf("got %d, %v after %d loads; want 3 after 2", f.Value, err, loads)
			}
			if f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(9)}); err != nil || f.Value != 3 {
				t.Errorf("the other got %d, %v", f.Value, err)
			}
			want(t, a, now(9), 3, layered.L1)
		})
	}
}

// A process that crashes during a load blocks the others for its claim at most, which it
// renews while it lives.
func TestRefreshAhead_refresherDies(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, ahead()), build(t, server, ahead())
	put(t, b, 1)
	dead, g := newGated(2), newGated(3)
	close(g.let)
	reads(t, a, dead.load, 1, layered.L2, false)
	<-dead.here
	redistest.WaitFor(t, "the claim to be renewed", func() bool { return calls(t, server, "pexpire") >= 2 })
	reads(t, b, g.load, 1, layered.L2, false)
	a.link.Hole(true) // nothing it sends arrives
	redistest.WaitFor(t, "b to load", func() bool {
		f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: g.load})
		return err == nil && f.Value == 3
	})
	a.link.Hole(false)
	close(dead.let)
	redistest.WaitFor(t, "the one who stalled to be refused, or to give up", func() bool {
		c := a.Counts()
		return c.Refused > 0 || c.L2Errors > 0
	})
	if f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{}); err != nil || f.Value != 3 {
		t.Errorf("got %d, %v", f.Value, err)
	}
}

// If another process holds the lease of a stale value, a reader gets that value.
func TestStaleWhileRevalidate_leaseIsTaken(t *testing.T) {
	server := redistest.Start(t, nil)
	o := ahead()
	o.StaleWhileRevalidate = true
	a, b := build(t, server, nil), build(t, server, o)
	putStale(t, b, 1)
	held := newGated(2)
	answer := make(chan int, 1)
	go func() {
		f, _ := a.Find(t.Context(), "k", layered.Source[int]{Load: held.load})
		answer <- f.Value
	}()
	<-held.here
	refresh := newGated(3)
	for _, tier := range []layered.Tier{layered.L2, layered.L1} {
		reads(t, b, refresh.load, 1, tier, true)
	}
	<-refresh.here // it has a claim: the lease is for waiters
	close(held.let)
	if v := <-answer; v != 2 {
		t.Errorf("the holder of the lease got %d", v)
	}
	close(refresh.let)
	redistest.WaitFor(t, "the refresh to be refused", func() bool { return b.Counts().Refused > 0 })
	if f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{}); err != nil || f.Value != 2 {
		t.Errorf("got %d, %v", f.Value, err)
	}
}

// A value made stale on purpose is returned during its load; one that was deleted or set is
// not.
func TestStaleWhileRevalidate_changes(t *testing.T) { inBothModes(t, staleAndChanges) }

func staleAndChanges(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := ahead()
	o.StaleWhileRevalidate = true
	a, b := build(t, server, o), build(t, server, o)
	want(t, a, now(1), 1, layered.Origin)
	want(t, b, now(9), 1, layered.L2)

	if err := a.MarkStale(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	g := newGated(2)
	redistest.WaitFor(t, "b to hear", func() bool { _, ok := b.Local(t.Context(), "k"); return !ok })
	for _, h := range []*house{a, b} {
		// The invalidation of this process's MarkStale may refuse the first copy.
		redistest.WaitFor(t, "L1 to have the stale value", func() bool {
			f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: g.load})
			if err != nil || f.Value != 1 || !f.Stale {
				t.Fatalf("got %+v, %v; want the stale value", f, err)
			}
			return f.Tier == layered.L1
		})
	}
	close(g.let)
	for _, h := range []*house{a, b} {
		redistest.WaitFor(t, "the new value", func() bool {
			f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: g.load})
			return err == nil && f.Value == 2 && !f.Stale
		})
	}

	// Stale in L1 as well; and then removed.
	if err := a.MarkStale(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	held := newGated(3)
	redistest.WaitFor(t, "b to hear", func() bool {
		f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: held.load})
		return err == nil && f.Value == 2 && f.Stale && f.Tier == layered.L1
	})
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	want(t, a, now(4), 4, layered.Origin)
	redistest.WaitFor(t, "b to hear", func() bool {
		f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: held.load})
		return err == nil && f.Value == 4 && !f.Stale
	})
	close(held.let)
}

// Nor is an invalidated value, from any process.
func TestStaleWhileRevalidate_invalidated(t *testing.T) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{StaleWhileRevalidate: true}
	for name, invalidate := range invalidations {
		t.Run(name, func(t *testing.T) {
			a, b := build(t, server, o), build(t, server, o)
			putStale(t, b, 1)
			held := newGated(2)
			defer close(held.let)
			for _, h := range []*house{a, b} {
				for _, tier := range []layered.Tier{layered.L2, layered.L1} {
					reads(t, h, held.load, 1, tier, true)
				}
			}
			if err := invalidate(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			want(t, b, tagged(3, "t"), 3, layered.Origin)
			redistest.WaitFor(t, "the other to hear", func() bool {
				f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: held.load})
				return err == nil && f.Value == 3 && !f.Stale
			})
		})
	}
}

// A disconnected process does not return stale values either.
func TestStaleWhileRevalidate_disconnected(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, &layered.Options[int]{StaleWhileRevalidate: true}), build(t, server, nil)
	stale := store.Entry[int]{Value: 1, StaleAt: store.Now() - 1, ExpiresAt: store.In(time.Hour)}
	if err := b.Set(t.Context(), "k", stale); err != nil {
		t.Fatal(err)
	}
	held := newGated(2)
	defer close(held.let)
	reads(t, a, held.load, 1, layered.L2, true)
	reads(t, a, held.load, 1, layered.L1, true)
	a.link.HoleReplies(true)
	defer a.link.HoleReplies(false)
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "a to ask the source", func() bool {
		f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(3)})
		return err == nil && f.Value == 3 && !f.Stale
	})
}

// A waiter for the lease of another process is woken by a refresh of its own process, for
// which Redis pushes nothing.
func TestRefresh_wakesOwnWaiters(t *testing.T) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{Lease: 30 * time.Minute} // no waiter times out
	a, b := build(t, server, o), build(t, server, o)
	putStale(t, b, 1)
	held := newGated(2)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { a.Find(t.Context(), "k", layered.Source[int]{Load: held.load}) })
	<-held.here
	wg.Go(func() {
		if f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: now(9)}); err != nil || f.Value != 3 {
			t.Errorf("who waited got %d from %v, %v", f.Value, f.Tier, err)
		}
		close(held.let)
	})
	redistest.WaitFor(t, "b to wait", func() bool { return b.Counts().Waits > 0 })
	if f, err := b.Refresh(t.Context(), "k", layered.Source[int]{Load: now(3)}); err != nil || f.Value != 3 {
		t.Errorf("got %d, %v", f.Value, err)
	}
}

// Without a cached value Refresh loads under a lease: the others wait for it.
func TestRefresh_nothingCached(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	g := newGated(1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if f, err := a.Refresh(t.Context(), "k", layered.Source[int]{Load: g.load}); err != nil || f.Value != 1 {
			t.Errorf("got %d, %v", f.Value, err)
		}
	})
	<-g.here
	wg.Go(func() {
		if f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: now(9)}); err != nil || f.Value != 1 || f.Tier != layered.L2 {
			t.Errorf("who waited got %d from %v, %v", f.Value, f.Tier, err)
		}
	})
	// A Refresh does not take the result of a load that another process began before it.
	wg.Go(func() {
		if f, err := b.Refresh(t.Context(), "k", layered.Source[int]{Load: now(2)}); err != nil || f.Value != 2 {
			t.Errorf("the second Refresh got %d from %v, %v", f.Value, f.Tier, err)
		}
	})
	redistest.WaitFor(t, "b to wait", func() bool { return b.Counts().Waits > 0 })
	close(g.let)
}

// All processes skip a failed source for a while.
func TestRefreshAhead_failureIsKnownToAll(t *testing.T) {
	server := redistest.Start(t, nil)
	o := ahead()
	o.RetryAfter = time.Hour
	a, b := build(t, server, o), build(t, server, o)
	put(t, b, 1)
	broken := func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{}, errors.New("broken")
	}
	reads(t, a, broken, 1, layered.L2, false)
	redistest.WaitFor(t, "the refresh to fail", func() bool { return a.Counts().RefreshErrors == 1 })
	monitor := redistest.StartMonitor(t, server)
	redistest.WaitFor(t, "b to ask for the claim", func() bool {
		b.Find(t.Context(), "k", layered.Source[int]{Load: func(context.Context, string) (store.Entry[int], error) {
			t.Error("the source was asked again at once")
			return store.Entry[int]{}, nil
		}})
		return monitor.Count(t, "set", claims) > 0
	})
	if err := b.Delete(t.Context(), "k"); err != nil { // ends the back-off
		t.Fatal(err)
	}
	put(t, b, 1)
	reads(t, b, now(2), 1, layered.L2, false)
	redistest.WaitFor(t, "b to load", func() bool {
		f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: now(2)})
		return err == nil && f.Value == 2
	})
}

// Concurrent reads, refreshes and changes by two processes leave no copy in L1 that differs
// from Redis.
func TestRefresh_coherence(t *testing.T) { inBothModes(t, refreshCoherence) }

func refreshCoherence(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, ahead()), build(t, server, nil)
	ctx := t.Context()
	var row sync.Map
	load := func(_ context.Context, key string) (store.Entry[int], error) {
		v, _ := row.LoadOrStore(key, 0)
		e := store.Entry[int]{Value: v.(int)}
		if v.(int)%3 == 0 { // every third value is due at once
			e.LoadedAt, e.ExpiresAt = store.Now()-10, store.In(time.Minute)
		}
		return e, nil
	}
	refreshes, refused := uint64(0), uint64(0)
	for round := range 150 {
		key := fmt.Sprint("k", round%5)
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				for range 3 {
					a.Find(ctx, key, layered.Source[int]{Load: load})
					if i == 0 {
						a.Refresh(ctx, key, layered.Source[int]{Load: load})
					}
					if i == 1 {
						a.Get(ctx, key)
					}
				}
			})
		}
		wg.Go(func() {
			for i := range 3 {
				row.Store(key, round*10+i+1)
				if _, err := b.Refresh(ctx, key, layered.Source[int]{Load: load}); err != nil {
					t.Error(err)
				}
				if i != 1 {
					continue
				}
				if err := b.Delete(ctx, key); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		soon(t, "the copy of "+key+" to be dropped or right", func() bool {
			held, err := b.FindFresh(ctx, key, layered.Source[int]{Load: load})
			e, ok := a.Local(ctx, key)
			return err == nil && (!ok || e.Value == held.Value && e.Version == held.Version)
		})
		c := a.Counts()
		refreshes, refused = c.Refreshes, c.Refused
	}
	if refreshes < 50 || refused == 0 {
		t.Errorf("%d refreshes, %d refused: the races were not forced", refreshes, refused)
	}
	t.Logf("%d refreshes, %d refused", refreshes, refused)
}

// The race that Redis does not detect, forced: the reply of a read is held back until the
// same process has replaced the value, which causes no invalidation for it.
func TestRefresh_readOfTheOldValueUnderWay(t *testing.T) {
	server := redistest.Start(t, nil)
	gate := &gateCodec{Codec: codec.Msgpack[int64]()}
	l2 := redisstore.New(dial(t, server.Addr()), &redisstore.Options[int64]{Prefix: "h:", Codec: gate})
	s := tiers(t, l1s[int64]()["otterstore"](t), store.Store[int64](l2), nil)
	if err := s.Set(t.Context(), "k", store.Entry[int64]{Value: 1}); err != nil {
		t.Fatal(err)
	}
	here, release := gate.hold()
	done := make(chan int64)
	go func() {
		e, _ := s.Get(t.Context(), "k")
		done <- e.Value
	}()
	<-here
	f, err := s.Refresh(t.Context(), "k", layered.Source[int64]{Load: func(context.Context, string) (store.Entry[int64], error) {
		return store.Entry[int64]{Value: 2}, nil
	}})
	if err != nil || f.Value != 2 {
		t.Errorf("got %d, %v", f.Value, err)
	}
	release()
	if v := <-done; v != 1 {
		t.Errorf("the read under way got %d: the race was not forced", v)
	}
	for range 2 {
		if e, err := s.Get(t.Context(), "k"); err != nil || e.Value != 2 {
			t.Errorf("got %d, %v; want what was loaded anew", e.Value, err)
		}
	}
}
