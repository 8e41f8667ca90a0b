package layered_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// R2 of the races: the reply of L2 is on its way to L1 when somebody else
// changes the key; the push is handled first, while there is nothing to drop.
// overtaken reads key while that happens and returns what is read afterwards.
func overtaken(t *testing.T, change func(second *l2), read func(*layered.Store[int])) (now int, s *layered.Store[int]) {
	t.Helper()
	s, _, second := tiers(t, nil)
	ctx := t.Context()
	second.Store.Set(ctx, "k", store.Entry[int]{Value: 1})
	second.get = func(_ string, e store.Entry[int], err error) (store.Entry[int], error) {
		second.get = nil
		change(second)
		return e, err // what was read before the change
	}
	read(s)
	return mustGet(t, s, "k", value(2)), s
}

func TestGuard_readOvertakenByAChange(t *testing.T) {
	changes := map[string]func(*l2){
		"set by a peer":     func(second *l2) { second.Peer().Set(t.Context(), "k", store.Entry[int]{Value: 2}) },
		"deleted by a peer": func(second *l2) { second.Peer().Delete(t.Context(), "k") },
		"connection lost":   func(second *l2) { second.Peer().Clear(t.Context()) }, // tells All
	}
	reads := map[string]func(*layered.Store[int]){
		"Get":           func(s *layered.Store[int]) { s.Get(t.Context(), "k") },
		"GetOrLoad":     func(s *layered.Store[int]) { s.GetOrLoad(t.Context(), "k", value(-1)) },
		"GetMany":       func(s *layered.Store[int]) { s.GetMany(t.Context(), []string{"k", "l"}) },
		"GetManyOrLoad": func(s *layered.Store[int]) { s.GetManyOrLoad(t.Context(), []string{"k"}, nil) },
	}
	for change, f := range changes {
		for read, g := range reads {
			t.Run(read+", "+change, func(t *testing.T) {
				now, s := overtaken(t, f, g)
				if now != 2 {
					t.Errorf("got %d after the change to 2", now)
				}
				if s.Counts().Refused == 0 {
					t.Error("no copy was refused: the race was not forced")
				}
			})
			// The fence is what does it: without it L1 serves the old value.
			t.Run(read+", "+change+", without the guard", func(t *testing.T) {
				defer mutant.Without(&mutant.NoFence)()
				if change == "connection lost" { // a fence of its own
					defer mutant.Without(&mutant.NoEpoch)()
				}
				if now, _ := overtaken(t, f, g); now != 1 {
					t.Errorf("got %d: the race was not forced", now)
				}
			})
		}
	}
}

// A load that a change elsewhere overtakes is not kept, and nobody who comes
// after the change joins it.
func TestWatch_loadIsOvertaken(t *testing.T) {
	for name, change := range map[string]func(*l2) error{
		"changed": func(second *l2) error { return second.Peer().Set(t.Context(), "k", store.Entry[int]{Value: 2}) },
		"lost":    func(second *l2) error { return second.Peer().Clear(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _, second := tiers(t, nil)
				go s.GetOrLoad(t.Context(), "k", slow(time.Minute, 1))
				synctest.Wait()
				if err := change(second); err != nil {
					t.Fatal(err)
				}
				if v := mustGet(t, s, "k", slow(time.Second, 2)); v != 2 {
					t.Errorf("a read after the change got %d", v)
				}
				time.Sleep(time.Hour)
				if e, err := second.Get(t.Context(), "k"); err == nil && e.Value == 1 {
					t.Error("the overtaken load was kept in L2")
				}
				s.Close()
			})
		})
	}
}

func TestWatch_changeElsewhereIsSeen(t *testing.T) {
	s, _, second := tiers(t, nil)
	mustGet(t, s, "k", value(1))
	second.Peer().Set(t.Context(), "k", store.Entry[int]{Value: 2})
	if v := mustGet(t, s, "k", mustNotLoad(t)); v != 2 {
		t.Errorf("got %d after a peer set 2", v)
	}
	second.Peer().Delete(t.Context(), "k")
	if v := mustGet(t, s, "k", value(3)); v != 3 {
		t.Errorf("got %d after a peer deleted, want a new load", v)
	}
	if c := s.Counts(); c.Invalidations < 2 {
		t.Errorf("%d invalidations counted, want 2", c.Invalidations)
	}
}

