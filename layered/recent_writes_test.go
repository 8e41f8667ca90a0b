package layered_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// A forgetful is an L2 that can go back in time.
type forgetful struct {
	*l2
	rewound   func()
	connected func(bool)
}

func (f *forgetful) Watch(w store.Watching) (func(), error) {
	f.rewound, f.connected = w.RolledBack, w.Connected
	return f.l2.Watch(w)
}

// back brings what was there before the changes back under keys.
func (f *forgetful) back(t *testing.T, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := f.Store.Peer().Set(t.Context(), key, store.Entry[int]{Value: -1}); err != nil {
			t.Fatal(err)
		}
	}
}

func remembering(t *testing.T, o *layered.Options[int]) (*layered.Store[int], *forgetful) {
	t.Helper()
	f := &forgetful{l2: &l2{Store: memstore.New[int](nil)}}
	return open(t, memstore.New[int](nil), f, o), f
}

// settled waits until nothing is pending.
func settled(s *layered.Store[int]) {
	for s.Counts().RetryQueue != 0 {
		time.Sleep(time.Millisecond)
	}
}

// All kinds of changes are made once more when L2 has gone back in time, and nothing
// else is; until then what was changed is not read from L2.
func TestRecentWrites_replay(t *testing.T) {
	entry := store.Entry[int]{Value: 1}
	ops := map[string]func(context.Context, *layered.Store[int]) error{
		"Set":    func(ctx context.Context, s *layered.Store[int]) error { return s.Set(ctx, "k", entry) },
		"Delete": func(ctx context.Context, s *layered.Store[int]) error { return s.Delete(ctx, "a", "k") },
		"SetMany": func(ctx context.Context, s *layered.Store[int]) error {
			return s.SetMany(ctx, map[string]store.Entry[int]{"k": entry})
		},
		"Clear": func(ctx context.Context, s *layered.Store[int]) error { return s.Clear(ctx) },
		"DeletePattern": func(ctx context.Context, s *layered.Store[int]) error {
			_, err := s.DeletePattern(ctx, "k*")
			return err
		},
	}
	for name, change := range ops {
		for _, keeps := range []bool{true, false} {
			t.Run(fmt.Sprint(name, keeps), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := &layered.Options[int]{}
					if !keeps {
						o.RecentWritesFor = -1
					}
					s, l2 := remembering(t, o)
					defer s.Close()
					if err := change(t.Context(), s); err != nil {
						t.Fatal(err)
					}
					l2.back(t, "k", "other")
					if keeps {
						l2.rewound()
					} else if l2.rewound != nil {
						t.Error("it listens, though it has nothing to tell")
					}
					got := mustGet(t, s, "k", value(2))
					if keeps && got != 2 || !keeps && got != -1 {
						t.Errorf("got %d", got)
					}
					settled(s)
					_, err := l2.Store.Get(t.Context(), "k")
					if gone := errors.Is(err, store.ErrNotFound); gone != keeps {
						t.Errorf("then L2 has k: %v", err)
					}
					all := name == "Clear" || name == "DeletePattern"
					_, err = l2.Store.Get(t.Context(), "other")
					if gone := errors.Is(err, store.ErrNotFound); gone != (keeps && all) {
						t.Errorf("then L2 has another key: %v", err)
					}
					if n := s.Counts().Replayed; (n > 0) != keeps {
						t.Errorf("%d replayed", n)
					}
				})
			})
		}
	}
}

// What is read as L2 goes back in time is not believed, though all is in order again
// when the answer comes.
func TestRecentWrites_readUnderWay(t *testing.T) {
	many := func(ctx context.Context, ks []string) (map[string]store.Entry[int], error) {
		return map[string]store.Entry[int]{"k": {Value: 2}}, nil
	}
	for name, get := range map[string]func(context.Context, *layered.Store[int]) (int, error){
		"one": func(ctx context.Context, s *layered.Store[int]) (int, error) {
			e, err := s.GetOrLoad(ctx, "k", value(2))
			return e.Value, err
		},
		"many": func(ctx context.Context, s *layered.Store[int]) (int, error) {
			entries, err := s.GetManyOrLoad(ctx, []string{"k"}, many)
			return entries["k"].Value, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l2 := remembering(t, nil)
				defer s.Close()
				if err := s.Delete(t.Context(), "k"); err != nil {
					t.Fatal(err)
				}
				l2.back(t, "k")
				l2.get = func(_ string, e store.Entry[int], err error) (store.Entry[int], error) {
					l2.get = nil
					l2.rewound()
					settled(s)
					return e, err
				}
				if v, err := get(t.Context(), s); err != nil || v != 2 {
					t.Errorf("got %d, %v", v, err)
				}
			})
		})
	}
}

// What changes no value is not made once more, nor is anything by calls without keys.
func TestRecentWrites_nothingToReplay(t *testing.T) {
	s, l2 := remembering(t, nil)
	ctx := t.Context()
	l2.back(t, "k")
	for _, err := range []error{s.Delete(ctx), s.SetMany(ctx, nil), s.Expire(ctx, "k", time.Hour)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l2.rewound()
	if c := s.Counts(); c.Replayed != 0 || c.RetryQueue != 0 {
		t.Errorf("%d replayed, %d pending", c.Replayed, c.RetryQueue)
	}
}

// A change during which L2 goes back in time is made once more, too: nobody knows
// which L2 took it. So is the deletion of what was pending.
func TestRecentWrites_changeUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l2 := remembering(t, nil)
		defer s.Close()
		deletes := 0
		l2.del = func() error {
			if deletes++; deletes <= 2 {
				l2.rewound()
			}
			return nil
		}
		if err := s.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		l2.back(t, "k")
		if v := mustGet(t, s, "k", value(2)); v != 2 {
			t.Errorf("got %d", v)
		}
		settled(s)
		if deletes != 3 {
			t.Errorf("deleted %d times, want 3: the change, and after each loss", deletes)
		}
	})
}

