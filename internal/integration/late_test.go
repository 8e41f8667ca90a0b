package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// hasty are options with a short SoftTimeout.
func hasty() *layered.Options[int] {
	return &layered.Options[int]{SoftTimeout: 20 * time.Millisecond, Jitter: -1, LoadTimeout: time.Hour}
}

// While the source hangs, a stale value in Redis is returned by all processes: by the one
// that loads, and by those that wait for it. The loaded value is kept at the end.
func TestSoftTimeout_sourceHangs(t *testing.T) { inBothModes(t, softSourceHangs) }

func softSourceHangs(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := hasty()
	o.Lease = 300 * time.Millisecond // renewed meanwhile, which causes invalidations
	a, b := build(t, server, o), build(t, server, o)
	putStale(t, a, 1)
	g := newGated(2)
	late := func(h *house) {
		t.Helper()
		f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: g.load})
		if err != nil || f.Value != 1 || !f.Stale || f.Cause != store.ErrSlow {
			t.Errorf("got %+v, %v", f, err)
		}
	}
	late(a)
	<-g.here
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		late(b)
		late(a)
	}
	found, err := b.GetManyOrLoad(t.Context(), []string{"k"}, func(context.Context, []string) (map[string]store.Entry[int], error) {
		t.Error("the batch loads beside the other process")
		return nil, nil
	})
	if err != nil || found["k"].Value != 1 {
		t.Errorf("the batch got %+v, %v", found, err)
	}
	close(g.let)
	for _, h := range []*house{a, b} {
		redistest.WaitFor(t, "what was loaded to be there", func() bool {
			f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: g.load})
			return err == nil && f.Value == 2 && !f.Stale
		})
	}
	if n := a.Counts().Loads + b.Counts().Loads; n != 1 {
		t.Errorf("%d loads", n)
	}
}

// A value that is deleted during the wait is not returned as stale once the process has
// received the invalidation; without an L1, at once.
func TestSoftTimeout_deletedElsewhere(t *testing.T) { inBothModes(t, softDeletedElsewhere) }

func softDeletedElsewhere(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	for name, change := range map[string]func(h *house) error{
		"Delete": func(h *house) error { return h.Delete(t.Context(), "k") },
		"tag":    func(h *house) error { return h.InvalidateTags(t.Context(), "t") },
	} {
		t.Run(name, func(t *testing.T) {
			o := hasty()
			a, b, c := build(t, server, o), build(t, server, o), build(t, server, o)
			bare := &house{Store: tiers(t, nil, redisstore.New(dial(t, server.Addr()), &redisstore.Options[int]{Prefix: "h:"}), o)}
			putStale(t, c, 1)
			row := atomic.Int64{}
			row.Store(2)
			here, let := make(chan struct{}, 100), make(chan struct{})
			load := func(context.Context, string) (store.Entry[int], error) {
				v := row.Load()
				here <- struct{}{}
				<-let
				return store.Entry[int]{Value: int(v), Tags: []string{"t"}}, nil
			}
			for _, h := range []*house{a, b, bare} {
				if f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: load}); err != nil || f.Value != 1 {
					t.Errorf("before the change: %+v, %v", f, err)
				}
			}
			<-here
			row.Store(3)
			if err := change(c); err != nil {
				t.Fatal(err)
			}
			find := func(h *house) (int, error) { // a caller that joins the old load waits for it
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				f, err := h.Find(ctx, "k", layered.Source[int]{Load: load})
				return f.Value, err
			}
			for _, h := range []*house{bare, a, b} {
				redistest.WaitFor(t, "the push", func() bool {
					v, err := find(h)
					if err == nil && v != 3 && h == bare {
						t.Errorf("without an L1, after the change: %d", v)
					}
					return err != nil || v == 3
				})
				if v, err := find(h); err == nil && v != 3 {
					t.Errorf("once it was heard of: %d", v)
				}
			}
			close(let)
			for _, h := range []*house{a, b, bare, c} {
				redistest.WaitFor(t, "the new value", func() bool {
					v, err := find(h)
					if err == nil && v != 3 {
						t.Errorf("after the old load: %d", v)
					}
					return err == nil
				})
			}
			if err := c.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A caller that waits for a load when the key is deleted elsewhere does not fall back on
// the value read before, but on that in Redis: none.
func TestSoftTimeout_deletedWhileWaiting(t *testing.T) { inBothModes(t, softDeletedWhileWaiting) }

func softDeletedWhileWaiting(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := hasty()
	o.SoftTimeout = 2 * time.Second
	a, b := build(t, server, o), build(t, server, o)
	putStale(t, b, 1)
	g := newGated(2)
	answer := make(chan layered.Found[int], 1)
	go func() {
		f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: g.load}) // has the lease
		if err != nil {
			t.Error(err)
		}
		answer <- f
	}()
	<-g.here
	go func() {
		f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(3)}) // waits for the other
		if err != nil || f.Value == 1 {
			t.Errorf("who waited got %+v, %v", f, err)
		}
	}()
	redistest.WaitFor(t, "the other to wait", func() bool { return a.Counts().Waits > 0 })
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(3)}); err != nil || f.Value != 3 {
		t.Errorf("after the Delete: %+v, %v", f, err)
	}
	close(g.let)
	if f := <-answer; f.Value == 1 && !f.Stale {
		t.Errorf("who loaded got %+v", f)
	}
}

