package layered_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// A row is what a source has under every key.
type row struct {
	v, loads atomic.Int64
	takes    time.Duration
	err      error
}

func (r *row) load(ctx context.Context, _ string) (store.Entry[int], error) {
	r.loads.Add(1)
	v := r.v.Load()
	select {
	case <-time.After(r.takes):
	case <-ctx.Done():
		return store.Entry[int]{}, ctx.Err()
	}
	return store.Entry[int]{Value: int(v)}, r.err
}

// loaded fails unless there have been so many loads.
func (r *row) loaded(t *testing.T, want int64) {
	t.Helper()
	if n := r.loads.Load(); n != want {
		t.Errorf("%d loads, want %d", n, want)
	}
}

// hit fails unless key is answered by L1 at once.
func hit(t *testing.T, s *layered.Store[int], key string, r *row, want int) {
	t.Helper()
	began := time.Now()
	f, err := s.Find(t.Context(), key, layered.Source[int]{Load: r.load})
	if err != nil || f.Value != want || f.Tier != layered.L1 || f.Stale {
		t.Errorf("got %+v, %v; want %d, fresh, from L1", f, err, want)
	}
	if d := time.Since(began); d > 0 {
		t.Errorf("it took %v", d)
	}
}

// everyTier runs f in a bubble with a store of every combination of tiers that has
// an L1, which f need not close.
func everyTier(t *testing.T, o layered.Options[int], f func(*testing.T, *layered.Store[int])) {
	for name, l2 := range map[string]store.Store[int]{
		"L1 alone":            nil,
		"two tiers":           memstore.New[int](nil),
		"L2 tells of nothing": &plain{m: memstore.New[int](nil)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := layered.New(memstore.New[int](nil), l2, &o)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				f(t, s)
			})
		})
	}
}

// A value that is read all the time is loaded anew once in each life, and nobody waits.
func TestRefreshAhead(t *testing.T) {
	o := layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.8, Jitter: -1}
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		r := &row{takes: time.Second}
		mustGet(t, s, "k", r.load) // from 0 s to 1 s
		for life := range 3 {
			r.v.Add(1)
			time.Sleep(79*time.Second - time.Millisecond)
			hit(t, s, "k", r, life)
			r.loaded(t, int64(life+1))
			time.Sleep(time.Millisecond) // 80 s after the load began
			for range 10 {
				hit(t, s, "k", r, life)
				synctest.Wait()
			}
			r.loaded(t, int64(life+2))
			time.Sleep(time.Second - time.Millisecond)
			hit(t, s, "k", r, life) // the load is about to end
			time.Sleep(time.Millisecond)
			synctest.Wait()
			hit(t, s, "k", r, life+1)
		}
		r.loaded(t, 4)
		if c := s.Counts(); c.Refreshes != 3 || c.RefreshErrors != 0 || c.Refused != 0 || c.Misses != 1 {
			t.Errorf("counted %+v", c)
		}
	})
}

// Without the option, or in the absence of readers, nothing is loaded ahead.
func TestRefreshAhead_off(t *testing.T) {
	for name, o := range map[string]layered.Options[int]{
		"off":        {TTL: 100 * time.Second, Jitter: -1},
		"no readers": {TTL: 100 * time.Second, Jitter: -1, RefreshAhead: 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
				r := &row{}
				mustGet(t, s, "k", r.load)
				if name == "off" {
					time.Sleep(100*time.Second - time.Millisecond)
					hit(t, s, "k", r, 0)
				} else {
					time.Sleep(time.Hour)
				}
				synctest.Wait()
				r.loaded(t, 1)
			})
		})
	}
}

// The time to load anew is chosen when the copy is made: at a share of the whole life,
// less a part of it at random.
func TestRefreshAhead_chosenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, second := tiers(t, &layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.8, L1TTL: 10 * time.Second})
		defer s.Close()
		now := store.Now()
		least, most := 100*time.Second, time.Duration(0)
		at := func(key string) time.Duration {
			e, err := first.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			return e.RefreshAt.Sub(now)
		}
		for i := range 1000 {
			key := fmt.Sprint(i)
			second.Store.Set(t.Context(), key, store.Entry[int]{LoadedAt: now, ExpiresAt: now.Add(100 * time.Second)})
			mustGet(t, s, key, mustNotLoad(t))
			least, most = min(least, at(key)), max(most, at(key))
			if was := at(key); was != at(key) {
				t.Fatal("a read has moved it")
			}
		}
		if least < 72*time.Second || least > 73*time.Second || most > 80*time.Second || most < 79*time.Second {
			t.Errorf("from %v to %v, want 72 s to 80 s", least, most)
		}
	})
}

