package layered_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// A versioned is a source of one value that can tell whether it has changed.
type versioned struct {
	v              atomic.Int64
	loads, reloads atomic.Int64
	takes          time.Duration
	old            atomic.Pointer[store.Entry[int]] // what the last reload was given
	during         func() error                     // while it reloads
	tags           []string
}

func (r *versioned) load(context.Context, string) (store.Entry[int], error) {
	r.loads.Add(1)
	return store.Entry[int]{Value: int(r.v.Load()), Tags: r.tags}, nil
}

func (r *versioned) reload(ctx context.Context, _ string, old store.Entry[int]) (store.Entry[int], error) {
	r.reloads.Add(1)
	r.old.Store(&old)
	now := int(r.v.Load())
	time.Sleep(r.takes)
	if r.during != nil {
		during := r.during
		r.during = nil
		if err := during(); err != nil {
			return store.Entry[int]{}, err
		}
	}
	if old.Value == now {
		return store.Entry[int]{}, store.ErrNotModified
	}
	return store.Entry[int]{Value: now, Tags: r.tags}, ctx.Err()
}

func (r *versioned) source() layered.Source[int] {
	return layered.Source[int]{Load: r.load, Reload: r.reload}
}

// asked fails unless there were so many loads and reloads.
func (r *versioned) asked(t *testing.T, loads, reloads int64) {
	t.Helper()
	if l, n := r.loads.Load(), r.reloads.Load(); l != loads || n != reloads {
		t.Errorf("%d loads, %d reloads; want %d, %d", l, n, loads, reloads)
	}
}

// The ways in which a value that is there is loaded again. Each is called 60 s after the
// load of a value that is fresh for 100 s and then stale.
var reloadings = map[string]struct {
	o  layered.Options[int]
	do func(*testing.T, *layered.Store[int], layered.Source[int]) error
}{
	"in the background": {
		layered.Options[int]{RefreshAhead: 0.5},
		func(t *testing.T, s *layered.Store[int], src layered.Source[int]) error {
			_, err := s.Find(t.Context(), "k", src)
			synctest.Wait()
			time.Sleep(10 * time.Second) // for the load
			synctest.Wait()
			return err
		},
	},
	"Refresh": {
		layered.Options[int]{},
		func(t *testing.T, s *layered.Store[int], src layered.Source[int]) error {
			_, err := s.Refresh(t.Context(), "k", src)
			return err
		},
	},
	"in the foreground": {
		layered.Options[int]{},
		func(t *testing.T, s *layered.Store[int], src layered.Source[int]) error {
			time.Sleep(50 * time.Second) // it is stale
			_, err := s.Find(t.Context(), "k", src)
			return err
		},
	},
	"stale, in the background": {
		layered.Options[int]{StaleWhileRevalidate: true},
		func(t *testing.T, s *layered.Store[int], src layered.Source[int]) error {
			time.Sleep(50 * time.Second)
			_, err := s.Find(t.Context(), "k", src)
			synctest.Wait()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			return err
		},
	},
}

// eachReloading runs f for each of reloadings and tiers, 60 s after a value was loaded.
func eachReloading(t *testing.T, r func() *versioned, f func(t *testing.T, s *layered.Store[int], r *versioned, again func() error)) {
	for name, way := range reloadings {
		o := way.o
		o.TTL, o.StaleFor, o.Jitter = 100*time.Second, 1000*time.Second, -1
		t.Run(name, func(t *testing.T) {
			everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
				r := r()
				mustFind(t, s, "k", r.source())
				time.Sleep(60 * time.Second)
				f(t, s, r, func() error { return way.do(t, s, r.source()) })
			})
		})
	}
}

// What is not modified stays, with a new life; what is, is replaced.
func TestReloading(t *testing.T) {
	eachReloading(t, func() *versioned { return &versioned{} }, func(t *testing.T, s *layered.Store[int], r *versioned, again func() error) {
		first := store.Now().Add(-60 * time.Second)
		began := store.Now()
		if err := again(); err != nil {
			t.Error(err)
		}
		r.asked(t, 1, 1)
		if old := r.old.Load(); old == nil || old.Value != 0 || old.LoadedAt != first {
			t.Errorf("it was given %+v, want what was loaded at %v", old, first)
		}
		f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)})
		fresh := f.StaleAt.Sub(f.LoadedAt)
		if err != nil || f.Value != 0 || f.Tier != layered.L1 || f.LoadedAt < began || fresh != 100*time.Second || f.ExpiresAt.Sub(f.StaleAt) != 1000*time.Second {
			t.Errorf("then %+v, %v, fresh for %v", f, err, fresh)
		}
		if c := s.Counts(); c.NotModified != 1 || c.LoadErrors != 0 || c.RefreshErrors != 0 {
			t.Errorf("counted %+v", c)
		}
		time.Sleep(60 * time.Second)
		r.v.Store(1)
		if err := again(); err != nil {
			t.Error(err)
		}
		r.asked(t, 1, 2)
		if v := mustGet(t, s, "k", mustNotLoad(t)); v != 1 || s.Counts().NotModified != 1 {
			t.Errorf("then got %d", v)
		}
	})
}

