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

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

func TestNew_reportsAllMistakes(t *testing.T) {
	noClear := struct{ store.Store[int] }{memstore.New[int](nil)}
	_, err := layered.New(noClear, memstore.New[int](nil), &layered.Options[int]{TTL: -1, StaleFor: -1, L1TTL: -1, Jitter: 2, RefreshAhead: 1, RefreshLimit: -1, RefreshBeta: -1, RevalidateFor: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"TTL -1ns", "StaleFor", "L1TTL", "jitter 2", "RefreshAhead 1", "RefreshLimit -1", "RefreshBeta -1", "RevalidateFor", "Clearer"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not tell of %s: %v", want, err)
		}
	}
}

func TestStore_readPath(t *testing.T) {
	s, first, second := tiers(t, nil)
	find := func(load layered.Loader[int]) layered.Found[int] {
		t.Helper()
		f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: load})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if f := find(value(1)); f.Value != 1 || f.Tier != layered.Origin || f.LoadedAt == 0 {
		t.Errorf("cold: %+v, want 1 from the source", f)
	}
	for tier, c := range map[string]*memstore.Store[int]{"L1": first, "L2": second.Store} {
		if e, err := c.Get(t.Context(), "k"); err != nil || e.Value != 1 {
			t.Errorf("%s keeps %v, %v after a load, want 1", tier, e.Value, err)
		}
	}
	if f := find(mustNotLoad(t)); f.Value != 1 || f.Tier != layered.L1 {
		t.Errorf("warm: %+v, want 1 from L1", f)
	}
	first.Clear(t.Context())
	if f := find(mustNotLoad(t)); f.Value != 1 || f.Tier != layered.L2 {
		t.Errorf("L1 empty: %+v, want 1 from L2", f)
	}
	if f := find(mustNotLoad(t)); f.Tier != layered.L1 {
		t.Errorf("after a hit in L2: from %v, want L1", f.Tier)
	}
	c := s.Counts()
	if c.L1Hits != 2+1 || c.L2Hits != 1 || c.Misses != 1 || c.Loads != 1 { // 1: this test's own look into L1
		t.Errorf("counted %+v, want 3 L1 hits, 1 L2 hit, 1 miss, 1 load", c)
	}
}

func TestStore_everyCombinationOfTiers(t *testing.T) {
	for name, tc := range map[string]struct {
		l1, l2 store.Store[int]
		loads  int64 // of two reads
	}{
		"both":    {memstore.New[int](nil), memstore.New[int](nil), 1},
		"L1 only": {memstore.New[int](nil), nil, 1},
		"L2 only": {nil, memstore.New[int](nil), 1},
		"neither": {nil, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, tc.l1, tc.l2, nil)
			var loads atomic.Int64
			load := func(context.Context, string) (store.Entry[int], error) {
				return store.Entry[int]{Value: int(loads.Add(1))}, nil
			}
			mustGet(t, s, "k", load)
			mustGet(t, s, "k", load)
			if loads.Load() != tc.loads {
				t.Errorf("%d loads, want %d", loads.Load(), tc.loads)
			}
			if err := s.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			if v := mustGet(t, s, "k", value(7)); v != 7 {
				t.Errorf("after Delete: %d, want a new load", v)
			}
		})
	}
}

func TestStore_lifeInL1NeverLongerThanInL2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, second := tiers(t, &layered.Options[int]{TTL: time.Minute, Jitter: -1})
		mustGet(t, s, "k", value(1))
		// Half a minute later the copy in L1 is gone and read from L2 again:
		// its life must not begin anew.
		time.Sleep(30 * time.Second)
		first.Clear(t.Context())
		mustGet(t, s, "k", mustNotLoad(t))
		e1, _ := first.Get(t.Context(), "k")
		e2, _ := second.Get(t.Context(), "k")
		if e1.ExpiresAt != e2.ExpiresAt || e1.ExpiresAt.Until() != 30*time.Second {
			t.Errorf("L1 expires in %v, L2 in %v, want 30s both", e1.ExpiresAt.Until(), e2.ExpiresAt.Until())
		}
		time.Sleep(30 * time.Second)
		if v := mustGet(t, s, "k", value(2)); v != 2 {
			t.Errorf("got %d after the TTL, want a new load", v)
		}
		s.Close()
	})
}