// The life of a copy that comes from L2 began when it was loaded, by whomever.
func TestRefreshAhead_ofWhatLifeIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, second := tiers(t, &layered.Options[int]{RefreshAhead: 0.5, Jitter: -1})
		defer s.Close()
		now := store.Now()
		in := func(d time.Duration) store.Time { return now.Add(d) }
		for i, c := range []struct {
			loaded, stale, expires store.Time
			want                   store.Time
		}{
			{in(-40 * time.Second), 0, in(60 * time.Second), in(10 * time.Second)},
			{in(-40 * time.Second), in(60 * time.Second), in(time.Hour), in(10 * time.Second)},
			{in(-40 * time.Second), in(60 * time.Second), 0, in(10 * time.Second)},
			{in(-80 * time.Second), 0, in(20 * time.Second), in(-30 * time.Second)}, // long due
			{0, 0, in(60 * time.Second), in(30 * time.Second)},                      // not known: what is left
			{in(time.Hour), 0, in(60 * time.Second), in(30 * time.Second)},          // a clock that is ahead
			{in(-time.Second), 0, 0, 0},                                             // without end
		} {
			key := fmt.Sprint(i)
			second.Store.Set(t.Context(), key, store.Entry[int]{LoadedAt: c.loaded, StaleAt: c.stale, ExpiresAt: c.expires})
			s.Get(t.Context(), key)
			if e, err := first.Get(t.Context(), key); err != nil || e.RefreshAt != c.want {
				t.Errorf("%d: to be loaded anew in %v, %v; want in %v", i, e.RefreshAt.Sub(now), err, c.want.Sub(now))
			}
		}
		// What L2 has not heard of is not refreshed: there is nothing to replace.
		down := &store.Error{Store: "l2", Op: "get", Err: store.ErrUnavailable}
		second.get = func(string, store.Entry[int], error) (store.Entry[int], error) { return store.Entry[int]{}, down }
		mustGet(t, s, "unheard", value(1))
		if e, err := first.Get(t.Context(), "unheard"); err != nil || e.RefreshAt != 0 {
			t.Errorf("a copy that L2 does not know of: %v, %v", e.RefreshAt, err)
		}
	})
}

// What was set without an L2 is loaded anew as well.
func TestRefreshAhead_afterSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.New[int](nil), nil, &layered.Options[int]{RefreshAhead: 0.5, Jitter: -1})
		defer s.Close()
		r := &row{}
		s.Set(t.Context(), "k", store.Entry[int]{Value: 7, ExpiresAt: store.In(time.Minute)})
		time.Sleep(30 * time.Second)
		hit(t, s, "k", r, 7)
		synctest.Wait()
		hit(t, s, "k", r, 0)
	})
}

// A source that failed is left alone for a while, and what stands is served.
func TestRefreshAhead_failure(t *testing.T) {
	o := layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1, RetryAfter: 10 * time.Second}
	failures := map[string]func(context.Context, string) (store.Entry[int], error){
		"error": failing(errSource),
		"panic": func(context.Context, string) (store.Entry[int], error) { panic(errSource) },
		"too long": func(ctx context.Context, _ string) (store.Entry[int], error) {
			<-ctx.Done()
			return store.Entry[int]{}, ctx.Err()
		},
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			o.LoadTimeout = time.Second
			everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
				var tries atomic.Int64
				load := func(ctx context.Context, key string) (store.Entry[int], error) {
					tries.Add(1)
					return fail(ctx, key)
				}
				mustGet(t, s, "k", value(1))
				time.Sleep(50 * time.Second)
				read := func(want int64) {
					t.Helper()
					if v := mustGet(t, s, "k", load); v != 1 {
						t.Errorf("got %d", v)
					}
					time.Sleep(2 * time.Second) // the load ends
					if n := tries.Load(); n != want {
						t.Errorf("%d tries, want %d", n, want)
					}
				}
				read(1)
				read(1)
				time.Sleep(10 * time.Second)
				read(2)
				if c := s.Counts(); c.Refreshes != 2 || c.RefreshErrors != 2 || c.StaleServed != 0 {
					t.Errorf("counted %+v", c)
				}
			})
		})
	}
}