// Copies that an L2 cannot confirm are dropped when changes may have been missed.
func TestWatch_lossEmptiesL1(t *testing.T) {
	first, m := memstore.New[int](nil), memstore.New[int](nil)
	s := open(t, first, watchOnly{m, m}, nil)
	for _, key := range []string{"a", "b"} {
		if err := m.Set(t.Context(), key, store.Entry[int]{Value: 1}); err != nil {
			t.Fatal(err)
		}
		mustGet(t, s, key, mustNotLoad(t))
	}
	m.Peer().Clear(t.Context())
	for _, key := range []string{"a", "b"} {
		if _, err := first.Get(t.Context(), key); err != store.ErrNotFound {
			t.Errorf("%q is still in L1: %v", key, err)
		}
	}
	if c := s.Counts(); c.Lost != 1 {
		t.Errorf("Lost = %d, want 1", c.Lost)
	}
}

// A read of L2 that finds its connection lost tells so itself: what is loaded
// after that is kept all the same.
func TestWatch_lossDuringTheReadBeforeALoad(t *testing.T) {
	for name, read := range map[string]func(*layered.Store[int]){
		"one": func(s *layered.Store[int]) { mustGet(t, s, "k", value(1)) },
		"many": func(s *layered.Store[int]) {
			s.GetManyOrLoad(t.Context(), []string{"k"}, func(context.Context, []string) (map[string]store.Entry[int], error) {
				return map[string]store.Entry[int]{"k": {Value: 1}}, nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, second := tiers(t, nil)
			second.get = func(string, store.Entry[int], error) (store.Entry[int], error) {
				second.Peer().Clear(t.Context()) // tells All
				return store.Entry[int]{}, &store.Error{Store: "l2", Op: "get", Err: store.ErrUnavailable}
			}
			read(s)
			if _, ok := s.Local(t.Context(), "k"); !ok {
				t.Error("L1 does not keep what was loaded")
			}
		})
	}
}

// A fill that is overtaken on its way back must not be kept in L1.
func TestFill_overtakenByAChange(t *testing.T) {
	s, _, second := tiers(t, nil)
	mustGet(t, s, "k", value(1)) // an ordinary fill is kept
	if _, ok := s.Local(t.Context(), "k"); !ok {
		t.Fatal("a fill was not kept in L1")
	}
	second.fill = func() error { // the change is told while the fill is being made
		second.fill = nil
		return second.Peer().Set(t.Context(), "l", store.Entry[int]{Value: 2})
	}
	mustGet(t, s, "l", value(1))
	if _, ok := s.Local(t.Context(), "l"); ok {
		t.Error("L1 keeps a fill that a change overtook")
	}
}

// write races: op is called while a load of "k" is under way.
func TestWrite_loadIsOvertaken(t *testing.T) {
	ops := map[string]func(*layered.Store[int]) error{
		"Set": func(s *layered.Store[int]) error { return s.Set(t.Context(), "k", store.Entry[int]{Value: 2}) },
		"SetMany": func(s *layered.Store[int]) error {
			return s.SetMany(t.Context(), map[string]store.Entry[int]{"k": {Value: 2}})
		},
		"Delete": func(s *layered.Store[int]) error { return s.Delete(t.Context(), "j", "k") },
		"Clear":  func(s *layered.Store[int]) error { return s.Clear(t.Context()) },
		"DeletePattern": func(s *layered.Store[int]) error {
			_, err := s.DeletePattern(t.Context(), "k*")
			return err
		},
	}
	for name, op := range ops {
		for _, withL2 := range []bool{true, false} {
			for _, batch := range []bool{false, true} {
				t.Run(name+map[bool]string{true: ", two tiers", false: ", L1 only"}[withL2]+map[bool]string{true: ", batch"}[batch], func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { testOvertaken(t, op, withL2, batch) })
				})
			}
		}
	}
}