func TestOptions_L1TTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, _ := tiers(t, &layered.Options[int]{TTL: time.Hour, L1TTL: time.Minute, Jitter: -1})
		mustGet(t, s, "k", value(1))
		time.Sleep(time.Minute)
		f, _ := s.Find(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)})
		if f.Tier != layered.L2 {
			t.Errorf("after L1TTL the answer came from %v, want L2", f.Tier)
		}
		// It is a bound, not a life: what L2 keeps for less, L1 keeps no longer.
		short := store.Entry[int]{Value: 1, ExpiresAt: store.In(time.Second)}
		mustGet(t, s, "short", func(context.Context, string) (store.Entry[int], error) { return short, nil })
		if e, _ := first.Get(t.Context(), "short"); e.ExpiresAt != short.ExpiresAt {
			t.Errorf("L1 keeps for %v what L2 keeps for a second", e.ExpiresAt.Until())
		}
		s.Close()
	})
}

func TestOptions_Jitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := tiers(t, &layered.Options[int]{TTL: time.Hour, Jitter: 0.5})
		var lives []time.Duration
		for range 1000 {
			lives = append(lives, s.NewEntry(1, 0).ExpiresAt.Until())
		}
		var sum, least, most time.Duration = 0, time.Hour, 0
		for _, d := range lives {
			sum, least, most = sum+d, min(least, d), max(most, d)
		}
		// Uniform in (30 min, 60 min]: the mean of 1,000 is 45 min +- 17 s (one sigma).
		if mean := sum / 1000; mean < 43*time.Minute || mean > 47*time.Minute || least < 30*time.Minute || most > time.Hour ||
			least > 32*time.Minute || most < 58*time.Minute {
			t.Errorf("lives from %v to %v, mean %v: want 30m to 60m, mean 45m", least, most, mean)
		}
		s.Close()
	})
}

func TestStore_absentIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, _ := tiers(t, &layered.Options[int]{AbsentFor: time.Minute, Jitter: -1})
		var loads int
		none := func(context.Context, string) (store.Entry[int], error) {
			loads++
			return store.Entry[int]{}, fmt.Errorf("no row: %w", store.ErrNotFound)
		}
		for range 3 {
			e, err := s.GetOrLoad(t.Context(), "k", none)
			if !errors.Is(err, store.ErrNotFound) || !e.Absent {
				t.Errorf("got %+v, %v, want an absent entry and ErrNotFound", e, err)
			}
			first.Clear(t.Context()) // L2 remembers too
		}
		if loads != 1 {
			t.Errorf("%d loads of an absent value, want 1", loads)
		}
		time.Sleep(time.Minute)
		s.GetOrLoad(t.Context(), "k", none)
		if loads != 2 {
			t.Errorf("%d loads after AbsentFor, want 2", loads)
		}
		s.Close()
	})
}

func TestStore_answeredButNotKept(t *testing.T) {
	past := func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{Value: 1, ExpiresAt: store.Now() - 1}, nil
	}
	for name, load := range map[string]layered.Loader[int]{
		"expired entry":                      past,
		"not found, with AbsentFor negative": failing(store.ErrNotFound),
		"failed load":                        failing(errSource),
	} {
		t.Run(name, func(t *testing.T) {
			s, first, second := tiers(t, &layered.Options[int]{AbsentFor: -1})
			second.fill = func() error { t.Error("L2 was written to"); return nil }
			s.GetOrLoad(t.Context(), "k", load)
			for _, c := range []*memstore.Store[int]{first, second.Store} {
				if e, err := c.Get(t.Context(), "k"); err != store.ErrNotFound || e.Absent {
					t.Errorf("kept %+v, %v", e, err)
				}
			}
		})
	}
}

