package layered_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// refreshed refreshes key and returns its value.
func refreshed(t *testing.T, s *layered.Store[int], key string, load layered.Loader[int]) int {
	t.Helper()
	return reloaded(t, s, key, layered.Source[int]{Load: load})
}

// reloaded is refreshed for a source with a Reload.
func reloaded(t *testing.T, s *layered.Store[int], key string, src layered.Source[int]) int {
	t.Helper()
	f, err := s.Refresh(t.Context(), key, src)
	if err != nil || f.Tier != layered.Origin || f.Stale {
		t.Errorf("Refresh: got %+v, %v", f, err)
	}
	return f.Value
}

// Refresh loads whatever is there, which can be read until then.
func TestRefresh(t *testing.T) {
	everyTier(t, layered.Options[int]{}, func(t *testing.T, s *layered.Store[int]) {
		if v := refreshed(t, s, "k", value(1)); v != 1 { // there is nothing
			t.Errorf("got %d", v)
		}
		r := &row{takes: time.Second}
		r.v.Store(2)
		done := make(chan int)
		go func() { done <- refreshed(t, s, "k", r.load) }()
		synctest.Wait()
		hit(t, s, "k", r, 1)
		if v := <-done; v != 2 {
			t.Errorf("got %d", v)
		}
		hit(t, s, "k", r, 2)
		r.loaded(t, 1)
		if c := s.Counts(); c.Refreshes == 0 || c.RefreshErrors != 0 || c.Refused != 0 {
			t.Errorf("counted %+v", c)
		}
	})
}

// Other processes have one more read of L2.
func TestRefresh_notifiesOthers(t *testing.T) {
	shared := memstore.New[int](nil)
	a, b := open(t, memstore.New[int](nil), shared.Peer(), nil), open(t, memstore.New[int](nil), shared.Peer(), nil)
	mustGet(t, a, "k", value(1))
	mustGet(t, b, "k", mustNotLoad(t))
	refreshed(t, a, "k", value(2))
	for _, tier := range []layered.Tier{layered.L2, layered.L1} {
		if f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)}); err != nil || f.Value != 2 || f.Tier != tier {
			t.Errorf("got %d from %v, %v; want 2 from %v", f.Value, f.Tier, err, tier)
		}
	}
	if f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)}); err != nil || f.Value != 2 || f.Tier != layered.L1 {
		t.Errorf("who refreshed got %d from %v, %v", f.Value, f.Tier, err)
	}
}

// Calls at the same time share loads, and each gets the result of one that began after
// it was called.
func TestRefresh_shared(t *testing.T) {
	everyTier(t, layered.Options[int]{}, func(t *testing.T, s *layered.Store[int]) {
		r := &row{}
		mustGet(t, s, "k", r.load)
		r.takes = time.Second
		var wg sync.WaitGroup
		for i := range 10 {
			want := 0
			if i > 0 {
				want = 1
			}
			wg.Go(func() {
				if v := refreshed(t, s, "k", r.load); v != want {
					t.Errorf("%d: got %d, want %d", i, v, want)
				}
			})
			synctest.Wait()
			if i == 0 {
				r.v.Store(1) // the first load has read what was before
			}
		}
		wg.Wait()
		r.loaded(t, 3)
		hit(t, s, "k", r, 1)
	})
}

// A refresh that fails leaves what stands, and is no reason to wait before the next.
func TestRefresh_failure(t *testing.T) {
	everyTier(t, layered.Options[int]{}, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		for _, load := range []layered.Loader[int]{
			failing(errSource),
			func(context.Context, string) (store.Entry[int], error) { panic(errSource) },
		} {
			if f, err := s.Refresh(t.Context(), "k", layered.Source[int]{Load: load}); !errors.Is(err, errSource) || f.Value != 0 {
				t.Errorf("got %+v, %v", f, err)
			}
			hit(t, s, "k", &row{}, 1)
		}
		if v := refreshed(t, s, "k", value(2)); v != 2 {
			t.Errorf("got %d", v)
		}
	})
}

