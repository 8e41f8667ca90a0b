package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/store"
)

func testStoreGetallocatesNothing(t *testing.T, e *Engine) {
	if raceEnabled {
		return // the bound is checked without the race detector
	}
	s := e.Listings(e.open(t, 1<<20), nil)
	if err := s.Set(ctx, "k", store.Entry[*Listing]{Value: &Listing{}, ExpiresAt: store.In(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10_000, func() {
		if _, err := s.Get(ctx, "k"); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Get of a hit: %v allocations", n)
	}
	if n := testing.AllocsPerRun(10_000, func() { _, _ = s.Get(ctx, "missing") }); n != 0 {
		t.Errorf("Get of a miss: %v allocations", n)
	}
}

// Views of a budget that have the same hash for a key and another type.
func testStoresharesABudgetWithOtherTypes(t *testing.T, e *Engine) {
	b := e.open(t, 1<<20)
	numbers, texts := e.Ints(b, nil), e.Texts(b, nil)
	set(t, numbers, "k", 1)
	set(t, texts, "k", "one")
	if n, ok := get(t, numbers, "k"); !ok || n != 1 {
		t.Errorf("%d, %v", n, ok)
	}
	if s, ok := get(t, texts, "k"); !ok || s != "one" {
		t.Errorf("%q, %v", s, ok)
	}

	numbers, texts = e.Ints(b, nil), e.Texts(b, nil)
	numbers.Collide(0)
	texts.Collide(0)
	set(t, numbers, "k", 1)
	if s, ok := get(t, texts, "k"); ok {
		t.Errorf("another type's entry came as %q", s)
	}
	if n, ok := get(t, numbers, "other"); ok {
		t.Errorf("another key's entry came as %d", n)
	}
	if err := errors.Join(texts.Delete(ctx, "k"), numbers.Delete(ctx, "other"), texts.Clear(ctx)); err != nil {
		t.Fatal(err)
	}
	if n, ok := get(t, numbers, "k"); !ok || n != 1 {
		t.Errorf("after others were deleted: %d, %v", n, ok)
	}
	set(t, texts, "k", "one")
	if _, ok := get(t, numbers, "k"); ok {
		t.Error("a replaced entry is still there")
	}
	b.Settle()
	if n, m := stats(t, numbers).Entries, stats(t, texts).Entries; n != 0 || m != 1 {
		t.Errorf("%d and %d entries", n, m)
	}
	if err := b.Check(); err != nil {
		t.Error(err)
	}
}

func testStoreClearisForOneStore(t *testing.T, e *Engine) {
	b := e.open(t, 8<<20)
	s, other := e.Ints(b, nil), e.Ints(b, nil)
	for i := range 1000 {
		set(t, s, fmt.Sprint(i), i)
		set(t, other, fmt.Sprint(i), -i)
	}
	b.Settle()
	if err := s.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	if st := stats(t, s); st.Entries != 0 || st.Bytes != 0 {
		t.Errorf("after Clear: %+v", st)
	}
	for i := range 1000 {
		if _, ok := get(t, s, fmt.Sprint(i)); ok {
			t.Fatalf("entry %d is still there", i)
		}
		if v, ok := get(t, other, fmt.Sprint(i)); !ok || v != -i {
			t.Fatalf("entry %d of the other store: %d, %v", i, v, ok)
		}
	}
	set(t, s, "1", 7)
	if v, ok := get(t, s, "1"); !ok || v != 7 {
		t.Errorf("Set after Clear: %d, %v", v, ok)
	}
	e.swept(t, b, 1001)
}

// What was cleared makes room for what is set afterwards.
func testStoreCleargivesRoom(t *testing.T, e *Engine) {
	const room = 1000
	b := e.open(t, room)
	s := e.Ints(b, one[int])
	for round := range 5 {
		for i := range room {
			set(t, s, fmt.Sprint(round, " ", i), i)
		}
		b.Settle()
		if err := s.Clear(ctx); err != nil {
			t.Fatal(err)
		}
	}
	e.swept(t, b, 0)
	for i := range room {
		set(t, s, fmt.Sprint("new ", i), i)
		b.Settle()
	}
	if st := stats(t, s); st.Entries < room/2 {
		t.Errorf("%d of %d entries are kept after Clear", st.Entries, room)
	}
}

func testStoreSettooCostly(t *testing.T, e *Engine) {
	b := e.open(t, 1<<20)
	s := e.Bytes(b, nil)
	set(t, s, "k", []byte("small"))
	set(t, s, "k", make([]byte, 2<<20))
	if v, ok := get(t, s, "k"); ok {
		t.Errorf("%d bytes are kept in a budget of half of it", len(v))
	}
	if st := stats(t, s); st.Rejected != 1 || st.Entries != 0 {
		t.Errorf("%+v", st)
	}
}

func testOptionsCost(t *testing.T, e *Engine) {
	b := e.open(t, 1<<20)
	s := e.Ints(b, func(key string, e *store.Entry[int]) int64 { return int64(len(key) + e.Value) })
	set(t, s, "abc", 100)
	if got := stats(t, s).Bytes; got != 103 {
		t.Errorf("Bytes is %d", got)
	}
	set(t, s, "abc", 200)
	set(t, s, "d", -100)
	if got := stats(t, s).Bytes; got != 204 { // the least cost is 1
		t.Errorf("Bytes is %d", got)
	}

	plain := e.Texts(b, nil)
	bytes := func(e store.Entry[string]) int64 {
		t.Helper()
		if err := plain.Set(ctx, "k", e); err != nil {
			t.Fatal(err)
		}
		return stats(t, plain).Bytes
	}
	small := bytes(store.Entry[string]{Value: "v"})
	if got := bytes(store.Entry[string]{Value: strings.Repeat("v", 4096)}); got < small+4000 {
		t.Errorf("4 KiB more count as %d more", got-small)
	}
	if got := bytes(store.Entry[string]{Value: "v", Size: 10_000}); got < small+9900 {
		t.Errorf("a Size of 10,000 counts as %d", got-small)
	}
	if got := bytes(store.Entry[string]{Value: "v", Tags: []string{strings.Repeat("t", 100)}}); got < small+100 {
		t.Errorf("a tag of 100 bytes counts as %d", got-small)
	}
}

// An entry that is found expired is dropped.
func testStoreGetdropsWhatExpired(t *testing.T, e *Engine) {
	synctest.Test(t, func(t *testing.T) {
		b, err := e.NewBudget(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		s := e.Ints(b, nil)
		end := store.In(time.Minute)
		if err := s.Set(ctx, "k", store.Entry[int]{Value: 1, ExpiresAt: end}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute - time.Millisecond)
		if _, ok := get(t, s, "k"); !ok {
			t.Error("gone a millisecond before its expiry")
		}
		time.Sleep(time.Millisecond)
		if _, ok := get(t, s, "k"); ok {
			t.Error("returned at the moment of its expiry")
		}
		if st := stats(t, s); st.Entries != 0 || st.Evictions != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// The engine decides what to keep by what is asked for.
func testStorehitRatio(t *testing.T, e *Engine) {
	if raceEnabled {
		return // sync.Pool forgets at random under the race detector, and the engine with it
	}
	const held, all = 1000, 20_000
	b := e.open(t, held)
	s := e.Ints(b, one[int])
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, all-1)
	for i := range 300_000 {
		v := int(zipf.Uint64())
		key := fmt.Sprint(v)
		if got, ok := get(t, s, key); ok && got != v {
			t.Fatalf("%d under %q", got, key)
		} else if !ok {
			set(t, s, key, v)
		}
		if i%64 == 0 {
			b.Settle()
		}
	}
	st := stats(t, s)
	t.Logf("hit ratio %.3f, %+v", st.HitRatio(), st)
	if st.HitRatio() < 0.6 {
		t.Errorf("the hit ratio is %.3f", st.HitRatio())
	}
	if st.Entries > held*17/16+1 {
		t.Errorf("%d entries where there is room for %d", st.Entries, held)
	}
}