func TestRefreshAhead_retriedAtOnce(t *testing.T) {
	o := layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1, RetryAfter: -1}
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		r := &row{err: errSource}
		mustGet(t, s, "k", value(1))
		time.Sleep(50 * time.Second)
		for range 5 {
			hit(t, s, "k", r, 1)
			synctest.Wait()
		}
		r.loaded(t, 5)
	})
}

// No more than RefreshLimit are loaded in the background at the same time.
func TestRefreshAhead_bounded(t *testing.T) {
	o := layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1, RefreshLimit: 3}
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		for i := range 20 {
			mustGet(t, s, fmt.Sprint(i), value(0))
		}
		time.Sleep(50 * time.Second)
		var now, most, loads atomic.Int64
		load := func(ctx context.Context, key string) (store.Entry[int], error) {
			loads.Add(1)
			most.Store(max(most.Load(), now.Add(1))) // they begin one after the other
			defer now.Add(-1)
			return slow(time.Second, 1)(ctx, key)
		}
		for range 100 {
			for i := range 20 {
				mustGet(t, s, fmt.Sprint(i), load)
				synctest.Wait()
			}
			time.Sleep(100 * time.Millisecond)
		}
		if most.Load() != 3 || loads.Load() != 20 {
			t.Errorf("%d loads, at most %d at the same time; want 20 and 3", loads.Load(), most.Load())
		}
	})
}

type valueKey struct{}

// A load in the background has the values of the caller's context, and a deadline of
// its own; that the caller has left does not concern it.
func TestRefreshAhead_context(t *testing.T) {
	o := layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1, LoadTimeout: 7 * time.Second}
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		time.Sleep(50 * time.Second)
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "kept"))
		done := false
		s.GetOrLoad(ctx, "k", func(ctx context.Context, key string) (store.Entry[int], error) {
			if at, ok := ctx.Deadline(); !ok || time.Until(at) != 7*time.Second || ctx.Value(valueKey{}) != "kept" {
				t.Errorf("deadline %v, %v, value %v", at, ok, ctx.Value(valueKey{}))
			}
			e, err := slow(time.Second, 2)(ctx, key)
			done = err == nil
			return e, err
		})
		cancel()
		time.Sleep(2 * time.Second)
		if v := mustGet(t, s, "k", nil); v != 2 || !done {
			t.Errorf("got %d", v)
		}
	})
}

// Close cancels what is loaded in the background, and waits for it.
func TestRefreshAhead_Close(t *testing.T) {
	o := layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1, StaleWhileRevalidate: true}
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		time.Sleep(50 * time.Second)
		var ended atomic.Bool
		mustGet(t, s, "k", func(ctx context.Context, _ string) (store.Entry[int], error) {
			<-ctx.Done()
			time.Sleep(time.Second) // it does not hurry
			ended.Store(true)
			return store.Entry[int]{}, ctx.Err()
		})
		synctest.Wait()
		s.Close()
		if !ended.Load() {
			t.Error("Close did not wait")
		}
		if _, err := s.GetOrLoad(t.Context(), "k", mustNotLoad(t)); !errors.Is(err, store.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A source that says that there is nothing, or that the value is not to be kept, takes
// what stood with it.
func TestRefreshAhead_nothingToKeep(t *testing.T) {
	for name, load := range map[string]layered.Loader[int]{
		"not found, not remembered": failing(store.ErrNotFound),
		"do not keep": func(context.Context, string) (store.Entry[int], error) {
			return store.Entry[int]{Value: 2, ExpiresAt: 1}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1, AbsentFor: -1}
			everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
				mustGet(t, s, "k", value(1))
				time.Sleep(50 * time.Second)
				mustGet(t, s, "k", load)
				synctest.Wait()
				if v := mustGet(t, s, "k", value(3)); v != 3 {
					t.Errorf("got %d, which the source does not have any more", v)
				}
			})
		})
	}
}