func testOvertaken(t *testing.T, op func(*layered.Store[int]) error, withL2, batch bool) {
	both, first, _ := tiers(t, nil)
	s := both
	if !withL2 {
		s = open(t, first, nil, nil)
	}
	defer s.Close()
	defer both.Close()
	old := make(chan int, 1)
	go func() {
		if !batch {
			e, _ := s.GetOrLoad(t.Context(), "k", slow(time.Second, 1))
			old <- e.Value
			return
		}
		found, _ := s.GetManyOrLoad(t.Context(), []string{"k"}, func(context.Context, []string) (map[string]store.Entry[int], error) {
			time.Sleep(time.Second)
			return map[string]store.Entry[int]{"k": {Value: 1}}, nil
		})
		old <- found["k"].Value
	}()
	synctest.Wait()
	if err := op(s); err != nil {
		t.Fatal(err)
	}
	// Who comes after the write does not join the load that began before it.
	if v := mustGet(t, s, "k", slow(2*time.Second, 2)); v != 2 {
		t.Errorf("a read after the write got %d, want 2", v)
	}
	if v := <-old; v != 1 {
		t.Errorf("who waited for the overtaken load got %d, want 1", v)
	}
	if v := mustGet(t, s, "k", value(3)); v != 2 {
		t.Errorf("kept %d, want 2", v)
	}
}

// The same for all keys at once.
func TestClear_waitsForAKeepUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, second := tiers(t, nil)
		var fills atomic.Int64
		second.fill = func() error {
			if fills.Add(1) == 1 {
				time.Sleep(time.Second) // on the wire
			}
			return nil
		}
		go s.GetOrLoad(t.Context(), "k", value(1))
		synctest.Wait()
		if err := s.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustGet(t, s, "k", value(2))
		time.Sleep(time.Minute)
		if e, _ := second.Get(t.Context(), "k"); e.Value != 2 {
			t.Errorf("L2 keeps %d: the fill landed after Clear", e.Value)
		}
		s.Close()
	})
}

// Who comes after a Clear does not join a read that L2 answered before it.
func TestClear_readDuringIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		second := &plain{m: memstore.New[int](nil), clear: func() { time.Sleep(time.Second) }, get: func() {
			if slow.Swap(false) {
				time.Sleep(time.Minute) // the reply is on its way
			}
		}}
		s := open(t, memstore.New[int](nil), second, nil)
		second.Set(t.Context(), "k", store.Entry[int]{Value: 1})
		go func() {
			time.Sleep(time.Millisecond)
			slow.Store(true)
			s.GetOrLoad(t.Context(), "k", value(-1))
		}()
		if err := s.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := mustGet(t, s, "k", value(2)); v != 2 {
			t.Errorf("got %d after Clear", v)
		}
		time.Sleep(time.Hour)
		s.Close()
	})
}

// A load that is being kept in L2 when a Delete comes must not land after it.
func TestDelete_waitsForAKeepUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, second := tiers(t, nil)
		second.fill = func() error {
			time.Sleep(time.Second) // on the wire
			return nil
		}
		go s.GetOrLoad(t.Context(), "k", value(1))
		synctest.Wait()
		if err := s.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if v := mustGet(t, s, "k", value(2)); v != 2 {
			t.Errorf("got %d after Delete: the fill landed after it", v)
		}
		// A caller who cannot wait that long is told that it did not happen.
		second.Delete(t.Context(), "k")
		go s.GetOrLoad(t.Context(), "k", value(3))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := s.Delete(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Delete with too little time: %v, want DeadlineExceeded", err)
		}
		time.Sleep(time.Minute)
		s.Close()
	})
}

