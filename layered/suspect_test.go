package layered_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// A shaky is an L2 that can be away, and whose connection can be lost.
type shaky struct {
	*l2
	tell      func(store.Invalidation)
	connected func(bool)
	away      atomic.Bool
	empty     atomic.Bool // it has nothing, and nobody was told
}

var errAway = &store.Error{Store: "test", Op: "any", Err: store.ErrUnavailable}

func shakyTiers(t *testing.T, o layered.Options[int]) (*layered.Store[int], *shaky) {
	t.Helper()
	f := &shaky{l2: &l2{Store: memstore.New[int](nil)}}
	fails := func() error {
		if f.away.Load() {
			return errAway
		}
		return nil
	}
	f.fill, f.set, f.del = fails, fails, fails
	f.get = func(_ string, e store.Entry[int], err error) (store.Entry[int], error) {
		if f.away.Load() {
			return store.Entry[int]{}, errAway
		}
		if f.empty.Load() {
			return store.Entry[int]{}, store.ErrNotFound
		}
		return e, err
	}
	return open(t, memstore.New[int](nil), f, &o), f
}

func (f *shaky) Watch(w store.Watching) (func(), error) {
	f.tell, f.connected = w.Changed, w.Connected
	return f.Store.Watch(w)
}

func (f *shaky) Revalidate(ctx context.Context, key string, e store.Entry[int]) (store.Entry[int], error) {
	now, err := f.Get(ctx, key)
	if err == nil && now.Version != e.Version {
		err = store.ErrNotFound
	}
	return now, err
}

func (f *shaky) Clear(ctx context.Context) error {
	if f.away.Load() {
		return errAway
	}
	return f.Store.Clear(ctx)
}

// lost is what happens when the connection is.
func (f *shaky) lost() {
	f.away.Store(true)
	f.tell(store.Invalidation{All: true})
	f.connected(false)
}

func (f *shaky) back() {
	f.away.Store(false)
	f.connected(true)
}

// lasting are options with which a value is fresh for 100 s, and then stale for 1000 s. A
// source that has failed is asked by the next read.
func lasting() layered.Options[int] {
	return layered.Options[int]{TTL: 100 * time.Second, StaleFor: 1000 * time.Second, Jitter: -1, RetryAfter: -1}
}

// ways are the ways to read one key.
var ways = map[string]func(context.Context, *layered.Store[int], string, layered.Loader[int]) (layered.Found[int], error){
	"one": func(ctx context.Context, s *layered.Store[int], key string, load layered.Loader[int]) (layered.Found[int], error) {
		return s.Find(ctx, key, layered.Source[int]{Load: load})
	},
	"many": func(ctx context.Context, s *layered.Store[int], key string, load layered.Loader[int]) (f layered.Found[int], err error) {
		before := s.Counts().StaleServed
		m, err := s.GetManyOrLoad(ctx, []string{key}, func(ctx context.Context, ks []string) (map[string]store.Entry[int], error) {
			e, err := load(ctx, ks[0])
			if err != nil {
				return nil, err
			}
			return map[string]store.Entry[int]{ks[0]: e}, nil
		})
		f.Entry, f.Stale = m[key], s.Counts().StaleServed > before
		if f.Stale {
			f.Tier, f.Cause = layered.L1, errSource
		}
		return f, err
	},
}

// inEachWay runs a test for each of them, under synctest.
func inEachWay(t *testing.T, test func(*testing.T, func(context.Context, *layered.Store[int], string, layered.Loader[int]) (layered.Found[int], error))) {
	for name, get := range ways {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, get) }) })
	}
}

func flagged(t *testing.T, f layered.Found[int], err error, want int) {
	t.Helper()
	if err != nil || f.Value != want || !f.Stale || !f.Entry.Stale(store.Now()) || f.Tier != layered.L1 || !errors.Is(f.Cause, errSource) {
		t.Errorf("got %+v, %v; want %d, stale, because the source fails", f, err, want)
	}
}

