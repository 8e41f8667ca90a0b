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

	// Values loaded from here on are cached for ten seconds at most: no old price
	// outlives that, even if this program crashes below.
	w, err := listings.BeginWrite(ctx, 10*time.Second, 2)
	if err != nil {
		log.Fatal(err) // nothing has changed yet
	}
	repo[2] = Listing{ID: 2, Title: "Room with a view", Price: 50} // begin, update, commit
	if err := w.Commit(ctx); err != nil {
		log.Print(err) // old values expire with the hold
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

	// All values with the tag are invalidated, in all caches.
	if err := b.InvalidateTags(ctx, "cheap"); err != nil {
		log.Print(err) // other processes may serve the old value for a while
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

func ExampleCache_SetIfNewer() {
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
	// Two processes have updated the row, which has a revision. The later update
	// reaches the cache first.
	kept, err := listings.SetIfNewer(ctx, 2, Listing{ID: 2, Price: 50}, 8)
	fmt.Println(kept, err)
	kept, err = listings.SetIfNewer(ctx, 2, Listing{ID: 2, Price: 60}, 7)
	fmt.Println(kept, err)
	l, err := listings.Get(ctx, 2)
	fmt.Println(l.Price, err)
	// Output:
	// true <nil>
	// false <nil>
	// 50 <nil>
}