// With FinishLoads a load without waiters continues, and others find its result.
func TestFinishLoads_forOtherProcesses(t *testing.T) { inBothModes(t, finishLoadsForOthers) }

func finishLoadsForOthers(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, &layered.Options[int]{FinishLoads: true}), build(t, server, nil)
	g := newGated(2)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := a.Find(ctx, "k", layered.Source[int]{Load: g.load})
		left <- err
	}()
	<-g.here
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(g.let)
	redistest.WaitFor(t, "what was loaded to be there", func() bool {
		f, err := b.Find(t.Context(), "k", layered.Source[int]{})
		return err == nil && f.Value == 2
	})
}

// After a failed batch all processes skip the source, for stale values.
func TestRetryAfter_batchIsKnownToOthers(t *testing.T) { inBothModes(t, retryAfterBatch) }

func retryAfterBatch(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	putStale(t, a, 1)
	found, err := a.GetManyOrLoad(t.Context(), []string{"k", "new"}, func(context.Context, []string) (map[string]store.Entry[int], error) {
		return nil, errors.New("broken")
	})
	if err == nil || len(found) != 1 || found["k"].Value != 1 {
		t.Errorf("got %+v, %v", found, err)
	}
	f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: func(context.Context, string) (store.Entry[int], error) {
		t.Error("the source was asked again at once")
		return store.Entry[int]{}, nil
	}})
	if err != nil || f.Value != 1 || !f.Stale || !errors.Is(f.Cause, store.ErrLoadFailed) {
		t.Errorf("got %+v, %v", f, err)
	}
	if f, err := b.Find(t.Context(), "new", layered.Source[int]{Load: now(5)}); err != nil || f.Value != 5 { // no stale value to return
		t.Errorf("got %+v, %v", f, err)
	}
}

// A load rejected by the budget of the fleet is not tried by others in vain.
func TestLoadBudget_refusalIsKnownToAll(t *testing.T) { inBothModes(t, budgetRefusalIsKnown) }

func budgetRefusalIsKnown(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	for _, stale := range []bool{false, true} {
		t.Run(fmt.Sprintf("stale %v", stale), func(t *testing.T) {
			var asked atomic.Int64
			o := &layered.Options[int]{SoftTimeout: time.Hour, LoadBudget: func(context.Context) error {
				asked.Add(1)
				return errors.New("no more today")
			}}
			a, b := build(t, server, o), build(t, server, o)
			if stale {
				putStale(t, a, 1)
			}
			for i, h := range []*house{a, b, b} {
				f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: now(2)})
				cause := store.ErrLoadFailed // Redis does not keep the reason with a value
				if i == 0 {
					cause = store.ErrOverload
				}
				switch {
				case stale && (err != nil || f.Value != 1 || !f.Stale || !errors.Is(f.Cause, cause)):
					t.Errorf("got %+v, %v", f, err)
				case !stale && !errors.Is(err, store.ErrOverload):
					t.Errorf("got %+v, %v", f, err)
				}
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("the budget was asked %d times", n)
			}
			if err := b.Delete(t.Context(), "k"); err != nil { // ends it
				t.Fatal(err)
			}
			if _, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(2)}); !errors.Is(err, store.ErrOverload) || asked.Load() != 2 {
				t.Errorf("got %v, asked %d times", err, asked.Load())
			}
			if err := b.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A process at its limit of loads does not prevent another one from loading.
func TestMaxLoads_othersLoad(t *testing.T) { inBothModes(t, maxLoadsOthersLoad) }

func maxLoadsOthersLoad(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{MaxLoads: 1, SoftTimeout: 50 * time.Millisecond, Lease: time.Hour}
	a, b := build(t, server, o), build(t, server, o)
	g := newGated(1)
	go a.Find(t.Context(), "other", layered.Source[int]{Load: g.load})
	<-g.here
	if _, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(1)}); !errors.Is(err, store.ErrOverload) {
		t.Errorf("got %v", err)
	}
	want(t, b, now(2), 2, layered.Origin)
	want(t, a, now(3), 2, layered.L2)
	close(g.let)
}

// Processes at their limit get the lease of a key one after the other, but none waits for a
// slot beyond the time that it has waited for others.
func TestMaxLoads_waitsAddUpToOne(t *testing.T) { inBothModes(t, maxLoadsWaits) }

func maxLoadsWaits(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{MaxLoads: 1, SoftTimeout: 2 * time.Second}
	a, b := build(t, server, o), build(t, server, o)
	g := newGated(1)
	for i, h := range []*house{a, b} {
		go h.Find(t.Context(), fmt.Sprint("other ", i), layered.Source[int]{Load: g.load})
		<-g.here
	}
	began := time.Now()
	took := make(chan time.Duration, 2)
	for _, h := range []*house{a, b} {
		go func() {
			if _, err := h.Find(t.Context(), "k", layered.Source[int]{Load: now(1)}); !errors.Is(err, store.ErrOverload) {
				t.Errorf("got %v", err)
			}
			took <- time.Since(began)
		}()
	}
	one, other := <-took, <-took
	if other-one > one*3/4 { // another wait of the same length
		t.Errorf("one waited for %v, the other for %v", one, other)
	}
	close(g.let)
}