// What is changed or taken back while a reload finds that it is not modified is not kept,
// and not brought back.
func TestReloading_changedMeanwhile(t *testing.T) {
	changes := map[string]struct {
		change func(context.Context, *layered.Store[int]) error
		want   int
	}{
		"Delete": {func(ctx context.Context, s *layered.Store[int]) error { return s.Delete(ctx, "k") }, 7},
		"Clear":  {func(ctx context.Context, s *layered.Store[int]) error { return s.Clear(ctx) }, 7},
		"Set": {func(ctx context.Context, s *layered.Store[int]) error {
			return s.Set(ctx, "k", store.Entry[int]{Value: 5, ExpiresAt: store.In(time.Hour)})
		}, 5},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			eachReloading(t, func() *versioned { return &versioned{takes: time.Second} }, func(t *testing.T, s *layered.Store[int], r *versioned, again func() error) {
				r.during = func() error {
					defer r.v.Store(int64(c.want)) // the reload has looked before that
					return c.change(t.Context(), s)
				}
				if err := again(); err != nil {
					t.Error(err)
				}
				if v := mustGet(t, s, "k", value(c.want)); v != c.want {
					t.Errorf("got %d, want %d", v, c.want)
				}
				if r.reloads.Load() == 0 {
					t.Error("nothing was reloaded")
				}
			})
		})
	}
}

// The same by another process.
func TestReloading_changedElsewhere(t *testing.T) {
	for name, way := range reloadings {
		o := way.o
		o.TTL, o.StaleFor, o.Jitter = 100*time.Second, 1000*time.Second, -1
		for change, want := range map[string]int{"Delete": 7, "Set": 5} {
			t.Run(name+", "+change, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, _, second := tiers(t, &o)
					defer s.Close()
					r := &versioned{takes: time.Second}
					mustFind(t, s, "k", r.source())
					time.Sleep(60 * time.Second)
					r.during = func() error {
						defer r.v.Store(int64(want))
						if change == "Delete" {
							return second.Peer().Delete(t.Context(), "k")
						}
						return second.Peer().Set(t.Context(), "k", store.Entry[int]{Value: 5, ExpiresAt: store.In(time.Hour)})
					}
					if err := way.do(t, s, r.source()); err != nil {
						t.Error(err)
					}
					if v := mustGet(t, s, "k", value(want)); v != want {
						t.Errorf("got %d, want %d", v, want)
					}
					if e, err := second.Store.Get(t.Context(), "k"); err != nil || e.Value != want {
						t.Errorf("L2 has %d, %v", e.Value, err)
					}
				})
			})
		}
	}
}

// A value whose tag was invalidated is not offered, nor kept if that happens meanwhile.
func TestReloading_tags(t *testing.T) {
	for name, way := range reloadings {
		o := way.o
		o.TTL, o.StaleFor, o.Jitter = 100*time.Second, 1000*time.Second, -1
		for _, when := range []string{"before", "meanwhile"} {
			t.Run(name+", "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := open(t, memstore.New[int](nil), nil, &o)
					defer s.Close()
					r := &versioned{tags: []string{"t"}, takes: time.Second}
					takeBack := func() error { return s.InvalidateTags(t.Context(), "t") }
					mustFind(t, s, "k", r.source())
					time.Sleep(60 * time.Second)
					if when == "before" {
						if err := takeBack(); err != nil {
							t.Fatal(err)
						}
					} else {
						r.during = takeBack
					}
					if err := way.do(t, s, r.source()); err != nil {
						t.Error(err)
					}
					if n := r.reloads.Load(); (n == 0) != (when == "before") {
						t.Errorf("%d reloads", n)
					}
					if when == "meanwhile" {
						if e, ok := s.Local(t.Context(), "k"); ok && r.loads.Load() == 1 {
							t.Errorf("L1 serves %+v", e)
						}
					}
				})
			})
		}
	}
}

