package layered_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// revalidating are options with which a value is fresh for 100 s, and then stale for
// 1000 s more.
func revalidating() layered.Options[int] {
	return layered.Options[int]{TTL: 100 * time.Second, StaleFor: 1000 * time.Second, Jitter: -1, StaleWhileRevalidate: true}
}

// staleHit fails unless key is answered at once by a stale value.
func staleHit(t *testing.T, s *layered.Store[int], key string, load layered.Loader[int], want int) {
	t.Helper()
	began := time.Now()
	f, err := s.Find(t.Context(), key, layered.Source[int]{Load: load})
	if err != nil || f.Value != want || !f.Stale || f.Cause != nil || f.Tier == layered.Origin {
		t.Errorf("got %+v, %v; want %d, stale", f, err, want)
	}
	if d := time.Since(began); d > 0 {
		t.Errorf("it took %v", d)
	}
}

// What is stale is answered at once, while one loads.
func TestStaleWhileRevalidate(t *testing.T) {
	everyTier(t, revalidating(), func(t *testing.T, s *layered.Store[int]) {
		r := &row{}
		mustGet(t, s, "k", r.load)
		r.takes = time.Second
		r.v.Store(1)
		time.Sleep(100*time.Second - time.Millisecond)
		hit(t, s, "k", r, 0)
		time.Sleep(time.Millisecond)
		for range 10 {
			staleHit(t, s, "k", r.load, 0)
			synctest.Wait()
		}
		r.loaded(t, 2)
		time.Sleep(time.Second)
		synctest.Wait()
		hit(t, s, "k", r, 1)
		if c := s.Counts(); c.Refreshes != 1 || c.StaleServed != 10 || c.Loads != 2 {
			t.Errorf("counted %+v", c)
		}
	})
}

// The control: without the option readers wait.
func TestStaleWhileRevalidate_off(t *testing.T) {
	o := revalidating()
	o.StaleWhileRevalidate = false
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		r := &row{}
		mustGet(t, s, "k", r.load)
		r.takes = time.Second
		r.v.Store(1)
		time.Sleep(100 * time.Second)
		began := time.Now()
		if v := mustGet(t, s, "k", r.load); v != 1 || time.Since(began) != time.Second {
			t.Errorf("got %d after %v", v, time.Since(began))
		}
	})
}

func TestStaleWhileRevalidate_sourceFails(t *testing.T) {
	o := revalidating()
	o.RetryAfter = 10 * time.Second
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		r := &row{}
		mustGet(t, s, "k", r.load)
		r.err = errSource
		time.Sleep(100 * time.Second)
		for range 50 {
			staleHit(t, s, "k", r.load, 0)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		r.loaded(t, 1+3)              // at once, after 10 s, and after 20 s more
		time.Sleep(950 * time.Second) // past its hard expiry
		if _, err := s.Find(t.Context(), "k", layered.Source[int]{Load: r.load}); !errors.Is(err, errSource) {
			t.Errorf("past the hard expiry: %v", err)
		}
	})
}

// Without an L1 it is L2 that has what is stale.
func TestStaleWhileRevalidate_L2Alone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := revalidating()
		s := open(t, nil, memstore.New[int](nil), &o)
		defer s.Close()
		r := &row{}
		mustGet(t, s, "k", r.load)
		r.takes = time.Second
		r.v.Store(1)
		time.Sleep(100 * time.Second)
		for range 3 {
			staleHit(t, s, "k", r.load, 0)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if v := mustGet(t, s, "k", r.load); v != 1 {
			t.Errorf("got %d", v)
		}
		r.loaded(t, 2)
	})
}

