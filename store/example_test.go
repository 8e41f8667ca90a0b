package store_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

func ExampleEntry() {
	e := store.Entry[string]{
		Value:     "Paris",
		StaleAt:   store.In(time.Minute), // then it should be refreshed
		ExpiresAt: store.In(time.Hour),   // then it is gone
	}
	later := store.Now().Add(30 * time.Minute)
	fmt.Println(e.Stale(later), e.Expired(later))
	// Output: true false
}

func ExampleGetMap() {
	ctx := context.Background()
	s := memstore.New[string](nil)
	_ = store.SetMany(ctx, s, map[string]store.Entry[string]{
		"fr": {Value: "Paris"},
		"it": {Value: "Rome"},
		"xx": {Absent: true},
	})
	found, err := store.GetMap(ctx, s, []string{"fr", "it", "xx", "yy"})
	fmt.Println(found["fr"].Value, found["it"].Value, found["xx"].Absent, len(found), err)
	// Output: Paris Rome true 3 <nil>
}

func ExampleAdd() {
	ctx := context.Background()
	s := memstore.New[string](nil)
	for range 3 {
		n, err := store.Add(ctx, s, "logins:today", 1, 24*time.Hour)
		fmt.Println(n, err)
	}
	_, err := store.Add(ctx, store.Discard[string](), "logins:today", 1, 0)
	fmt.Println(errors.Is(err, errors.ErrUnsupported))
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
	// true
}

func ExampleExpire() {
	ctx := context.Background()
	s := memstore.New[string](nil)
	_ = s.Set(ctx, "fr", store.Entry[string]{Value: "Paris"})
	_ = store.Expire(ctx, s, "fr", time.Hour)
	ttl, err := store.TTL(ctx, s, "fr")
	fmt.Println(ttl.Round(time.Minute), err)
	_ = store.Expire(ctx, s, "fr", 0)
	there, err := store.Exists(ctx, s, "fr")
	fmt.Println(there, err)
	// Output:
	// 1h0m0s <nil>
	// false <nil>
}

func ExampleSetNewer() {
	ctx := context.Background()
	s := memstore.New[string](nil)
	// Two writers have changed the source one after the other, and come here the
	// other way round.
	for _, e := range []store.Entry[string]{{Value: "the second", Revision: 2}, {Value: "the first", Revision: 1}} {
		kept, err := store.SetNewer(ctx, s, "k", e)
		fmt.Println(kept, err)
	}
	e, err := s.Get(ctx, "k")
	fmt.Println(e.Value, err)
	// Output:
	// true <nil>
	// false <nil>
	// the second <nil>
}

func ExampleDeletePattern() {
	ctx := context.Background()
	s := memstore.New[string](nil)
	for _, key := range []string{"user:1", "user:2", "listing:1"} {
		_ = s.Set(ctx, key, store.Entry[string]{})
	}
	n, err := store.DeletePattern(ctx, s, "user:*")
	fmt.Println(n, err)
	// Output: 2 <nil>
}

func ExampleInvalidateTags() {
	ctx := context.Background()
	s := memstore.NewShared[string](nil)
	_ = s.Set(ctx, "listing:1", store.Entry[string]{Value: "Loft", Tags: []string{"city:paris"}})
	_ = s.Set(ctx, "listing:2", store.Entry[string]{Value: "Villa", Tags: []string{"city:rome"}})
	_ = store.InvalidateTags(ctx, s, "city:paris")
	_, err := s.Get(ctx, "listing:1")
	fmt.Println(err)
	e, err := s.Get(ctx, "listing:2")
	fmt.Println(e.Value, err)
	// Output:
	// not found
	// Villa <nil>
}

func ExampleStatsOf() {
	ctx := context.Background()
	s := memstore.New[string](nil)
	_ = s.Set(ctx, "fr", store.Entry[string]{Value: "Paris"})
	_, _ = s.Get(ctx, "fr")
	_, _ = s.Get(ctx, "it")
	st, err := store.StatsOf(ctx, s)
	fmt.Println(st.Hits, st.Misses, st.HitRatio(), err)
	// Output: 1 1 0.5 <nil>
}

func ExampleClear() {
	ctx := context.Background()
	s := memstore.New[string](nil)
	_ = s.Set(ctx, "fr", store.Entry[string]{Value: "Paris"})
	fmt.Println(store.Clear(ctx, s))
	_, err := s.Get(ctx, "fr")
	fmt.Println(err)
	// Output:
	// <nil>
	// not found
}

func ExampleDiscard() {
	ctx := context.Background()
	s := store.Discard[string]()
	fmt.Println(s.Set(ctx, "fr", store.Entry[string]{Value: "Paris"}))
	_, err := s.Get(ctx, "fr")
	fmt.Println(err)
	// Output:
	// <nil>
	// not found
}

func ExamplePing() {
	fmt.Println(store.Ping(context.Background(), store.Discard[string]()))
	// Output: <nil>
}