// The life that is returned together with ErrNotModified is that of the value.
func TestReloading_lifeOfItsOwn(t *testing.T) {
	everyTier(t, layered.Options[int]{TTL: 100 * time.Second, Jitter: -1}, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		end := store.In(time.Hour)
		load := layered.Source[int]{Load: mustNotLoad(t), Reload: func(context.Context, string, store.Entry[int]) (store.Entry[int], error) {
			return store.Entry[int]{Value: 9, ExpiresAt: end}, store.ErrNotModified
		}}
		if v := reloaded(t, s, "k", load); v != 1 {
			t.Errorf("got %d", v)
		}
		if f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)}); err != nil || f.Value != 1 || f.ExpiresAt != end {
			t.Errorf("then %+v, %v", f, err)
		}
		gone := layered.Source[int]{Load: mustNotLoad(t), Reload: func(context.Context, string, store.Entry[int]) (store.Entry[int], error) {
			return store.Entry[int]{ExpiresAt: 1}, store.ErrNotModified
		}}
		reloaded(t, s, "k", gone)
		if _, err := s.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("what is not to be kept: %v", err)
		}
	})
}

// Where there is no value, the loader is called; and if it says that there is nothing
// new, that is an error which says what is wrong.
func TestReloading_nothingThere(t *testing.T) {
	reload := func(context.Context, string, store.Entry[int]) (store.Entry[int], error) {
		t.Error("reload was called")
		return store.Entry[int]{}, nil
	}
	wrong := failing(store.ErrNotModified)
	everyTier(t, layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1}, func(t *testing.T, s *layered.Store[int]) {
		ctx := t.Context()
		for name, err := range map[string]error{
			"Find":    second(s.Find(ctx, "k", layered.Source[int]{Load: wrong, Reload: reload})),
			"Refresh": second(s.Refresh(ctx, "k", layered.Source[int]{Load: wrong, Reload: reload})),
		} {
			if !errors.Is(err, store.ErrNotModified) || !strings.Contains(err.Error(), "no value") {
				t.Errorf("%s: %v", name, err)
			}
		}
		// That there is none is no value.
		if _, err := s.Find(ctx, "absent", layered.Source[int]{Load: failing(store.ErrNotFound)}); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if v := reloaded(t, s, "absent", layered.Source[int]{Load: value(3), Reload: reload}); v != 3 {
			t.Errorf("got %d", v)
		}
		// A loader that was not given the value cannot know that it is the one.
		if _, err := s.Refresh(ctx, "absent", layered.Source[int]{Load: wrong}); !errors.Is(err, store.ErrNotModified) || !strings.Contains(err.Error(), "no value") {
			t.Errorf("a loader: %v", err)
		}
		hit(t, s, "absent", &row{}, 3)
	})
}

// A load that another load calls is not given the value of that one.
func TestReloading_isGivenItsOwn(t *testing.T) {
	everyTier(t, layered.Options[int]{TTL: 100 * time.Second, StaleFor: time.Hour, RefreshAhead: 0.5, Jitter: -1}, func(t *testing.T, s *layered.Store[int]) {
		other := open(t, memstore.New[int](nil), nil, nil)
		defer other.Close()
		none := func(context.Context, string, store.Entry[int]) (store.Entry[int], error) {
			t.Error("given the value of another load")
			return store.Entry[int]{}, nil
		}
		mustGet(t, s, "k", value(1))
		inner := layered.Source[int]{Load: value(2), Reload: none}
		outer := func(ctx context.Context, key string, old store.Entry[int]) (store.Entry[int], error) {
			if _, err := other.Find(ctx, key, inner); err != nil {
				t.Error(err)
			}
			other.Delete(ctx, key)
			found := map[string]bool{}
			other.FindMany(ctx, []string{key, "k2"}, inner, func(i int, f *layered.Found[int], err error) {
				if err != nil || f.Value != 2 {
					t.Errorf("%d: got %+v, %v", i, f, err)
				}
				found[[]string{key, "k2"}[i]] = true
			})
			if len(found) != 2 {
				t.Errorf("got %v", found)
			}
			other.Delete(ctx, key, "k2")
			return store.Entry[int]{}, store.ErrNotModified
		}
		if v := reloaded(t, s, "k", layered.Source[int]{Load: mustNotLoad(t), Reload: outer}); v != 1 {
			t.Errorf("got %d", v)
		}
		time.Sleep(60 * time.Second)
		mustFind(t, s, "k", layered.Source[int]{Load: mustNotLoad(t), Reload: outer}) // in the background
		synctest.Wait()
		if n := s.Counts().NotModified; n != 2 {
			t.Errorf("%d were not modified", n)
		}
	})
}