func TestStore_staleIsServedWhenTheSourceFails(t *testing.T) {
	for name, tc := range map[string]struct{ l1, l2 store.Store[int] }{
		"both":    {memstore.New[int](nil), memstore.New[int](nil)},
		"L1 only": {memstore.New[int](nil), nil},
		"L2 only": {nil, memstore.New[int](nil)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := layered.New(tc.l1, tc.l2, &layered.Options[int]{TTL: time.Minute, StaleFor: time.Hour, Jitter: -1})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				mustGet(t, s, "k", value(1))
				mustGet(t, s, "k", mustNotLoad(t))
				time.Sleep(time.Minute)
				f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: failing(errSource)})
				if err != nil || f.Value != 1 || !f.Stale || !errors.Is(f.Cause, errSource) {
					t.Errorf("got %+v, %v, want the stale 1 and why", f, err)
				}
				time.Sleep(5 * time.Second) // RetryAfter
				if v := mustGet(t, s, "k", value(2)); v != 2 {
					t.Errorf("got %d once the source is back, want 2", v)
				}
				time.Sleep(time.Minute + time.Hour)
				if _, err := s.Find(t.Context(), "k", layered.Source[int]{Load: failing(errSource)}); !errors.Is(err, errSource) {
					t.Errorf("past the hard expiry: %v, want the error of the source", err)
				}
			})
		})
	}
}

func TestStore_oneLoadForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := tiers(t, nil)
		var loads atomic.Int64
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				e, err := s.GetOrLoad(t.Context(), "k", func(ctx context.Context, key string) (store.Entry[int], error) {
					loads.Add(1)
					return slow(20*time.Millisecond, 1)(ctx, key)
				})
				if err != nil || e.Value != 1 {
					t.Errorf("got %v, %v", e.Value, err)
				}
			})
		}
		wg.Wait()
		if loads.Load() != 1 || s.Counts().Shared != 999 {
			t.Errorf("%d loads, %d shared, want 1 and 999", loads.Load(), s.Counts().Shared)
		}
		s.Close()
	})
}

// A stuck is an L2 whose first Get lasts until its context ends.
type stuck struct {
	*l2
	gets atomic.Int64
}

func (s *stuck) Get(ctx context.Context, key string) (store.Entry[int], error) {
	if s.gets.Add(1) == 1 {
		<-ctx.Done()
		return store.Entry[int]{}, ctx.Err()
	}
	return s.l2.Get(ctx, key)
}

// Who leads reads L2 on a context of his own. When that ends, he leaves at once, and
// the others go on.
func TestStore_leaderLeavesDuringRead(t *testing.T) {
	for name, load := range map[string]layered.Loader[int]{"loader": value(2), "none": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				second := &stuck{l2: &l2{Store: memstore.New[int](nil)}}
				second.Set(t.Context(), "k", store.Entry[int]{Value: 1})
				s := open(t, nil, second, nil)
				began := time.Now()
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if _, err := s.GetOrLoad(ctx, "k", load); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("the leader got %v, want the end of his context", err)
					}
					if d := time.Since(began); d != time.Second {
						t.Errorf("the leader left after %v", d)
					}
				}()
				synctest.Wait()
				if e, err := s.GetOrLoad(t.Context(), "k", load); e.Value != 1 || err != nil {
					t.Errorf("who had joined got %d, %v, want what L2 has", e.Value, err)
				}
				if st := s.Counts(); st.L2Errors != 0 || st.Misses != 0 || st.Loads != 0 {
					t.Errorf("leaving was counted: %+v", st)
				}
				s.Close()
			})
		})
	}
}

func TestStore_loadHasItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := tiers(t, &layered.Options[int]{LoadTimeout: time.Second})
		_, err := s.GetOrLoad(t.Context(), "k", slow(time.Hour, 1))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline of the load", err)
		}
		s.Close()
	})
}

func TestStore_panicInLoaderIsAnError(t *testing.T) {
	s, _, _ := tiers(t, nil)
	_, err := s.GetOrLoad(t.Context(), "k", func(context.Context, string) (store.Entry[int], error) { panic(errSource) })
	if !errors.Is(err, errSource) {
		t.Errorf("got %v, want what the loader panicked with", err)
	}
	if v := mustGet(t, s, "k", value(1)); v != 1 {
		t.Errorf("got %d after a panic, want 1", v)
	}
}