// What the source does not have any more is gone for all.
func TestRefresh_absent(t *testing.T) {
	for name, o := range map[string]layered.Options[int]{"remembered": {}, "not remembered": {AbsentFor: -1}} {
		t.Run(name, func(t *testing.T) {
			everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
				mustGet(t, s, "k", value(1))
				if f, err := s.Refresh(t.Context(), "k", layered.Source[int]{Load: failing(store.ErrNotFound)}); !errors.Is(err, store.ErrNotFound) || !f.Absent {
					t.Errorf("got %+v, %v", f, err)
				}
				if e, err := s.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) || e.Absent != (name == "remembered") {
					t.Errorf("then %+v, %v", e, err)
				}
			})
		})
	}
}

// A change wins over a refresh that it overtakes, which begins again.
func TestRefresh_overtaken(t *testing.T) {
	overtake := func(t *testing.T, s *layered.Store[int], change func() error) {
		mustGet(t, s, "k", value(0))
		loads := 0
		v := refreshed(t, s, "k", func(context.Context, string) (store.Entry[int], error) {
			loads++
			e := store.Entry[int]{Value: loads}
			if loads == 1 { // after the row was read
				return e, change()
			}
			return e, nil
		})
		if v != 2 || loads != 2 {
			t.Errorf("got %d after %d loads, want 2 after 2", v, loads)
		}
		if v := mustGet(t, s, "k", mustNotLoad(t)); v != 2 {
			t.Errorf("then got %d", v)
		}
		if n := s.Counts().Refused; n == 0 {
			t.Error("nothing was refused: the race was not forced")
		}
	}
	five := store.Entry[int]{Value: 5}
	t.Run("Delete elsewhere", func(t *testing.T) {
		s, _, second := tiers(t, nil)
		overtake(t, s, func() error { return second.Peer().Delete(t.Context(), "k") })
	})
	t.Run("Set elsewhere", func(t *testing.T) {
		s, _, second := tiers(t, nil)
		overtake(t, s, func() error { return second.Peer().Set(t.Context(), "k", five) })
	})
	everyTier(t, layered.Options[int]{}, func(t *testing.T, s *layered.Store[int]) {
		overtake(t, s, func() error { return s.Delete(t.Context(), "k") })
		overtake(t, s, func() error { return s.Set(t.Context(), "k", five) })
	})
	t.Run("InvalidateTags", func(t *testing.T) {
		s := open(t, memstore.New[int](nil), nil, nil)
		mustGet(t, s, "k", value(0))
		loads := 0
		v := refreshed(t, s, "k", func(context.Context, string) (store.Entry[int], error) {
			loads++
			e := store.Entry[int]{Value: loads, Tags: []string{"t"}}
			if loads == 1 {
				return e, s.InvalidateTags(t.Context(), "t")
			}
			return e, nil
		})
		if again := mustGet(t, s, "k", mustNotLoad(t)); v != 2 || again != 2 {
			t.Errorf("got %d, then %d; want 2", v, again)
		}
	})
}

// If changes never end, Refresh does, and keeps nothing that one has overtaken.
func TestRefresh_overtakenForEver(t *testing.T) {
	everyTier(t, layered.Options[int]{}, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(0))
		loads := 0
		v := refreshed(t, s, "k", func(context.Context, string) (store.Entry[int], error) {
			loads++
			return store.Entry[int]{Value: loads}, s.Set(t.Context(), "k", store.Entry[int]{Value: 100 + loads})
		})
		if v != loads || loads != 3 {
			t.Errorf("got %d after %d loads", v, loads)
		}
		if e, err := s.Get(t.Context(), "k"); err != nil || e.Value != 103 {
			t.Errorf("the last change was lost: %d, %v", e.Value, err)
		}
	})
}