// What was changed or removed is never served as stale, not even while the load that
// was begun before goes on, and what that brings is not kept.
func TestStaleWhileRevalidate_changed(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		change func(s *layered.Store[int], peer *memstore.Store[int]) error
		want   int
	}{
		"Delete elsewhere": {func(_ *layered.Store[int], peer *memstore.Store[int]) error { return peer.Delete(ctx, "k") }, 2},
		"Set elsewhere": {func(_ *layered.Store[int], peer *memstore.Store[int]) error {
			return peer.Set(ctx, "k", store.Entry[int]{Value: 5})
		}, 5},
		"Clear elsewhere": {func(_ *layered.Store[int], peer *memstore.Store[int]) error { return peer.Clear(ctx) }, 2},
		"Delete":          {func(s *layered.Store[int], _ *memstore.Store[int]) error { return s.Delete(ctx, "k") }, 2},
		"Set": {func(s *layered.Store[int], _ *memstore.Store[int]) error {
			return s.Set(ctx, "k", store.Entry[int]{Value: 5})
		}, 5},
	} {
		for _, loading := range []bool{false, true} {
			for _, tier := range []string{"two tiers", "L1 alone"} {
				if tier == "L1 alone" && name != "Delete" && name != "Set" {
					continue
				}
				t.Run(name+map[bool]string{true: " while it is loaded, "}[loading]+tier, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						shared, o := memstore.New[int](nil), revalidating()
						var second store.Store[int]
						if tier == "two tiers" {
							second = shared
						}
						s := open(t, memstore.New[int](nil), second, &o)
						defer s.Close()
						mustGet(t, s, "k", value(0))
						time.Sleep(100 * time.Second)
						if loading {
							staleHit(t, s, "k", slow(10*time.Second, 1), 0)
						}
						time.Sleep(5 * time.Second)
						if err := c.change(s, shared.Peer()); err != nil {
							t.Fatal(err)
						}
						for range 3 {
							f, err := s.Find(ctx, "k", layered.Source[int]{Load: value(2)})
							if err != nil || f.Value != c.want || f.Stale {
								t.Errorf("got %+v, %v; want %d", f, err, c.want)
							}
							time.Sleep(10 * time.Second)
						}
					})
				})
			}
		}
	}
}

// Who asks for what is fresh waits for it, also if he joins one who does not.
func TestStaleWhileRevalidate_strict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := revalidating()
		s, first, second := tiers(t, &o)
		defer s.Close()
		fresh := func() {
			t.Helper()
			f, err := s.FindFresh(t.Context(), "k", layered.Source[int]{Load: slow(time.Second, 1)})
			if err != nil || f.Value != 1 || f.Stale {
				t.Errorf("got %+v, %v; want 1, fresh", f, err)
			}
		}
		for _, join := range []bool{false, true} {
			mustGet(t, s, "k", value(0))
			time.Sleep(100 * time.Second)
			if join {
				first.Clear(t.Context())
				gate := make(chan struct{})
				second.get = func(_ string, e store.Entry[int], err error) (store.Entry[int], error) {
					second.get = nil
					<-gate
					return e, err
				}
				go staleLater(t, s)
				synctest.Wait()
				time.AfterFunc(time.Second, func() { close(gate) })
			}
			fresh()
			s.Delete(t.Context(), "k")
		}
		if n := s.Counts().Shared; n == 0 {
			t.Error("nobody joined")
		}
	})
}

// The same if the one that he joins has read after he came: he joined one before that
// could not be it.
func TestStaleWhileRevalidate_strictJoinsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := revalidating()
		s, _, second := tiers(t, &o)
		defer s.Close()
		stale := store.Entry[int]{StaleAt: store.Now() - 1, ExpiresAt: store.In(time.Hour)}
		second.Store.Set(t.Context(), "k", stale)
		gates := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
		var gets atomic.Int64
		second.get = func(_ string, e store.Entry[int], err error) (store.Entry[int], error) {
			if n := gets.Add(1); n <= 2 {
				<-gates[n-1]
			}
			return e, err
		}
		go staleLater(t, s)
		synctest.Wait()
		fresh := make(chan layered.Found[int], 1)
		go func() {
			f, _ := s.FindFresh(t.Context(), "k", layered.Source[int]{Load: value(1)})
			fresh <- f
		}()
		synctest.Wait()
		second.Peer().Set(t.Context(), "k", stale) // nobody joins the first any more
		go staleLater(t, s)
		synctest.Wait()
		close(gates[0])
		synctest.Wait()
		close(gates[1])
		if f := <-fresh; f.Value != 1 || f.Stale {
			t.Errorf("got %+v; want 1, fresh", f)
		}
		if n := s.Counts().Shared; n != 2 {
			t.Errorf("he joined %d times", n)
		}
	})
}

func staleLater(t *testing.T, s *layered.Store[int]) {
	if f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: slow(time.Second, 1)}); err != nil || f.Value != 0 || !f.Stale {
		t.Errorf("got %+v, %v; want 0, stale", f, err)
	}
}