// A batch has what is due of it loaded anew by one call.
func TestRefreshAhead_batch(t *testing.T) {
	o := layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1}
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		ctx := t.Context()
		var b batches
		for range 2 {
			if _, err := s.GetManyOrLoad(ctx, []string{"1", "2", "none"}, b.load); err != nil {
				t.Fatal(err)
			}
		}
		s.Separate(ctx, "1", "2")
		time.Sleep(49 * time.Second) // and one for the load
		mustGet(t, s, "3", value(3)) // is not due
		for range 3 {
			began := time.Now()
			found, err := s.GetManyOrLoad(ctx, []string{"1", "2", "3", "1"}, b.load)
			if got := valuesOf(found); got != "1=1 2=2 3=3" || err != nil || time.Since(began) > 0 {
				t.Errorf("got %s, %v after %v", got, err, time.Since(began))
			}
			synctest.Wait()
		}
		time.Sleep(time.Second)
		if got := fmt.Sprint(b.calls); got != "[[1 2 none] [1 2]]" {
			t.Errorf("loads: %s", got)
		}
		if n := s.Counts().Refreshes; n != 2 {
			t.Errorf("%d refreshes", n)
		}
	})
}

// A batch whose values are in L2 alone refreshes those that are due, and loads what is
// missing, in any order.
func TestRefreshAhead_batchInL2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, _ := tiers(t, &layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1})
		defer s.Close()
		mustGet(t, s, "due", value(1))
		time.Sleep(60 * time.Second)
		mustGet(t, s, "fresh", value(2))
		first.Clear(t.Context())
		src := layered.Source[int]{LoadMany: func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
			found := make(map[string]store.Entry[int])
			for _, key := range ks {
				found[key] = store.Entry[int]{Value: 10 + len(key)}
			}
			return found, nil
		}}
		ks, want := []string{"new", "due", "fresh", "newer"}, []int{13, 1, 2, 15}
		s.FindMany(t.Context(), ks, src, func(i int, f *layered.Found[int], err error) {
			if err != nil || f.Value != want[i] {
				t.Errorf("%s: got %+v, %v", ks[i], f, err)
			}
		})
		synctest.Wait()
		mustGet(t, s, "due", mustNotLoad(t))
		if e, err := s.Get(t.Context(), "due"); e.Value != 13 || err != nil {
			t.Errorf("after the refresh: %+v, %v", e, err)
		}
		if n := s.Counts().Refreshes; n != 1 {
			t.Errorf("%d refreshes", n)
		}
	})
}

// Without an L1 it is L2 that answers, and what it answers with is looked at as well.
func TestRefreshAhead_L2Alone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, nil, memstore.New[int](nil), &layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1})
		defer s.Close()
		r := &row{}
		mustGet(t, s, "k", r.load)
		time.Sleep(50 * time.Second)
		r.v.Store(1)
		for want := range 2 {
			if v := mustGet(t, s, "k", r.load); v != want {
				t.Errorf("got %d, want %d", v, want)
			}
			synctest.Wait()
		}
		r.loaded(t, 2)
		time.Sleep(50 * time.Second)
		r.v.Store(2)
		for want := 1; want <= 2; want++ {
			found, err := s.GetManyOrLoad(t.Context(), []string{"k"}, func(ctx context.Context, ks []string) (map[string]store.Entry[int], error) {
				e, err := r.load(ctx, ks[0])
				return map[string]store.Entry[int]{"k": e}, err
			})
			if err != nil || found["k"].Value != want {
				t.Errorf("got %v, %v; want %d", found, err, want)
			}
			synctest.Wait()
		}
		r.loaded(t, 3)
	})
}