// Where neither L2 nor the source can answer, a copy in L1 is served that is in doubt,
// flagged, until the end of its life; and when one of them can, it is asked.
func TestSuspect_neitherCanAnswer(t *testing.T) {
	inEachWay(t, func(t *testing.T, get func(context.Context, *layered.Store[int], string, layered.Loader[int]) (layered.Found[int], error)) {
		s, l2 := shakyTiers(t, lasting())
		defer s.Close()
		mustGet(t, s, "k", value(1))
		l2.lost()
		for _, at := range []time.Duration{0, 50 * time.Second, 100 * time.Second, 949 * time.Second} {
			time.Sleep(at) // 1099 s in the end
			f, err := get(t.Context(), s, "k", failing(errSource))
			flagged(t, f, err, 1)
		}
		if c := s.Counts(); c.Suspect != 4 || c.StaleServed != 4 {
			t.Errorf("counted %+v", c)
		}
		if _, ok := s.Local(t.Context(), "k"); ok {
			t.Error("L1 answers with it by itself")
		}
		l2.away.Store(false) // it answers again
		f, err := get(t.Context(), s, "k", failing(errSource))
		if err != nil || f.Value != 1 || s.Counts().Suspect != 4 {
			t.Errorf("when L2 is back: %+v, %v", f, err)
		}
		l2.away.Store(true)
		if f, err := get(t.Context(), s, "k", value(2)); err != nil || f.Value != 2 || f.Stale {
			t.Errorf("when the source is back: %+v, %v", f, err)
		}
		time.Sleep(1100 * time.Second)
		if f, err := get(t.Context(), s, "k", failing(errSource)); !errors.Is(err, errSource) {
			t.Errorf("when it is over: %+v, %v", f, err)
		}
	})
}

// What is loaded while L2 is away answers for MaxDisconnected, and is in doubt after it, until
// the end of its life: then it is loaded anew before anybody is answered.
func TestSuspect_loadedDisconnected(t *testing.T) {
	inEachWay(t, func(t *testing.T, get func(context.Context, *layered.Store[int], string, layered.Loader[int]) (layered.Found[int], error)) {
		for _, soon := range []bool{false, true} {
			o := lasting()
			o.StaleWhileRevalidate = soon
			s, l2 := shakyTiers(t, o)
			l2.lost()
			mustGet(t, s, "k", value(1))
			time.Sleep(2*time.Second - time.Millisecond)
			if f, err := get(t.Context(), s, "k", mustNotLoad(t)); err != nil || f.Value != 1 || f.Stale {
				t.Errorf("got %+v, %v", f, err)
			}
			time.Sleep(time.Millisecond)
			f, err := get(t.Context(), s, "k", failing(errSource))
			flagged(t, f, err, 1)
			if f, err := get(t.Context(), s, "k", value(2)); err != nil || f.Value != 2 || f.Stale {
				t.Errorf("it was not loaded anew: %+v, %v", f, err)
			}
			time.Sleep(1099 * time.Second)
			f, err = get(t.Context(), s, "k", failing(errSource))
			flagged(t, f, err, 2)
			time.Sleep(time.Second)
			if f, err := get(t.Context(), s, "k", failing(errSource)); !errors.Is(err, errSource) {
				t.Errorf("when it is over: %+v, %v", f, err)
			}
			s.Close()
		}
	})
}