func TestStaleWhileRevalidate_batch(t *testing.T) {
	everyTier(t, revalidating(), func(t *testing.T, s *layered.Store[int]) {
		testStaleBatch(t, s)
	})
	t.Run("L2 alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := revalidating()
			s := open(t, nil, memstore.New[int](nil), &o)
			defer s.Close()
			testStaleBatch(t, s)
		})
	})
}

func testStaleBatch(t *testing.T, s *layered.Store[int]) {
	ctx := t.Context()
	zero := func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
		m := map[string]store.Entry[int]{}
		for _, k := range ks {
			m[k] = store.Entry[int]{}
		}
		return m, nil
	}
	if _, err := s.GetManyOrLoad(ctx, []string{"1", "2"}, zero); err != nil {
		t.Fatal(err)
	}
	s.Separate(ctx, "1", "2")
	time.Sleep(100 * time.Second)
	mustGet(t, s, "3", value(3))
	var b batches
	for range 3 {
		began := time.Now()
		found, err := s.GetManyOrLoad(ctx, []string{"1", "2", "3"}, b.load)
		if got := valuesOf(found); got != "1=0 2=0 3=3" || err != nil || time.Since(began) > 0 {
			t.Errorf("got %s, %v after %v", got, err, time.Since(began))
		}
		synctest.Wait()
	}
	time.Sleep(time.Second)
	synctest.Wait()
	found, err := s.GetManyOrLoad(ctx, []string{"1", "2", "3"}, b.load)
	if got := valuesOf(found); got != "1=1 2=2 3=3" || err != nil {
		t.Errorf("then got %s, %v", got, err)
	}
	if len(b.calls) != 1 || len(b.calls[0]) != 2 {
		t.Errorf("loads: %v, want one of two", b.calls)
	}
	if n := s.Counts().Refreshes; n != 2 {
		t.Errorf("%d refreshes", n)
	}
}

// Without a loader nothing can be loaded, and what is stale is answered as without the
// option.
func TestStaleWhileRevalidate_withoutLoader(t *testing.T) {
	everyTier(t, revalidating(), func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		time.Sleep(100 * time.Second)
		if v := mustGet(t, s, "k", nil); v != 1 {
			t.Errorf("got %d", v)
		}
		found, err := s.GetManyOrLoad(t.Context(), []string{"k"}, nil)
		if err != nil || found["k"].Value != 1 {
			t.Errorf("got %v, %v", found, err)
		}
		if n := s.Counts().Refreshes; n != 0 {
			t.Errorf("%d refreshes", n)
		}
	})
}

// Past RevalidateFor readers wait for the load, and get the old value if that fails.
func TestRevalidateFor(t *testing.T) {
	o := revalidating()
	o.RevalidateFor = 50 * time.Second
	reads := map[string]func(*testing.T, *layered.Store[int], *row) (int, error){
		"one": func(t *testing.T, s *layered.Store[int], r *row) (int, error) {
			e, err := s.GetOrLoad(t.Context(), "k", r.load)
			return e.Value, err
		},
		"batch": func(t *testing.T, s *layered.Store[int], r *row) (int, error) {
			found, err := s.GetManyOrLoad(t.Context(), []string{"k"}, func(ctx context.Context, ks []string) (map[string]store.Entry[int], error) {
				e, err := r.load(ctx, ks[0])
				if err != nil {
					return nil, err
				}
				return map[string]store.Entry[int]{"k": e}, nil
			})
			return found["k"].Value, err
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
				r := &row{takes: time.Second}
				expect := func(want int, takes time.Duration) {
					t.Helper()
					began := time.Now()
					if v, err := read(t, s, r); v != want || err != nil || time.Since(began) != takes {
						t.Errorf("got %d, %v after %v; want %d after %v", v, err, time.Since(began), want, takes)
					}
				}
				expect(0, time.Second) // fresh until 100 s, of which one is over
				r.v.Store(1)
				time.Sleep(149*time.Second - time.Millisecond)
				expect(0, 0) // one loads
				time.Sleep(2 * time.Second)
				expect(1, 0)
				r.v.Store(2)
				time.Sleep(149 * time.Second)
				expect(2, time.Second)
				if name == "one" {
					time.Sleep(149 * time.Second)
					r.err = errSource
					expect(2, time.Second)
				}
			})
		})
	}
}
