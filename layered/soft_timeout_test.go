package layered_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// soft are options with which a value is fresh for 100 s and then stale for 1000 s more,
// and a load is waited for for a second where one is.
func soft() layered.Options[int] {
	return layered.Options[int]{TTL: 100 * time.Second, StaleFor: 1000 * time.Second, Jitter: -1, SoftTimeout: time.Second}
}

// everySetup is everyTier that also has a store without an L1.
func everySetup(t *testing.T, o layered.Options[int], f func(*testing.T, *layered.Store[int])) {
	everyTier(t, o, f)
	t.Run("L2 alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, nil, memstore.New[int](nil), &o)
			defer s.Close()
			f(t, s)
		})
	})
}

// gets fails unless key is answered after exactly d by want, which is stale because of
// cause, or fresh if that is nil.
func gets(t *testing.T, ctx context.Context, s *layered.Store[int], key string, load layered.Loader[int], d time.Duration, want int, cause error) {
	t.Helper()
	began := time.Now()
	f, err := s.Find(ctx, key, layered.Source[int]{Load: load})
	if err != nil || f.Value != want || f.Stale != (cause != nil) || !errors.Is(f.Cause, cause) {
		t.Errorf("got %+v, %v; want %d because of %v", f, err, want, cause)
	}
	if took := time.Since(began); took != d {
		t.Errorf("it took %v, want %v", took, d)
	}
}

// Who has something stale waits for SoftTimeout. The load goes on, and nobody who comes
// while it does waits again.
func TestSoftTimeout(t *testing.T) {
	everySetup(t, soft(), func(t *testing.T, s *layered.Store[int]) {
		ctx, r := t.Context(), &row{}
		mustGet(t, s, "k", r.load)
		time.Sleep(100 * time.Second)
		r.takes = 10 * time.Second
		r.v.Store(1)
		go gets(t, ctx, s, "k", r.load, time.Second, 0, store.ErrSlow)
		time.Sleep(time.Second / 2)
		gets(t, ctx, s, "k", r.load, time.Second/2, 0, store.ErrSlow)
		for range 5 {
			time.Sleep(time.Second)
			gets(t, ctx, s, "k", r.load, 0, 0, store.ErrSlow)
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		gets(t, ctx, s, "k", r.load, 0, 1, nil)
		r.loaded(t, 2)
		if c := s.Counts(); c.StaleServed != 7 {
			t.Errorf("%d stale answers were counted, of 7", c.StaleServed)
		}
	})
}

// A load that is quick enough is waited for, and so is one without anything stale.
func TestSoftTimeout_notNeeded(t *testing.T) {
	everySetup(t, soft(), func(t *testing.T, s *layered.Store[int]) {
		ctx := t.Context()
		gets(t, ctx, s, "k", slow(10*time.Second, 1), 10*time.Second, 1, nil)
		time.Sleep(100 * time.Second)
		gets(t, ctx, s, "k", slow(time.Second-1, 2), time.Second-1, 2, nil)
		gets(t, ctx, s, "k", nil, 0, 2, nil)
	})
}

// The control: without the option readers wait.
func TestSoftTimeout_off(t *testing.T) {
	o := soft()
	o.SoftTimeout = 0
	everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		time.Sleep(100 * time.Second)
		gets(t, t.Context(), s, "k", slow(10*time.Second, 2), 10*time.Second, 2, nil)
	})
}

func TestSoftTimeout_sourceFails(t *testing.T) {
	everySetup(t, soft(), func(t *testing.T, s *layered.Store[int]) {
		r := &row{}
		mustGet(t, s, "k", r.load)
		time.Sleep(100 * time.Second)
		r.takes, r.err = 2*time.Second, errSource
		gets(t, t.Context(), s, "k", r.load, time.Second, 0, store.ErrSlow)
		time.Sleep(2 * time.Second) // nobody has seen the failure, but it is known
		gets(t, t.Context(), s, "k", r.load, 0, 0, errSource)
		r.loaded(t, 2)
	})
}

