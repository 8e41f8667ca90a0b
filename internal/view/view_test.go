package view_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/lokroom/strata/internal/view"
	"github.com/lokroom/strata/store"
)

func newView[T any]() *view.View[T] {
	return view.New[T](nil, func(*T) int { return 100 }, 1000)
}

func TestView_Entry_isOfOneViewKeyAndTime(t *testing.T) {
	v, w := newView[int](), newView[string]()
	it := v.Item("k", &store.Entry[int]{Value: 7})
	if e := v.Entry(it, "k"); e == nil || e.Value != 7 || !v.Owns(it) || it.Disowned() {
		t.Errorf("the entry is %v", e)
	}
	if v.Entry(it, "other") != nil || v.Entry(nil, "k") != nil {
		t.Error("an entry came for another key")
	}
	if w.Entry(it, "k") != nil || w.Owns(it) {
		t.Error("an entry came to another view")
	}
	v.Clear()
	if v.Entry(it, "k") != nil || v.Owns(it) || !it.Disowned() {
		t.Error("an entry came after Clear")
	}
}

func TestView_Hash_differsBetweenViews(t *testing.T) {
	v, w := newView[int](), newView[int]()
	same := 0
	for i := range 1000 {
		key := fmt.Sprint(i)
		first, again := v.Hash(key), v.Hash(key)
		if first != again {
			t.Fatal("two hashes of one key")
		}
		if first == w.Hash(key) {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d of 1000 keys collide with themselves in another view", same)
	}
}

func TestView_Item_cost(t *testing.T) {
	v := newView[int]()
	cost := func(key string, e store.Entry[int]) int64 { return v.Item(key, &e).Cost }
	base := cost("", store.Entry[int]{})
	if base < 1100 || base > 1400 {
		t.Errorf("an entry costs %d", base)
	}
	for want, got := range map[int64]int64{
		3:   cost("key", store.Entry[int]{}),
		400: cost("", store.Entry[int]{Size: 500}),
		0:   cost("", store.Entry[int]{Size: 50}),
		20:  cost("", store.Entry[int]{Tags: []string{"city"}}),
	} {
		if got-base != want {
			t.Errorf("costs %d more, want %d", got-base, want)
		}
	}
	own := view.New(func(string, *store.Entry[int]) int64 { return -5 }, nil, 0)
	if got := own.Item("k", &store.Entry[int]{}).Cost; got != 1 {
		t.Errorf("the least cost is %d", got)
	}
}

func TestView_Item_absentHasNoValue(t *testing.T) {
	v := newView[*int]()
	it := v.Item("k", &store.Entry[*int]{Value: new(int), Absent: true})
	if e := v.Entry(it, "k"); e.Value != nil || !e.Absent {
		t.Errorf("%+v", e)
	}
}

func TestView_Expiring(t *testing.T) {
	v := newView[int]()
	now := store.Now()
	for _, c := range []struct{ expires, stale, at, wantStale store.Time }{
		{now + 100, now + 40, now + 500, now + 440},
		{now + 100, 0, now + 500, 0},
		{now + 100, now + 40, 0, 0},
		{0, now + 40, now + 500, now + 40},
		{now + 100, 5, 50, 1},
	} {
		old := v.Item("k", &store.Entry[int]{Value: 7, ExpiresAt: c.expires, StaleAt: c.stale, Tags: []string{"t"}})
		it := v.Expiring(old, v.Entry(old, "k"), c.at)
		e := v.Entry(it, "k")
		if e.Value != 7 || e.ExpiresAt != c.at || e.StaleAt != c.wantStale ||
			it.Key != "k" || it.Cost != old.Cost || len(e.Tags) != 1 {
			t.Errorf("%+v became %+v of %+v", c, it, e)
		}
		if v.Entry(old, "k").ExpiresAt != c.expires {
			t.Error("the old item was changed")
		}
	}
}

func TestView_Stats(t *testing.T) {
	v := newView[int]()
	it := v.Item("k", &store.Entry[int]{})
	it.Charge()
	if st := v.Stats(); st.Entries != 1 || st.Bytes != it.Cost {
		t.Errorf("%+v", st)
	}
	v.Clear()
	if st := v.Stats(); st.Entries != 0 || st.Bytes != 0 {
		t.Errorf("after Clear: %+v", st)
	}
	it.Release()
	it.Evicted()
	it.Rejected()
	for h := range uint64(100) {
		n := v.At(h)
		n.Hits.Add(1)
		n.Misses.Add(2)
		n.Sets.Add(3)
		n.Deletes.Add(4)
	}
	want := store.Stats{Hits: 100, Misses: 200, Sets: 300, Deletes: 400, Evictions: 1, Rejected: 1}
	if st := v.Stats(); st != want {
		t.Errorf("%+v, want %+v", st, want)
	}
}

func TestCounters_areACacheLineEach(t *testing.T) {
	if n := unsafe.Sizeof(view.Stripe{}); n != 64 {
		t.Errorf("a stripe is %d bytes", n)
	}
	var c view.Counters
	seen := map[*view.Stripe]bool{}
	for h := range uint64(1000) {
		seen[c.At(h)] = true
	}
	if len(seen) != 32 {
		t.Errorf("%d stripes are used", len(seen))
	}
}

func TestCounters_Idle(t *testing.T) {
	var c view.Counters
	c.At(1).Begun.Add(1)
	if c.Idle() {
		t.Error("idle while a Get is under way")
	}
	c.At(1).Misses.Add(1)
	if !c.Idle() {
		t.Error("not idle after the Get")
	}
	// Idle is true once no Get begins any more, however many ran.
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			for i := range uint64(1000) {
				c.At(g ^ i).Begun.Add(1)
				c.At(g ^ i).Hits.Add(1)
			}
		})
	}
	wg.Wait()
	for deadline := time.Now().Add(time.Minute); !c.Idle(); {
		if time.Now().After(deadline) {
			t.Fatal("not idle")
		}
	}
}