// The same in the background, which does not begin again; and the fence that it is.
func TestRefreshAhead_overtaken(t *testing.T) {
	for _, fenced := range []bool{true, false} {
		t.Run(fmt.Sprintf("fenced %v", fenced), func(t *testing.T) {
			if !fenced {
				defer mutant.Without(&mutant.NoCompare)()
			}
			synctest.Test(t, func(t *testing.T) {
				s, _, second := tiers(t, &layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1})
				defer s.Close()
				mustGet(t, s, "k", value(0))
				time.Sleep(50 * time.Second)
				mustGet(t, s, "k", slow(time.Second, 1))
				synctest.Wait()
				if err := second.Peer().Set(t.Context(), "k", store.Entry[int]{Value: 2}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				want := 2
				if !fenced {
					want = 1 // the control: the race was forced
				}
				if e, err := second.Get(t.Context(), "k"); err != nil || e.Value != want {
					t.Errorf("L2 has %d, %v; want %d", e.Value, err, want)
				}
				if v := mustGet(t, s, "k", mustNotLoad(t)); v != want {
					t.Errorf("got %d, want %d", v, want)
				}
				if c := s.Counts(); fenced && (c.Refused != 1 || c.Refreshes != 1 || c.RefreshErrors != 0) {
					t.Errorf("counted %+v", c)
				}
			})
		})
	}
}

// A read that has the old value in its hands does not keep it after the refresh: no
// push would ever drop it, since L2 does not tell of our own.
func TestRefresh_readOfTheOldValueUnderWay(t *testing.T) {
	s, first, second := tiers(t, nil)
	mustGet(t, s, "k", value(1))
	first.Clear(t.Context())
	second.get = func(_ string, e store.Entry[int], err error) (store.Entry[int], error) {
		second.get = nil
		refreshed(t, s, "k", value(2))
		return e, err
	}
	if e, err := s.Get(t.Context(), "k"); err != nil || e.Value != 1 {
		t.Errorf("the read under way got %d, %v", e.Value, err)
	}
	if v := mustGet(t, s, "k", mustNotLoad(t)); v != 2 {
		t.Errorf("got %d, want what was loaded anew", v)
	}
}

// If L2 does not say what became of the value, L1 does not trust what it has: L2 may
// have forgotten that it was read.
func TestRefresh_L2Fails(t *testing.T) {
	s, first, second := tiers(t, nil)
	mustGet(t, s, "k", value(1))
	second.replace = func() error {
		if _, _, err := second.Store.Fill(t.Context(), "k", store.Entry[int]{Value: 2}); err != nil {
			return err
		}
		return &store.Error{Store: "l2", Op: "replace", Err: store.ErrUnavailable} // after it was done
	}
	if v := refreshed(t, s, "k", value(2)); v != 2 {
		t.Errorf("got %d", v)
	}
	if _, err := first.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("L1 still has a copy: %v", err)
	}
	if v := mustGet(t, s, "k", mustNotLoad(t)); v != 2 {
		t.Errorf("got %d", v)
	}
	if n := s.Counts().L2Errors; n != 1 {
		t.Errorf("%d failures of L2 counted", n)
	}
}

// If another write always comes right after it, what was loaded is not kept in L1.
func TestRefresh_notWatched(t *testing.T) {
	s, first, second := tiers(t, nil)
	mustGet(t, s, "k", value(1))
	second.unwatched = true
	refreshed(t, s, "k", value(2))
	if _, err := first.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("L1 has a copy: %v", err)
	}
}

// While L2 is away Refresh loads, like every other read.
func TestRefresh_L2Down(t *testing.T) {
	s, _, second := tiers(t, nil)
	mustGet(t, s, "k", value(1))
	down := &store.Error{Store: "l2", Op: "get", Err: store.ErrUnavailable}
	second.get = func(string, store.Entry[int], error) (store.Entry[int], error) { return store.Entry[int]{}, down }
	if v := refreshed(t, s, "k", value(2)); v != 2 {
		t.Errorf("got %d", v)
	}
}

// watchOnly tells of changes and has no other capability.
type watchOnly struct {
	store.Store[int]
	store.Watcher
}