// A load that begins and ends while a Set is under way must not be kept over it.
func TestSet_loadDuringIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, second := tiers(t, nil)
		second.afterSet = func() { time.Sleep(time.Minute) } // the reply is on its way
		go func() {
			time.Sleep(time.Second)
			second.Store.Delete(t.Context(), "k") // evicted, so that it is loaded
			s.GetOrLoad(t.Context(), "k", value(1))
			second.Store.Set(t.Context(), "k", store.Entry[int]{Value: 2})
		}()
		if err := s.Set(t.Context(), "k", store.Entry[int]{Value: 2}); err != nil {
			t.Fatal(err)
		}
		if v := mustGet(t, s, "k", value(3)); v != 2 {
			t.Errorf("got %d after Set of 2", v)
		}
		s.Close()
	})
}

// A read that L2 answered before a write of this process must not fill L1 after
// it, though L2 does not tell of the write.
func TestWrite_readIsOvertaken(t *testing.T) {
	for name, op := range map[string]func(*layered.Store[int]) error{
		"Set":    func(s *layered.Store[int]) error { return s.Set(t.Context(), "k", store.Entry[int]{Value: 2}) },
		"Delete": func(s *layered.Store[int]) error { return s.Delete(t.Context(), "k") },
		"Clear":  func(s *layered.Store[int]) error { return s.Clear(t.Context()) },
		"DeletePattern": func(s *layered.Store[int]) error {
			_, err := s.DeletePattern(t.Context(), "*")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := memstore.New[int](nil), &plain{m: memstore.New[int](nil)}
				s := open(t, first, second, nil)
				second.Set(t.Context(), "k", store.Entry[int]{Value: 1})
				second.get = func() { time.Sleep(time.Second) } // the reply is on its way
				go s.GetOrLoad(t.Context(), "k", value(-1))
				go s.Get(t.Context(), "k")
				synctest.Wait()
				if err := op(s); err != nil {
					t.Fatal(err)
				}
				if v := mustGet(t, s, "k", value(2)); v != 2 {
					t.Errorf("got %d after it", v)
				}
				time.Sleep(time.Minute)
				if e, _ := first.Get(t.Context(), "k"); e.Value == 1 {
					t.Error("L1 keeps what was read before it")
				}
				s.Close()
			})
		})
	}
}

// A slowWatcher has not come to tell of anything yet.
type slowWatcher struct{}

func (slowWatcher) MaxStale() time.Duration { return 0 }
func (slowWatcher) Watch(w store.Watching) (stop func(), err error) {
	w.Connected(true)
	return func() {}, nil
}

// What L2 does not watch must not stay in L1.
func TestFill_notWatchedIsNotKept(t *testing.T) {
	unwatched := &l2{Store: memstore.New[int](nil), unwatched: true}
	m := memstore.New[int](nil)
	for name, second := range map[string]store.Store[int]{
		"fill says so": unwatched,
		"L2 watches but no fill": struct {
			store.Store[int]
			slowWatcher
		}{m, slowWatcher{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, memstore.New[int](nil), second, nil)
			mustGet(t, s, "k", value(1))
			if _, ok := s.Local(t.Context(), "k"); ok {
				t.Error("L1 keeps it")
			}
			f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: mustNotLoad(t)})
			if err != nil || f.Tier != layered.L2 {
				t.Errorf("second read: from %v, %v, want L2", f.Tier, err)
			}
			if _, ok := s.Local(t.Context(), "k"); !ok {
				t.Error("L1 does not keep what was read from L2")
			}
		})
	}
}

func TestWrite_failureDropsTheCopyOfThisProcess(t *testing.T) {
	s, first, second := tiers(t, nil)
	mustGet(t, s, "k", value(1))
	second.set = func() error { return &store.Error{Store: "l2", Op: "set", Err: store.ErrUnavailable} }
	if err := s.Set(t.Context(), "k", store.Entry[int]{Value: 2}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Set: %v, want the error of L2", err)
	}
	if _, err := first.Get(t.Context(), "k"); err != store.ErrNotFound {
		t.Errorf("L1 keeps its copy after a Set whose outcome is not known: %v", err)
	}
}