// What is known not to stand any more is never served, however much everything fails.
func TestSuspect_never(t *testing.T) {
	for name, c := range map[string]struct {
		opts func(*layered.Options[int])
		do   func(context.Context, *layered.Store[int], *shaky)
	}{
		"deleted here": {do: func(ctx context.Context, s *layered.Store[int], l2 *shaky) { l2.lost(); s.Delete(ctx, "k") }},
		"cleared here": {do: func(ctx context.Context, s *layered.Store[int], l2 *shaky) { l2.lost(); s.Clear(ctx) }},
		"notified": {do: func(ctx context.Context, s *layered.Store[int], l2 *shaky) {
			l2.Store.Peer().Delete(ctx, "k")
			l2.lost()
		}},
		"notified of a Clear": {do: func(ctx context.Context, s *layered.Store[int], l2 *shaky) {
			l2.tell(store.Invalidation{All: true, Cleared: true})
			l2.lost()
		}},
		"denied": {do: func(ctx context.Context, s *layered.Store[int], l2 *shaky) {
			l2.lost()
			l2.empty.Store(true)
			l2.back()
			s.Find(ctx, "k", layered.Source[int]{Load: failing(errSource)})
			l2.lost()
		}},
		"denied, loaded while disconnected": {do: func(ctx context.Context, s *layered.Store[int], l2 *shaky) {
			l2.lost()
			l2.empty.Store(true)
			s.Find(ctx, "k", layered.Source[int]{Load: value(2)})
			l2.back()
			time.Sleep(2 * time.Second)
			s.Find(ctx, "k", layered.Source[int]{Load: failing(errSource)})
			l2.lost()
		}},
		"denied to a batch": {do: func(ctx context.Context, s *layered.Store[int], l2 *shaky) {
			l2.lost()
			l2.empty.Store(true)
			l2.back()
			s.GetManyOrLoad(ctx, []string{"k"}, func(context.Context, []string) (map[string]store.Entry[int], error) { return nil, errSource })
			l2.lost()
		}},
		"no StaleFor": {opts: func(o *layered.Options[int]) { o.StaleFor = 0 }, do: func(ctx context.Context, s *layered.Store[int], l2 *shaky) { l2.lost() }},
		"StrictStale": {opts: func(o *layered.Options[int]) { o.StrictStale = true }, do: func(ctx context.Context, s *layered.Store[int], l2 *shaky) { l2.lost() }},
		"StrictStale, loaded while disconnected": {opts: func(o *layered.Options[int]) { o.StrictStale = true }, do: func(ctx context.Context, s *layered.Store[int], l2 *shaky) {
			l2.lost()
			s.Find(ctx, "k", layered.Source[int]{Load: value(2)})
			time.Sleep(2 * time.Second)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inEachWay(t, func(t *testing.T, get func(context.Context, *layered.Store[int], string, layered.Loader[int]) (layered.Found[int], error)) {
				o := lasting()
				if c.opts != nil {
					c.opts(&o)
				}
				s, l2 := shakyTiers(t, o)
				defer s.Close()
				mustGet(t, s, "k", value(1))
				c.do(t.Context(), s, l2)
				if f, err := get(t.Context(), s, "k", failing(errSource)); !errors.Is(err, errSource) {
					t.Errorf("got %+v, %v", f, err)
				}
				l2.back()
			})
		})
	}
}

// What is being read or loaded when the connection is lost is kept as a copy in doubt;
// but not if the key was changed meanwhile.
func TestSuspect_lostMeanwhile(t *testing.T) {
	inEachWay(t, func(t *testing.T, get func(context.Context, *layered.Store[int], string, layered.Loader[int]) (layered.Found[int], error)) {
		for _, changed := range []bool{false, true} {
			for _, what := range []string{"read", "fill", "failed fill"} {
				s, l2 := shakyTiers(t, lasting())
				meanwhile := func() {
					if changed {
						l2.tell(store.Invalidation{Keys: []string{"k"}})
					}
					l2.tell(store.Invalidation{All: true})
				}
				switch what {
				case "read":
					if err := s.Set(t.Context(), "k", s.NewEntry(1, 0)); err != nil {
						t.Fatal(err)
					}
					read := l2.get
					l2.get = func(key string, e store.Entry[int], err error) (store.Entry[int], error) {
						meanwhile()
						return read(key, e, err)
					}
				case "fill":
					l2.fill = func() error { meanwhile(); return nil }
				case "failed fill":
					l2.fill = func() error { meanwhile(); return errAway }
				}
				if f, err := get(t.Context(), s, "k", value(1)); err != nil || f.Value != 1 {
					t.Fatalf("%s: got %+v, %v", what, f, err)
				}
				l2.get = func(string, store.Entry[int], error) (store.Entry[int], error) { return store.Entry[int]{}, errAway }
				if _, ok := s.Local(t.Context(), "k"); ok {
					t.Errorf("%s: it is no copy in doubt", what)
				}
				f, err := get(t.Context(), s, "k", failing(errSource))
				if changed {
					if !errors.Is(err, errSource) {
						t.Errorf("%s, changed: got %+v, %v", what, f, err)
					}
				} else {
					flagged(t, f, err, 1)
				}
				s.Close()
			}
		}
	})
}

