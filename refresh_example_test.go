package strata_test

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
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

	repo[2] = Listing{ID: 2, Title: "Room with a view", Price: 50} // without notification of the cache
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
		<-loaded // the second load is slow
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

	e, err := cache.GetEntry(ctx, 2) // does not wait for the load that it starts
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

func ExampleOptions_reload() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	type page struct{ Body, ETag string }
	source := page{"opening hours: 9 to 5", "v1"}
	load := func(context.Context, string) (page, error) {
		fmt.Println("all of it is fetched")
		return source, nil
	}
	pages, err := strata.New(b, "page", load, &strata.Options[string, page]{
		Reload: func(_ context.Context, path string, old store.Entry[page]) (page, error) {
			if old.Value.ETag == source.ETag { // a GET with If-None-Match answers 304
				fmt.Println(path, "has not changed")
				return page{}, store.ErrNotModified
			}
			fmt.Println(path, "is fetched")
			return source, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	pages.Get(ctx, "/hours")
	p, err := pages.Refresh(ctx, "/hours") // like a background refresh by RefreshAhead
	fmt.Println(p.Body, err)
	source = page{"opening hours: 9 to 6", "v2"}
	p, err = pages.Refresh(ctx, "/hours")
	fmt.Println(p.Body, err)
	// Output:
	// all of it is fetched
	// /hours has not changed
	// opening hours: 9 to 5 <nil>
	// /hours is fetched
	// opening hours: 9 to 6 <nil>
}

func ExampleOptions_refreshBeta() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	report := func(_ context.Context, month string) (string, error) {
		time.Sleep(10 * time.Millisecond) // in reality it takes ten seconds
		return "the report of " + month, nil
	}
	reports, err := strata.New(b, "report", report, &strata.Options[string, string]{
		TTL:         time.Hour,
		RefreshBeta: 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	// A read shortly before the end of the hour starts a background refresh. The
	// longer the load took, the earlier.
	fmt.Println(reports.Get(ctx, "May"))
	e, _ := reports.GetEntry(ctx, "May")
	fmt.Println(e.LoadTime >= 10*time.Millisecond, e.RefreshAt != 0)
	// Output:
	// the report of May <nil>
	// true true
}