// A failing L2 costs time, not answers; and what was loaded meanwhile lives in
// L1 only as long as may go unheard of.
func TestStore_L2Down(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, second := tiers(t, nil)
		down := &store.Error{Store: "l2", Op: "any", Err: store.ErrUnavailable}
		second.get = func(string, store.Entry[int], error) (store.Entry[int], error) { return store.Entry[int]{}, down }
		second.set = func() error { return down }
		second.del = func() error { return down }
		second.fill = func() error { t.Error("L2 was written to though it could not be read"); return down }

		if v := mustGet(t, s, "k", value(1)); v != 1 {
			t.Errorf("got %d, want 1 from the loader", v)
		}
		if f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)}); err != nil || f.Tier != layered.L1 {
			t.Errorf("got %v, %v, want L1 to serve what was loaded", f.Tier, err)
		}
		if e, _ := first.Get(t.Context(), "k"); e.ExpiresAt.Until() != 2*time.Second {
			t.Errorf("kept in L1 for %v, want MaxDisconnected", e.ExpiresAt.Until())
		}
		if c := s.Counts(); c.L2Errors != 1 {
			t.Errorf("%d failures of L2 counted, want 1", c.L2Errors)
		}
		for op, err := range map[string]error{
			"Set":    s.Set(t.Context(), "k", store.Entry[int]{Value: 2}),
			"Delete": s.Delete(t.Context(), "k"),
		} {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", op, err)
			}
		}
		if v := mustGet(t, s, "k", value(3)); v != 3 {
			t.Errorf("got %d after a failed Delete, want L1 to have dropped its copy", v)
		}
		found, err := s.GetManyOrLoad(t.Context(), []string{"a", "b"}, func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
			return map[string]store.Entry[int]{"a": {Value: 1}, "b": {Value: 2}}, nil
		})
		if err != nil || len(found) != 2 {
			t.Errorf("batch: %v, %v, want both from the loader", found, err)
		}
		s.Close()
	})
}

func TestStore_getWithoutLoader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, second := tiers(t, nil)
		if _, err := s.Get(t.Context(), "k"); err != store.ErrNotFound {
			t.Errorf("miss: %v, want the bare ErrNotFound", err)
		}
		if _, err := s.GetOrLoad(t.Context(), "k", nil); err != store.ErrNotFound {
			t.Errorf("miss with a nil loader: %v, want the bare ErrNotFound", err)
		}
		if e, err := second.Get(t.Context(), "k"); err == nil || e.Absent {
			t.Error("a nil loader made an absent entry")
		}
		second.Store.Set(t.Context(), "k", store.Entry[int]{Value: 1})
		if e, err := s.Get(t.Context(), "k"); err != nil || e.Value != 1 {
			t.Errorf("hit in L2: %v, %v", e.Value, err)
		}
		if e, err := first.Get(t.Context(), "k"); err != nil || e.Value != 1 {
			t.Errorf("Get did not fill L1: %v, %v", e.Value, err)
		}
		s.Close()
	})
}

func TestStore_Close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := tiers(t, nil)
		var ended atomic.Bool
		got := make(chan error, 1)
		go func() {
			_, err := s.GetOrLoad(t.Context(), "k", func(ctx context.Context, _ string) (store.Entry[int], error) {
				<-ctx.Done()
				time.Sleep(time.Second)
				ended.Store(true)
				return store.Entry[int]{}, ctx.Err()
			})
			got <- err
		}()
		synctest.Wait()
		s.Close()
		if !ended.Load() {
			t.Error("Close did not wait for the load")
		}
		if err := <-got; err == nil {
			t.Error("the waiter of a cancelled load got no error")
		}
		ctx := t.Context()
		for op, err := range map[string]error{
			"Get":         second(s.Get(ctx, "k")),
			"GetOrLoad":   second(s.GetOrLoad(ctx, "k", value(1))),
			"GetMany":     second(s.GetMany(ctx, []string{"k"})),
			"GetManyLoad": second(s.GetManyOrLoad(ctx, []string{"k"}, nil)),
			"Set":         s.Set(ctx, "k", store.Entry[int]{}),
			"Delete":      s.Delete(ctx, "k"),
			"Clear":       s.Clear(ctx),
			"Pattern":     second(s.DeletePattern(ctx, "*")),
			"Add":         second(s.Add(ctx, "k", 1, 0)),
			"TTL":         second(s.TTL(ctx, "k")),
			"Exists":      second(s.Exists(ctx, "k")),
			"Expire":      s.Expire(ctx, "k", time.Second),
			"Ping":        s.Ping(ctx),
		} {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("%s after Close: %v, want ErrClosed", op, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }
