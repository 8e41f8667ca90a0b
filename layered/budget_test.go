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
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// Not more than MaxLoads run at a time, and all who can wait are served.
func TestMaxLoads(t *testing.T) {
	everySetup(t, layered.Options[int]{MaxLoads: 3, SoftTimeout: time.Minute}, func(t *testing.T, s *layered.Store[int]) {
		var running, most atomic.Int64
		load := func(context.Context, string) (store.Entry[int], error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			time.Sleep(time.Second)
			return store.Entry[int]{Value: 1}, nil
		}
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 27 {
			wg.Go(func() {
				if _, err := s.Find(t.Context(), fmt.Sprint(i), layered.Source[int]{Load: load}); err != nil {
					t.Error(err)
				}
			})
		}
		for i := range 3 { // a batch is one load
			wg.Go(func() {
				_, err := s.GetManyOrLoad(t.Context(), []string{fmt.Sprint("a", i), fmt.Sprint("b", i)}, func(ctx context.Context, ks []string) (map[string]store.Entry[int], error) {
					_, err := load(ctx, "")
					return nil, err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most.Load() != 3 || time.Since(began) != 10*time.Second {
			t.Errorf("%d at a time, %v", most.Load(), time.Since(began))
		}
		if c := s.Counts(); c.Overloads != 0 || c.Loads != 30 {
			t.Errorf("%+v", c)
		}
	})
}

// Who would have to wait longer than SoftTimeout, or a second, gets what is stale, or an
// error.
func TestMaxLoads_overload(t *testing.T) {
	for _, maxWait := range []time.Duration{0, 3 * time.Second} {
		o := soft()
		o.MaxLoads, o.SoftTimeout = 1, maxWait
		waits := time.Second
		if maxWait > 0 {
			waits = maxWait * 7 / 8
		}
		everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
			mustGet(t, s, "stale", value(1))
			time.Sleep(100 * time.Second)
			go s.Find(t.Context(), "long", layered.Source[int]{Load: slow(20*time.Second, 2)})
			synctest.Wait()
			began := time.Now()
			_, err := s.Find(t.Context(), "new", layered.Source[int]{Load: mustNotLoad(t)})
			var e *store.Error
			if !errors.Is(err, store.ErrOverload) || !errors.As(err, &e) || e.Key != "new" || time.Since(began) != waits {
				t.Errorf("got %v after %v", err, time.Since(began))
			}
			began = time.Now()
			f, err := s.Find(t.Context(), "stale", layered.Source[int]{Load: mustNotLoad(t)})
			if err != nil || f.Value != 1 || !f.Stale || !errors.Is(f.Cause, store.ErrOverload) || time.Since(began) != waits {
				t.Errorf("got %+v, %v after %v", f, err, time.Since(began))
			}
			began = time.Now()
			found, err := s.GetManyOrLoad(t.Context(), []string{"stale", "new"}, nil2(t))
			if got := valuesOf(found); got != "stale=1" || !errors.Is(err, store.ErrOverload) || time.Since(began) != waits {
				t.Errorf("got %s, %v after %v", got, err, time.Since(began))
			}
			synctest.Wait()
			if c := s.Counts(); c.Overloads != 3 || c.StaleServed != 2 || c.LoadErrors != 0 {
				t.Errorf("%+v", c)
			}
			time.Sleep(20 * time.Second)
			gets(t, t.Context(), s, "stale", value(3), 0, 3, nil) // an overload is no failure of the source
		})
	}
}

func nil2(t *testing.T) layered.ManyLoader[int] {
	return func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
		t.Errorf("%q were loaded", ks)
		return nil, errSource
	}
}

// A place is given back however a load ends; one that is not over still has it.
func TestMaxLoads_placesComeBack(t *testing.T) {
	everySetup(t, layered.Options[int]{MaxLoads: 1, LoadTimeout: time.Minute}, func(t *testing.T, s *layered.Store[int]) {
		ctx, leave := context.WithCancel(t.Context())
		for name, load := range map[string]layered.Loader[int]{
			"fails":  failing(errSource),
			"panics": func(context.Context, string) (store.Entry[int], error) { panic("broken") },
			"left": func(ctx context.Context, _ string) (store.Entry[int], error) {
				leave()
				<-ctx.Done()
				return store.Entry[int]{}, ctx.Err()
			},
		} {
			s.Find(ctx, name, layered.Source[int]{Load: load})
			synctest.Wait()
			gets(t, t.Context(), s, "after "+name, value(1), 0, 1, nil)
		}
		s.Find(t.Context(), "deaf", layered.Source[int]{Load: func(context.Context, string) (store.Entry[int], error) {
			time.Sleep(time.Hour)
			return store.Entry[int]{}, nil
		}})
		if _, err := s.Find(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)}); !errors.Is(err, store.ErrOverload) {
			t.Errorf("while the other runs: %v", err)
		}
		time.Sleep(time.Hour)
		gets(t, t.Context(), s, "k", value(1), 0, 1, nil)
	})
}

// Who waits for a place and is left takes none.
func TestMaxLoads_left(t *testing.T) {
	everySetup(t, layered.Options[int]{MaxLoads: 1, SoftTimeout: time.Hour}, func(t *testing.T, s *layered.Store[int]) {
		go s.Find(t.Context(), "long", layered.Source[int]{Load: slow(20*time.Second, 2)})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Find(ctx, "k", layered.Source[int]{Load: mustNotLoad(t)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(2 * time.Minute)
		if c := s.Counts(); c.Overloads != 0 || c.Loads != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// In the background nothing waits for a place: a later read tries again.
func TestMaxLoads_background(t *testing.T) {
	o := revalidating()
	o.MaxLoads = 1
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		r := &row{}
		mustGet(t, s, "k", r.load)
		time.Sleep(100 * time.Second)
		r.v.Store(1)
		go s.Find(t.Context(), "long", layered.Source[int]{Load: slow(10*time.Second, 2)})
		synctest.Wait()
		for range 5 {
			staleHit(t, s, "k", r.load, 0)
			time.Sleep(time.Second)
		}
		r.loaded(t, 1)
		time.Sleep(6 * time.Second)
		staleHit(t, s, "k", r.load, 0)
		synctest.Wait()
		hit(t, s, "k", r, 1)
		r.loaded(t, 2)
		if c := s.Counts(); c.RefreshErrors != 0 || c.Overloads != 0 {
			t.Errorf("it was tried before: %+v", c)
		}
	})
}

// A budget that others share. Refused loads are not failures of the source.
func TestLoadBudget(t *testing.T) {
	o := soft()
	o.SoftTimeout = 2 * time.Second
	everyBudget(t, o, func(t *testing.T, open func(o layered.Options[int]) *layered.Store[int]) {
		limiter, err := ratelimit.New(ratelimit.Policy{Name: "loads", Limit: 1, Window: 10 * time.Second, Burst: 2})
		if err != nil {
			t.Fatal(err)
		}
		o := o
		o.LoadBudget = func(ctx context.Context) error { return limiter.Wait(ctx, "db", 1) }
		s := open(o)
		mustGet(t, s, "1", value(1))
		mustGet(t, s, "2", value(2)) // the burst is used up
		if _, err := s.Find(t.Context(), "3", layered.Source[int]{Load: mustNotLoad(t)}); !errors.Is(err, store.ErrOverload) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(9 * time.Second)
		gets(t, t.Context(), s, "3", value(3), time.Second, 3, nil) // one may wait for it
		time.Sleep(100 * time.Second)
		for i := range 2 {
			gets(t, t.Context(), s, fmt.Sprint(i+1), value(7), 0, 7, nil)
		}
		gets(t, t.Context(), s, "3", mustNotLoad(t), 0, 3, store.ErrOverload)
		time.Sleep(10 * time.Second)
		gets(t, t.Context(), s, "3", value(7), 0, 7, nil)
		if c := s.Counts(); c.Overloads != 2 || c.LoadErrors != 0 || c.Loads != 6 {
			t.Errorf("%+v", c)
		}
	})
}

// everyBudget runs f in a bubble with a function that opens a store of each set-up.
func everyBudget(t *testing.T, o layered.Options[int], f func(*testing.T, func(layered.Options[int]) *layered.Store[int])) {
	for name, tiers := range map[string][2]bool{"L1 alone": {true, false}, "L2 alone": {false, true}, "two tiers": {true, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var opened []*layered.Store[int]
				f(t, func(o layered.Options[int]) *layered.Store[int] {
					var l1, l2 store.Store[int]
					if tiers[0] {
						l1 = memstore.New[int](nil)
					}
					if tiers[1] {
						l2 = memstore.New[int](nil)
					}
					s := open(t, l1, l2, &o)
					opened = append(opened, s)
					return s
				})
				for _, s := range opened {
					s.Close()
				}
			})
		})
	}
}

// A budget that panics is an error of those who wait, and keeps no place.
func TestLoadBudget_panics(t *testing.T) {
	broken := true
	s, _, _ := tiers(t, &layered.Options[int]{MaxLoads: 1, LoadBudget: func(context.Context) error {
		if broken {
			panic("broken")
		}
		return nil
	}})
	for range 3 {
		if _, err := s.Find(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)}); err == nil || errors.Is(err, store.ErrOverload) {
			t.Errorf("got %v", err)
		}
	}
	broken = false
	if v := mustGet(t, s, "k", value(1)); v != 1 {
		t.Errorf("got %d", v)
	}
}

func TestSource_Default(t *testing.T) {
	s, _, _ := tiers(t, nil)
	other := errors.New("no default for this")
	def := func(key string, err error) (int, error) {
		if key == "none" || errors.Is(err, store.ErrNotFound) || errors.Is(err, context.Canceled) {
			return 1, other
		}
		return 42, nil
	}
	src := layered.Source[int]{Load: failing(errSource), Default: def}
	reads := map[string]func(ctx context.Context, key string, src layered.Source[int]) (layered.Found[int], error){
		"Find": s.Find, "FindFresh": s.FindFresh,
		"FindMany": func(ctx context.Context, key string, src layered.Source[int]) (found layered.Found[int], failed error) {
			s.FindMany(ctx, []string{key}, src, func(_ int, f *layered.Found[int], err error) { found, failed = *f, err })
			return found, failed
		},
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for name, read := range reads {
		f, err := read(t.Context(), "k", src)
		if err != nil || f.Value != 42 || !f.Stale || f.Cause != errSource || f.Tier != layered.Default || f.Tier.String() != "default" {
			t.Errorf("%s: got %+v, %v", name, f, err)
		}
		if f, err := read(t.Context(), "none", src); err != other || f.Value != 0 || f.Stale {
			t.Errorf("%s: got %+v, %v instead of the error of Default", name, f, err)
		}
		if _, err := read(ended, "k", src); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that has ended: %v", name, err)
		}
		absent := layered.Source[int]{Load: failing(store.ErrNotFound), Default: def}
		if _, err := read(t.Context(), "absent", absent); !errors.Is(err, store.ErrNotFound) || errors.Is(err, other) {
			t.Errorf("%s of what is absent: %v", name, err)
		}
		broken := layered.Source[int]{Load: failing(errSource), Default: func(string, error) (int, error) { panic("broken") }}
		if _, err := read(t.Context(), "k", broken); !errors.Is(err, errSource) || !strings.Contains(err.Error(), "panicked: broken") {
			t.Errorf("%s with a Default that panics: %v", name, err)
		}
	}
	if n := s.Counts().Defaults; n != uint64(len(reads)) {
		t.Errorf("%d were counted", n)
	}
	if _, err := s.Refresh(t.Context(), "k", src); err != errSource {
		t.Errorf("Refresh: %v", err)
	}
	if left, err := s.Warm(t.Context(), []string{"k"}, src); len(left) != 1 || !errors.Is(err, errSource) {
		t.Errorf("Warm: %v, %v", left, err)
	}
	s.Close()
	if _, err := s.Find(t.Context(), "k", src); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a store that is closed: %v", err)
	}
}
