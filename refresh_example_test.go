package strata_test

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata"
)

func ExampleCache_Refresh() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	repo := newShop()
	listings, err := strata.New(b, "listing", repo.ListingByID, nil)
	if err != nil {
		log.Fatal(err)
	}
	listings.Get(ctx, 2)

	repo[2] = Listing{ID: 2, Title: "Room with a view", Price: 50} // nobody told the cache
	l, err := listings.Get(ctx, 2)
	fmt.Println(l.Price, err)
	l, err = listings.Refresh(ctx, 2)
	fmt.Println(l.Price, err)
	l, err = listings.Get(ctx, 2)
	fmt.Println(l.Price, err)
	// Output:
	// loading 2
	// 45 <nil>
	// loading 2
	// 50 <nil>
	// 50 <nil>
}

func ExampleOptions_staleWhileRevalidate() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	var loads atomic.Int64
	loaded := make(chan struct{})
	price := func(context.Context, int64) (int, error) {
		if loads.Add(1) == 1 {
			return 45, nil
		}
		<-loaded // the second one takes its time
		return 50, nil
	}
	cache, err := strata.New(b, "price", price, &strata.Options[int64, int]{
		TTL:                  time.Millisecond,
		StaleFor:             time.Hour,
		StaleWhileRevalidate: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	cache.Get(ctx, 2)
	time.Sleep(2 * time.Millisecond)

	e, err := cache.GetEntry(ctx, 2) // does not wait for the load that it begins
	fmt.Println(e.Value, e.Stale, err)
	close(loaded)
	for e.Value != 50 {
		e, _ = cache.GetEntry(ctx, 2)
	}
	fmt.Println(e.Value)
	// Output:
	// 45 true <nil>
	// 50
}