func TestRefresh_unsupported(t *testing.T) {
	m := memstore.New[int](nil)
	tells := watchOnly{m, m}
	for name, o := range map[string]*layered.Options[int]{
		"RefreshAhead":         {RefreshAhead: 0.5},
		"StaleWhileRevalidate": {StaleWhileRevalidate: true},
	} {
		if _, err := layered.New(memstore.New[int](nil), tells, o); err == nil || !strings.Contains(err.Error(), "store.Filler") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := open(t, memstore.New[int](nil), tells, nil)
	for name, err := range map[string]error{
		"no Filler": second(s.Refresh(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)})),
		"no loader": second(open(t, nil, nil, nil).Refresh(t.Context(), "k", layered.Source[int]{})),
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefresh_closed(t *testing.T) {
	everyTier(t, layered.Options[int]{}, func(t *testing.T, s *layered.Store[int]) {
		got := make(chan error, 1)
		go func() { got <- second(s.Refresh(t.Context(), "k", layered.Source[int]{Load: slow(time.Hour, 1)})) }()
		synctest.Wait()
		s.Close()
		if err := <-got; err == nil {
			t.Error("no error from a refresh that was cancelled")
		}
		if _, err := s.Refresh(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)}); !errors.Is(err, store.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Who refreshes may leave; the last one cancels the load.
func TestRefresh_leaves(t *testing.T) {
	everyTier(t, layered.Options[int]{}, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		cancelled := false
		_, err := s.Refresh(ctx, "k", layered.Source[int]{Load: func(ctx context.Context, _ string) (store.Entry[int], error) {
			<-ctx.Done()
			cancelled = true
			return store.Entry[int]{}, ctx.Err()
		}})
		synctest.Wait()
		if !errors.Is(err, context.DeadlineExceeded) || !cancelled {
			t.Errorf("%v, cancelled %v", err, cancelled)
		}
		hit(t, s, "k", &row{}, 1)
	})
}

// A source that lags does not bring an older revision back.
func TestRefresh_olderRevision(t *testing.T) {
	at := func(revision uint64) layered.Loader[int] {
		return func(context.Context, string) (store.Entry[int], error) {
			return store.Entry[int]{Value: int(revision), Revision: revision}, nil
		}
	}
	o := layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1, RetryAfter: 10 * time.Second}
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", at(5))
		for revision, want := range []int{5, 5, 5, 5, 5, 5, 6} { // 0 is of a source that does not tell
			if revision == 0 {
				continue
			}
			if v := refreshed(t, s, "k", at(uint64(revision))); v != revision {
				t.Errorf("Refresh returned %d, want %d", v, revision)
			}
			if v := mustGet(t, s, "k", mustNotLoad(t)); v != want {
				t.Errorf("after one of revision %d got %d, want %d", revision, v, want)
			}
		}
		// In the background it is tried again after a while.
		time.Sleep(50 * time.Second)
		for range 3 {
			mustGet(t, s, "k", at(4))
			synctest.Wait()
		}
		if v := mustGet(t, s, "k", at(4)); v != 6 {
			t.Errorf("in the background: got %d", v)
		}
		refreshes := s.Counts().Refreshes
		time.Sleep(11 * time.Second)
		mustGet(t, s, "k", at(7))
		synctest.Wait()
		if v := mustGet(t, s, "k", mustNotLoad(t)); v != 7 || s.Counts().Refreshes != refreshes+1 {
			t.Errorf("then: got %d after %d refreshes, of which %d before", v, s.Counts().Refreshes, refreshes)
		}
	})
}

// What was loaded before a change of this process that L2 has not heard of is not kept
// in L1, though L2, which knows no better, keeps it.
func TestRefreshAhead_overtakenByAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, second := tiers(t, &layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1})
		defer s.Close()
		mustGet(t, s, "k", value(0))
		time.Sleep(50 * time.Second)
		mustGet(t, s, "k", slow(10*time.Second, 1))
		synctest.Wait()
		down := &store.Error{Store: "l2", Op: "delete", Err: store.ErrUnavailable}
		var up atomic.Bool
		second.del = func() error {
			if up.Load() {
				return nil
			}
			return down
		}
		if err := s.Delete(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		if e, err := second.Store.Get(t.Context(), "k"); err != nil || e.Value != 1 {
			t.Errorf("L2 has %d, %v: the race was not forced", e.Value, err)
		}
		if v := mustGet(t, s, "k", value(2)); v != 2 {
			t.Errorf("who had deleted it got %d", v)
		}
		up.Store(true)
		time.Sleep(5 * time.Second)
		if v := mustGet(t, s, "k", value(3)); v != 3 {
			t.Errorf("when L2 has heard: got %d", v)
		}
	})
}