// What was changed is not served as stale by who waits when it is, nor by who comes after.
func TestSoftTimeout_changed(t *testing.T) {
	type stores struct {
		s    *layered.Store[int]
		peer *memstore.Store[int]
	}
	ctx := context.Background()
	changes := map[string]struct {
		change    func(stores) error
		elsewhere bool
		want      int
	}{
		"Delete": {func(x stores) error { return x.s.Delete(ctx, "k") }, false, 3},
		"Set":    {func(x stores) error { return x.s.Set(ctx, "k", store.Entry[int]{Value: 5}) }, false, 5},
		"Clear":  {func(x stores) error { return x.s.Clear(ctx) }, false, 3},
		"tag":    {func(x stores) error { return x.s.InvalidateTags(ctx, "t") }, false, 3},

		"Delete elsewhere": {func(x stores) error { return x.peer.Delete(ctx, "k") }, true, 3},
		"Set elsewhere":    {func(x stores) error { return x.peer.Set(ctx, "k", store.Entry[int]{Value: 5}) }, true, 5},
	}
	for name, c := range changes {
		for _, tiers := range []string{"two tiers", "L1 alone", "L2 alone"} {
			for _, answered := range []bool{false, true} {
				if c.elsewhere && tiers == "L1 alone" || name == "tag" && tiers != "L1 alone" {
					continue
				}
				t.Run(name+", "+tiers+map[bool]string{true: ", somebody was answered"}[answered], func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						shared, o := memstore.New[int](nil), soft()
						var first, second store.Store[int] = memstore.New[int](nil), shared
						switch tiers {
						case "L1 alone":
							second = nil
						case "L2 alone":
							first = nil
						}
						x := stores{open(t, first, second, &o), shared.Peer()}
						defer x.s.Close()
						tagged := func(load layered.Loader[int]) layered.Loader[int] {
							return func(ctx context.Context, key string) (store.Entry[int], error) {
								e, err := load(ctx, key)
								e.Tags = []string{"t"}
								return e, err
							}
						}
						mustGet(t, x.s, "k", tagged(value(0)))
						time.Sleep(100 * time.Second)
						if answered {
							gets(t, ctx, x.s, "k", tagged(slow(10*time.Second, 1)), time.Second, 0, store.ErrSlow)
						} else {
							go func() {
								f, err := x.s.Find(ctx, "k", layered.Source[int]{Load: tagged(slow(10*time.Second, 1))})
								if err != nil || f.Stale || f.Value != 1 && f.Value != c.want {
									t.Errorf("who waited got %+v, %v", f, err)
								}
							}()
							time.Sleep(time.Second / 2)
						}
						if err := c.change(x); err != nil {
							t.Fatal(err)
						}
						for range 3 {
							f, err := x.s.Find(ctx, "k", layered.Source[int]{Load: value(3)})
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

// Who asks for what is fresh waits.
func TestSoftTimeout_strict(t *testing.T) {
	everySetup(t, soft(), func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		time.Sleep(100 * time.Second)
		go gets(t, t.Context(), s, "k", slow(10*time.Second, 2), time.Second, 1, store.ErrSlow)
		synctest.Wait()
		began := time.Now()
		f, err := s.FindFresh(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)})
		if err != nil || f.Value != 2 || f.Stale || time.Since(began) != 10*time.Second {
			t.Errorf("got %+v, %v after %v", f, err, time.Since(began))
		}
	})
}

func TestSoftTimeout_batch(t *testing.T) {
	everySetup(t, soft(), func(t *testing.T, s *layered.Store[int]) {
		ctx := t.Context()
		for range 2 {
			mustGet(t, s, "1", value(1))
			mustGet(t, s, "2", value(2))
		}
		time.Sleep(100 * time.Second)
		takes := func(d time.Duration) layered.ManyLoader[int] {
			return func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
				time.Sleep(d)
				m := map[string]store.Entry[int]{}
				for _, k := range ks {
					m[k] = store.Entry[int]{Value: 7}
				}
				return m, nil
			}
		}
		began := time.Now()
		found, err := s.GetManyOrLoad(ctx, []string{"1", "2"}, takes(10*time.Second))
		if got := valuesOf(found); got != "1=1 2=2" || err != nil || time.Since(began) != time.Second {
			t.Errorf("got %s, %v after %v", got, err, time.Since(began))
		}
		gets(t, ctx, s, "1", mustNotLoad(t), 0, 1, store.ErrSlow) // joins the batch
		time.Sleep(10 * time.Second)
		found, err = s.GetManyOrLoad(ctx, []string{"1", "2"}, nil)
		if got := valuesOf(found); got != "1=7 2=7" || err != nil {
			t.Errorf("then got %s, %v", got, err)
		}
		// What nobody has had before is waited for.
		time.Sleep(100 * time.Second)
		began = time.Now()
		found, err = s.GetManyOrLoad(ctx, []string{"1", "3"}, takes(5*time.Second))
		if got := valuesOf(found); got != "1=7 3=7" || err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("got %s, %v after %v", got, err, time.Since(began))
		}
	})
}

// A caller whose time is shorter than what a load usually takes is answered at once by
// what is stale; one who has more, when that is all he has left.
func TestDeadline_shorterThanTheUsualLoad(t *testing.T) {
	o := soft()
	o.SoftTimeout = 0
	everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
		r := &row{takes: 2 * time.Second}
		mustGet(t, s, "k", r.load)
		time.Sleep(100 * time.Second)
		r.v.Store(1)
		within := func(d time.Duration) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			t.Cleanup(cancel)
			return ctx
		}
		gets(t, within(time.Second), s, "k", r.load, 0, 0, store.ErrSlow)
		time.Sleep(time.Second)
		gets(t, within(10*time.Second), s, "k", r.load, time.Second, 1, nil) // the load went on
		r.loaded(t, 2)

		time.Sleep(100 * time.Second)
		r.takes = 20 * time.Second
		gets(t, within(10*time.Second), s, "k", r.load, 8*time.Second, 1, store.ErrSlow)
		time.Sleep(12 * time.Second)
		synctest.Wait()
		gets(t, t.Context(), s, "k", r.load, 0, 1, nil)
		r.loaded(t, 3)
	})
}