// Close tells L2 what is pending, and says what it could not tell.
func TestClose_retryQueue(t *testing.T) {
	for _, back := range []bool{true, false} {
		for what, change := range map[string]func(context.Context, *layered.Store[int]) error{
			"the changes of 2 keys": func(ctx context.Context, s *layered.Store[int]) error { return s.Delete(ctx, "a", "b") },
			"a Clear":               func(ctx context.Context, s *layered.Store[int]) error { return s.Clear(ctx) },
		} {
			t.Run(fmt.Sprint(what, back), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, l2 := shakyTiers(t, layered.Options[int]{})
					if err := s.Set(t.Context(), "a", store.Entry[int]{Value: 1}); err != nil {
						t.Fatal(err)
					}
					l2.away.Store(true)
					if err := change(t.Context(), s); !errors.Is(err, store.ErrUnavailable) {
						t.Fatalf("the change: %v", err)
					}
					if back {
						l2.away.Store(false)
					}
					began := time.Now()
					err := s.Close()
					if took := time.Since(began); took > time.Second {
						t.Errorf("it took %v", took)
					}
					_, there := l2.Store.Get(t.Context(), "a")
					if back && (err != nil || !errors.Is(there, store.ErrNotFound)) {
						t.Errorf("Close: %v; L2 has the old value: %v", err, there == nil)
					}
					if !back && (!errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), what)) {
						t.Errorf("Close: %v", err)
					}
					if err := s.Close(); err != nil {
						t.Errorf("closed twice: %v", err)
					}
				})
			})
		}
	}
}

// An L2 that hangs does not keep Close for longer than a second.
func TestClose_hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &hanging{shaky: &shaky{l2: &l2{Store: memstore.New[int](nil)}}}
		s := open(t, memstore.New[int](nil), f, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		s.Delete(ctx, "a")
		began := time.Now()
		if err := s.Close(); !errors.Is(err, store.ErrUnavailable) || time.Since(began) != time.Second {
			t.Errorf("Close: %v, after %v", err, time.Since(began))
		}
	})
}

// A hanging is an L2 whose deletions end with their context.
type hanging struct{ *shaky }

func (h *hanging) Delete(ctx context.Context, _ ...string) error {
	<-ctx.Done()
	return ctx.Err()
}

// With more keys than are remembered, all are deleted: nothing is lost silently.
func TestRetryQueue_overflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l2 := shakyTiers(t, layered.Options[int]{RecentWritesFor: -1})
		defer s.Close()
		for _, key := range []string{"0", "other"} {
			if err := s.Set(t.Context(), key, store.Entry[int]{Value: 1}); err != nil {
				t.Fatal(err)
			}
		}
		l2.away.Store(true)
		ks := make([]string, 1000)
		for i := range 100 {
			for j := range ks {
				ks[j] = fmt.Sprint(1000*i + j)
			}
			s.Delete(t.Context(), ks...)
		}
		if n, _ := s.RetryQueue(); n != 100_000 {
			t.Errorf("%d pending", n)
		}
		s.Delete(t.Context(), "0") // the newest of a key counts once
		if n, _ := s.RetryQueue(); n != 100_000 {
			t.Errorf("%d pending", n)
		}
		s.Delete(t.Context(), "one more")
		time.Sleep(time.Second)
		if n, oldest := s.RetryQueue(); n != -1 || oldest < time.Second {
			t.Errorf("%d pending for %v", n, oldest)
		}
		if v := mustGet(t, s, "other", value(2)); v != 2 {
			t.Errorf("got %d from L2, which is to be cleared", v)
		}
		l2.away.Store(false)
		settled(s)
		for _, key := range []string{"0", "other"} {
			if _, err := l2.Store.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("L2 still has %q: %v", key, err)
			}
		}
	})
}

// What is pending is tried as soon as L2 is heard of again, however long it was not.
func TestRetryQueue_triedWhenConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l2 := shakyTiers(t, layered.Options[int]{})
		defer s.Close()
		l2.lost()
		s.Delete(t.Context(), "k")
		time.Sleep(time.Minute + time.Millisecond)
		l2.back()
		began := time.Now()
		settled(s)
		if took := time.Since(began); took > time.Millisecond {
			t.Errorf("it was tried after %v", took)
		}
	})
}