// A batch reloads what is there, in the background and in place of a stale value, unless
// LoadMany loads several.
func TestReloading_many(t *testing.T) {
	everyTier(t, layered.Options[int]{TTL: 100 * time.Second, StaleFor: time.Hour, RefreshAhead: 0.5, Jitter: -1}, func(t *testing.T, s *layered.Store[int]) {
		find := func(src layered.Source[int], want map[string]int) {
			t.Helper()
			ks := slices.Sorted(maps.Keys(want))
			s.FindMany(t.Context(), ks, src, func(i int, f *layered.Found[int], err error) {
				if err != nil || f.Value != want[ks[i]] || f.Stale {
					t.Errorf("%s: got %+v, %v", ks[i], f, err)
				}
			})
			synctest.Wait()
		}
		one := layered.Source[int]{Load: mustNotLoad(t), Reload: func(_ context.Context, _ string, old store.Entry[int]) (store.Entry[int], error) {
			if old.Value == 1 {
				return store.Entry[int]{}, store.ErrNotModified
			}
			return store.Entry[int]{Value: old.Value + 10}, nil
		}}
		mustGet(t, s, "a", value(1))
		mustGet(t, s, "b", value(2))
		time.Sleep(60 * time.Second)
		find(one, map[string]int{"a": 1})
		time.Sleep(50 * time.Second) // b is stale
		find(one, map[string]int{"a": 1, "b": 12})
		time.Sleep(110 * time.Second)
		find(one, map[string]int{"a": 1, "b": 22})
		if n := s.Counts().NotModified; n < 2 {
			t.Errorf("%d were not modified", n)
		}
		time.Sleep(110 * time.Second)
		many := one
		many.LoadMany = func(context.Context, []string) (map[string]store.Entry[int], error) {
			return map[string]store.Entry[int]{"a": {Value: 5}, "b": {Value: 6}}, nil
		}
		find(many, map[string]int{"a": 5, "b": 6})
	})
}

// Who joins a load after a change elsewhere, which this process has not heard of yet, does
// not get the value that was read before it, though the load that found it to be the one
// began later.
func TestReloading_joinAfterAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, second := tiers(t, &layered.Options[int]{TTL: 100 * time.Second, StaleFor: time.Hour, Jitter: -1})
		defer s.Close()
		mustGet(t, s, "k", value(1))
		time.Sleep(110 * time.Second)
		first.Clear(t.Context())
		read, load := make(chan struct{}), make(chan struct{})
		second.get = func(_ string, e store.Entry[int], err error) (store.Entry[int], error) {
			second.get = nil
			<-read
			return e, err
		}
		trusting := layered.Source[int]{Load: value(2), Reload: func(context.Context, string, store.Entry[int]) (store.Entry[int], error) {
			<-load
			return store.Entry[int]{}, store.ErrNotModified
		}}
		go s.Find(t.Context(), "k", trusting)
		synctest.Wait() // it has read the old value
		second.deaf.Store(true)
		if err := second.Peer().Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		got := make(chan int, 1)
		go func() {
			e, _ := s.Find(t.Context(), "k", trusting)
			got <- e.Value
		}()
		synctest.Wait()
		if n := s.Counts().Shared; n != 1 {
			t.Errorf("%d have joined", n)
		}
		close(read)
		synctest.Wait()
		close(load)
		if v := <-got; v != 2 {
			t.Errorf("who came after the Delete got %d", v)
		}
		if e, err := second.Store.Get(t.Context(), "k"); err != nil || e.Value != 2 {
			t.Errorf("L2 has %d, %v", e.Value, err)
		}
	})
}

// What this process has deleted after it was read is not offered either.
func TestReloading_deletedBeforeTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := layered.Options[int]{TTL: 100 * time.Second, StaleFor: time.Hour, RefreshAhead: 0.5, Jitter: -1}
		l2 := &plain{m: memstore.New[int](nil)}
		s := open(t, nil, l2, &o)
		defer s.Close()
		r := &versioned{}
		deleteOnce := func() {
			l2.get = nil
			if err := s.Delete(t.Context(), "k"); err != nil {
				t.Error(err)
			}
		}
		mustFind(t, s, "k", r.source())
		time.Sleep(110 * time.Second)
		l2.get = deleteOnce
		mustFind(t, s, "k", r.source()) // in the foreground
		r.asked(t, 2, 0)

		mustFind(t, s, "k", r.source())
		time.Sleep(60 * time.Second)
		l2.get = deleteOnce
		mustFind(t, s, "k", r.source()) // in the background
		synctest.Wait()
		r.asked(t, 3, 0)
	})
}
