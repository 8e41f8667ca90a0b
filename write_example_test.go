package strata_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/lokroom/strata"
)

func ExampleCache_BeginWrite() {
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

	// Whatever is loaded from here on is kept for ten seconds at most, so that
	// even if this program dies below, no old price outlives that.
	w, err := listings.BeginWrite(ctx, 10*time.Second, 2)
	if err != nil {
		log.Fatal(err) // nothing has happened yet
	}
	repo[2] = Listing{ID: 2, Title: "Room with a view", Price: 50} // begin, update, commit
	if err := w.Done(ctx); err != nil {
		log.Print(err) // the hold does the rest
	}
	l, err := listings.Get(ctx, 2)
	fmt.Println(l.Price, err)
	// Output:
	// loading 2
	// loading 2
	// 50 <nil>
}

func ExampleBackend_InvalidateTags() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	repo := newShop()
	listings, err := strata.New(b, "listing", repo.ListingByID, &strata.Options[int64, Listing]{
		Tags: func(_ int64, l Listing) []string {
			if l.Price < 100 {
				return []string{"cheap"}
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	listings.GetMany(ctx, []int64{1, 2, 3})

	// Whatever carries the tag is gone, in all caches, however much it is.
	if err := b.InvalidateTags(ctx, "cheap"); err != nil {
		log.Print(err) // other processes may not have heard
	}
	for id := range int64(3) {
		e, err := listings.GetEntry(ctx, id+1)
		fmt.Println(e.Value.Title, "from", e.Tier, err)
	}
	// Unordered output:
	// loading 1
	// loading 2
	// loading 3
	// Loft by the canal from L1 <nil>
	// loading 2
	// Room with a view from source <nil>
	// loading 3
	// Boathouse from source <nil>
}

func ExampleCache_SetVersion() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	listings, err := strata.New[int64, Listing](b, "listing", nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	// Two processes have updated the row, which counts its versions, and the one
	// that came later to the database comes sooner to the cache.
	kept, err := listings.SetVersion(ctx, 2, Listing{ID: 2, Price: 50}, 8)
	fmt.Println(kept, err)
	kept, err = listings.SetVersion(ctx, 2, Listing{ID: 2, Price: 60}, 7)
	fmt.Println(kept, err)
	l, err := listings.Get(ctx, 2)
	fmt.Println(l.Price, err)
	// Output:
	// true <nil>
	// false <nil>
	// 50 <nil>
}