// Of several processes that read one key one loads it anew, and the others need one
// more read of L2 each. One that died with its claim holds them up for Lease.
func TestRefreshAhead_fleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New[int](nil)
		o := &layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1}
		var fleet [3]*layered.Store[int]
		r := &row{}
		for i := range fleet {
			fleet[i] = open(t, memstore.New[int](nil), shared.Peer(), o)
			defer fleet[i].Close()
			mustGet(t, fleet[i], "k", r.load)
		}
		read := func(want int, loads int64) {
			t.Helper()
			for _, s := range fleet {
				hit(t, s, "k", r, want)
			}
			synctest.Wait()
			r.loaded(t, loads)
		}
		time.Sleep(50 * time.Second)
		r.takes = time.Second
		r.v.Store(1)
		for range 10 {
			read(0, 2)
			time.Sleep(99 * time.Millisecond)
		}
		time.Sleep(time.Second)
		var refreshed, rest int
		for i, s := range fleet {
			f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)})
			if err != nil || f.Value != 1 {
				t.Errorf("%d: got %d, %v", i, f.Value, err)
			}
			c := s.Counts()
			switch {
			case c.Refreshes == 1 && f.Tier == layered.L1:
				refreshed++
			case c.Refreshes == 0 && f.Tier == layered.L2 && c.Invalidations == 1:
				rest++
			}
			if c.Refused != 0 {
				t.Errorf("%d: %d were refused", i, c.Refused)
			}
		}
		if refreshed != 1 || rest != 2 {
			t.Errorf("%d have refreshed it, %d have read it again; want 1 and 2", refreshed, rest)
		}
		read(1, 2)

		e, _ := shared.Get(t.Context(), "k")
		time.Sleep(e.LoadedAt.Add(50 * time.Second).Until())
		if g, _ := shared.Claim(t.Context(), "k", e.Version, 3*time.Second); g.State != store.Granted {
			t.Fatal("the claim is taken")
		}
		read(1, 2)
		time.Sleep(3*time.Second - 10*time.Millisecond)
		read(1, 2)
		time.Sleep(20 * time.Millisecond)
		read(1, 3)
	})
}

// While a load goes on, its claim does, however long that takes; one that failed keeps
// all from trying for RetryAfter.
func TestRefreshAhead_claimIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New[int](nil)
		o := &layered.Options[int]{TTL: 1000 * time.Second, RefreshAhead: 0.5, Jitter: -1, LoadTimeout: time.Minute}
		a, b := open(t, memstore.New[int](nil), shared.Peer(), o), open(t, memstore.New[int](nil), shared.Peer(), o)
		defer a.Close()
		defer b.Close()
		r := &row{}
		mustGet(t, a, "k", r.load)
		mustGet(t, b, "k", r.load)
		time.Sleep(500 * time.Second)
		r.takes, r.err = 30*time.Second, errSource
		for range 34 {
			hit(t, a, "k", r, 0)
			synctest.Wait()
			hit(t, b, "k", r, 0)
			synctest.Wait()
			r.loaded(t, 2)
			time.Sleep(time.Second)
		}
		for range 5 {
			hit(t, b, "k", r, 0)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		r.loaded(t, 3)
	})
}

// What was changed before it is loaded need not be loaded any more.
func TestRefreshAhead_changedAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, second := tiers(t, &layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1})
		defer s.Close()
		mustGet(t, s, "k", value(1))
		time.Sleep(50 * time.Second)
		second.claimed = func() {
			second.claimed = nil
			second.Peer().Set(t.Context(), "k", store.Entry[int]{Value: 2, ExpiresAt: store.In(time.Hour)})
		}
		mustGet(t, s, "k", mustNotLoad(t))
		synctest.Wait()
		if v := mustGet(t, s, "k", mustNotLoad(t)); v != 2 || s.Counts().Refreshes != 0 {
			t.Errorf("got %d", v)
		}
	})
}

// A process that is closed gives its claim back: that its load was given up is not the
// fault of the source.
func TestRefreshAhead_closedProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New[int](nil)
		o := &layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1}
		a, b := open(t, memstore.New[int](nil), shared.Peer(), o), open(t, memstore.New[int](nil), shared.Peer(), o)
		defer b.Close()
		mustGet(t, a, "k", value(1))
		mustGet(t, b, "k", mustNotLoad(t))
		time.Sleep(50 * time.Second)
		mustGet(t, a, "k", slow(time.Hour, 2))
		synctest.Wait()
		a.Close()
		mustGet(t, b, "k", value(3))
		synctest.Wait()
		if v := mustGet(t, b, "k", mustNotLoad(t)); v != 3 {
			t.Errorf("got %d", v)
		}
	})
}