// Nothing is known of loads yet, or there is no reason to be early: then what is stale is
// still better than an error when the time is up. Of who has left, nothing is.
func TestDeadline_passes(t *testing.T) {
	o := soft()
	o.SoftTimeout = 0
	everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
		old := store.Entry[int]{Value: 4, StaleAt: store.Now(), ExpiresAt: store.In(time.Hour)}
		if err := s.Set(t.Context(), "k", old); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		gets(t, ctx, s, "k", slow(10*time.Second, 5), time.Second, 4, store.ErrSlow)

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Find(ctx, "new", layered.Source[int]{Load: slow(time.Hour, 5)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without anything stale: %v", err)
		}
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err := s.Find(ctx, "k", layered.Source[int]{Load: mustNotLoad(t)}); !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
	})
}

// The same while L2 hangs, for what L1 has.
func TestDeadline_passesWhileL2Hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := soft()
		s, _, second := tiers(t, &o)
		defer s.Close()
		mustGet(t, s, "k", value(1))
		time.Sleep(100 * time.Second)
		gate := make(chan struct{})
		defer close(gate)
		second.get = func(_ string, e store.Entry[int], err error) (store.Entry[int], error) {
			<-gate
			return e, err
		}
		go s.Find(t.Context(), "k", layered.Source[int]{Load: value(2)}) // leads
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		gets(t, ctx, s, "k", value(2), 3*time.Second, 1, store.ErrSlow)
	})
}

func TestFinishLoads(t *testing.T) {
	for _, finish := range []bool{true, false} {
		everySetup(t, layered.Options[int]{FinishLoads: finish}, func(t *testing.T, s *layered.Store[int]) {
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			r := &row{takes: 10 * time.Second}
			if _, err := s.Find(ctx, "k", layered.Source[int]{Load: r.load}); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
			ctx, leave = context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			var ended error
			_, err := s.GetManyOrLoad(ctx, []string{"1", "2"}, func(ctx context.Context, ks []string) (map[string]store.Entry[int], error) {
				select {
				case <-time.After(10 * time.Second):
				case <-ctx.Done():
				}
				if ended = ctx.Err(); ended != nil {
					return nil, ended
				}
				return map[string]store.Entry[int]{"1": {Value: 1}, "2": {Value: 2}}, nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if (ended == nil) != finish {
				t.Errorf("the batch ended with %v", ended)
			}
			_, err = s.Find(t.Context(), "k", layered.Source[int]{})
			_, merr := s.Find(t.Context(), "2", layered.Source[int]{})
			if finish != (err == nil) || finish != (merr == nil) {
				t.Errorf("finish %v: then L1 and L2 have %v, %v", finish, err, merr)
			}
		})
	}
}

// Close ends what goes on for nobody.
func TestFinishLoads_close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := tiers(t, &layered.Options[int]{FinishLoads: true})
		ctx, leave := context.WithCancel(t.Context())
		leave()
		s.Find(ctx, "k", layered.Source[int]{Load: slow(time.Hour, 1)})
		synctest.Wait()
		began := time.Now()
		s.Close()
		if d := time.Since(began); d > 0 {
			t.Errorf("it took %v", d)
		}
	})
}