// What L2 has done, though fewer replicas than wanted have confirmed it, is not tried
// again.
func TestRetryQueue_replicasDoNotConfirm(t *testing.T) {
	short := &store.Error{Store: "l2", Op: "delete", Err: store.ErrReplicas}
	for name, tc := range map[string]struct {
		err  error
		done bool
	}{
		"confirmed by none":       {short, true},
		"several of them":         {errors.Join(short, short), true},
		"not done":                {errSource, false},
		"one of several not done": {errors.Join(short, errSource), false},
		"one of several is open":  {errors.Join(short, &store.Error{Err: store.ErrUnavailable}), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l2 := remembering(t, nil)
				defer s.Close()
				l2.del = func() error { return short }
				if err := s.Delete(t.Context(), "k"); !errors.Is(err, store.ErrReplicas) {
					t.Errorf("Delete returned %v", err)
				}
				if n := s.Counts().RetryQueue; n != 0 {
					t.Errorf("%d pending after a Delete that took effect", n)
				}
				l2.del = func() error { return tc.err }
				l2.rewound()
				time.Sleep(time.Minute)
				if n := s.Counts().RetryQueue; (n == 0) != tc.done {
					t.Errorf("%d pending", n)
				}
			})
		})
	}
}

// A journal remembers for as long as it should and not much longer. The time during
// which L2 is not heard of does not count.
func TestRecentWrites_time(t *testing.T) {
	for _, tc := range []struct {
		after, silence time.Duration
		replays        bool
	}{
		{after: 59 * time.Second, replays: true},
		{after: 76 * time.Second},
		{after: time.Hour},
		{after: time.Second, silence: time.Hour, replays: true},
		{after: 59 * time.Second, silence: time.Hour, replays: true},
		{after: 76 * time.Second, silence: time.Hour},
	} {
		for _, heard := range []bool{true, false} { // before L2 says so, or as part of it
			synctest.Test(t, func(t *testing.T) {
				s, l2 := remembering(t, nil)
				defer s.Close()
				time.Sleep(7 * time.Second) // it need not begin with a part
				if err := s.Delete(t.Context(), "k"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(tc.after / 2)
				if tc.silence > 0 {
					l2.connected(false)
					l2.connected(false)
					time.Sleep(tc.silence)
					if heard {
						l2.connected(true)
						l2.connected(true)
					}
				}
				if heard || tc.silence == 0 {
					time.Sleep(tc.after / 2)
				} else if tc.after == 76*time.Second {
					return // it was silent for the other half
				}
				l2.rewound()
				if n := s.Counts().Replayed; (n > 0) != tc.replays {
					t.Errorf("%+v: %d replayed", tc, n)
				}
			})
		}
	}
}

// A journal of more keys than it may have is that of all keys, for as long as it
// would have remembered them.
func TestRecentWrites_bound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l2 := remembering(t, nil)
		defer s.Close()
		change := func(part string, n int) {
			many := make([]string, n)
			for i := range many {
				many[i] = fmt.Sprint(part, i)
			}
			for ks := range slices.Chunk(many, 1000) {
				if err := s.Delete(t.Context(), ks...); err != nil {
					t.Fatal(err)
				}
			}
		}
		replays := func() (n uint64, all bool) {
			before := s.Counts().Replayed
			l2.del = func() error { return store.ErrUnavailable } // they stay pending
			l2.rewound()
			c := s.Counts()
			l2.del = nil
			settled(s)
			return c.Replayed - before, c.RetryQueue == -1
		}
		change("a", 50_000)
		time.Sleep(20 * time.Second)
		change("b", 50_000)
		change("a", 10_000) // some of them again
		change("b", 10_000)
		if n, all := replays(); n != 1 || !all {
			t.Errorf("%d replayed, all: %v; want all: keys count once for each part of the time", n, all)
		}
		time.Sleep(2 * time.Minute)
		change("c", 100_000)
		if n, all := replays(); n != 100_000 || all {
			t.Errorf("then %d replayed, all: %v", n, all)
		}
	})
}

// What the journal costs a write is no allocation, once it knows the key.
func TestRecentWrites_allocations(t *testing.T) {
	ctx := context.Background()
	count := func(journalFor time.Duration) float64 {
		s, _ := remembering(t, &layered.Options[int]{RecentWritesFor: journalFor})
		return testing.AllocsPerRun(1000, func() { s.Delete(ctx, "k") })
	}
	if with, without := count(0), count(-1); with != without {
		t.Errorf("a Delete allocates %v times with a journal, %v without", with, without)
	}
}

func BenchmarkRecentWrites(b *testing.B) {
	for name, journalFor := range map[string]time.Duration{"with": 0, "without": -1} {
		for keys, n := range map[string]int{"100 keys": 100, "100,000 keys": 100_000} {
			b.Run(name+"/"+keys, func(b *testing.B) {
				f := &forgetful{l2: &l2{Store: memstore.New[int](nil)}}
				s, err := layered.New(memstore.New[int](nil), f, &layered.Options[int]{RecentWritesFor: journalFor})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				ks := make([]string, n)
				for i := range ks {
					ks[i] = fmt.Sprint("listing:", 1_000_000+i)
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if err := s.Delete(context.Background(), ks[i%n]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
