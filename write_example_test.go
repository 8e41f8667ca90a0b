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
