package ristrettostore_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/ristrettostore"
)

// The engine lets go of what was emptied, and of nothing that was set again.
func TestBudget_emptiedCellsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := ristrettostore.NewBudget(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		s := ristrettostore.New[int](b, nil)
		for i := range 300 {
			set(t, s, fmt.Sprint(i), i)
			if i%2 == 0 {
				b.Settle() // every other one is emptied on its way to the engine
			}
			if i%3 != 0 {
				if err := s.Delete(ctx, fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			if i%3 == 2 {
				set(t, s, fmt.Sprint(i), i)
			}
		}
		time.Sleep(15 * time.Second)
		b.Settle()
		if n := b.Cells(); n != 200 {
			t.Errorf("%d cells for 200 entries", n)
		}
		for i := range 300 {
			if _, ok := get(t, s, fmt.Sprint(i)); ok != (i%3 != 1) {
				t.Errorf("entry %d: %v", i, ok)
			}
		}
		if err := b.Check(); err != nil {
			t.Error(err)
		}
		if st := stats(t, s); st.Evictions != 0 || st.Rejected != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Entries that come and go under the same keys, more than there is room for,
// are not locked out by those that came first.
func TestBudget_deletedKeysCanReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room = 100
		b, err := ristrettostore.NewBudget(room * 1000)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		s := ristrettostore.New(b, &ristrettostore.Options[int]{
			Cost: func(string, *store.Entry[int]) int64 { return 1000 },
		})
		load := func(name string) (kept int) {
			for i := range room {
				set(t, s, fmt.Sprint(name, i), i)
				b.Settle()
			}
			for i := range room {
				if _, ok := get(t, s, fmt.Sprint(name, i)); ok {
					kept++
				}
			}
			return kept
		}
		if n := load("a"); n < room*9/10 {
			t.Fatalf("%d of %d are kept at first", n, room)
		}
		if _, err := s.DeletePattern(ctx, "a*"); err != nil {
			t.Fatal(err)
		}
		load("b")
		time.Sleep(15 * time.Second)
		if n := load("a"); n < room/4 {
			t.Errorf("%d of %d are kept when they come again", n, room)
		}
		if st := b.Stats(); st.Bytes > room*1000*17/16 {
			t.Errorf("%+v", st)
		}
		if err := b.Check(); err != nil {
			t.Error(err)
		}
	})
}

// What is on its way to an engine that does not come to it is bounded too.
func TestBudget_boundsWhatIsUnderWay(t *testing.T) {
	const limit = 1 << 20
	b := open(t, limit)
	s := ristrettostore.New(b, &ristrettostore.Options[int]{
		Cost: func(string, *store.Entry[int]) int64 { return 1024 },
	})
	for i := range 2000 {
		set(t, s, free(s, fmt.Sprint("old ", i)), i)
	}
	b.Settle()
	release := b.Stick()
	for i := range 20_000 {
		set(t, s, free(s, fmt.Sprint("new ", i)), i)
	}
	if st := b.Stats(); st.Bytes > limit+limit/8+1024 {
		t.Errorf("%d bytes in a budget of %d", st.Bytes, limit)
	}
	release()
	b.Settle()
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	if st := b.Stats(); st.Bytes > limit {
		t.Errorf("settled: %d bytes in a budget of %d", st.Bytes, limit)
	}
}

// The engine makes no room for entries that grow, so growing has an end.
func TestBudget_boundsGrowth(t *testing.T) {
	const limit, keys = 10_000, 100
	b := open(t, limit)
	s := ristrettostore.New(b, &ristrettostore.Options[int]{
		Cost: func(_ string, e *store.Entry[int]) int64 { return int64(e.Value) },
	})
	for _, cost := range []int{50, 100, 1000, 5000} {
		for i := range keys {
			set(t, s, fmt.Sprint(i), cost)
		}
		b.Settle()
		if st := b.Stats(); st.Bytes > limit+limit/16 {
			t.Errorf("at %d each: %+v", cost, st)
		}
		if err := b.Check(); err != nil {
			t.Error(err)
		}
	}
	if st := stats(t, s); st.Rejected == 0 {
		t.Errorf("%+v", st)
	}
}

// The engine would panic, or race, if it were closed while a Get uses it.
func TestBudget_Close_waitsForGets(t *testing.T) {
	b := open(t, 1<<20)
	s := ristrettostore.New[int](b, nil)
	end := s.BeginGet("k")
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		b.Close()
	}()
	for { // until Close has begun
		if _, err := s.Get(ctx, "k"); errors.Is(err, store.ErrClosed) {
			break
		}
	}
	for range 1000 {
		runtime.Gosched()
	}
	select {
	case <-closed:
		t.Error("Close returned while a Get was under way")
	default:
	}
	end()
	<-closed
}
