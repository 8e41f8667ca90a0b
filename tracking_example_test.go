package strata_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// NoTracking is for a proxy or service without CLIENT TRACKING: L1 serves a copy for
// MaxStale, and GetFresh is exact.
func ExampleTracking_noTracking() {
	ctx := context.Background()
	server, err := redistest.New(nil) // you already have one
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	open := func() (*strata.Backend, *strata.Cache[int64, Listing]) {
		b, err := strata.Open(ctx, &strata.Config{RedisURL: server.URL(), Tracking: strata.NoTracking, MaxStale: 500 * time.Millisecond})
		if err != nil {
			log.Fatal(err)
		}
		listings, err := strata.New(b, "listing", newShop().ListingByID, nil)
		if err != nil {
			log.Fatal(err)
		}
		return b, listings
	}
	here, listings := open()
	defer here.Close()
	there, elsewhere := open() // another process
	defer there.Close()

	l, err := listings.Get(ctx, 2)
	fmt.Println(l.Price, err)
	err = elsewhere.Set(ctx, 2, Listing{ID: 2, Title: "Room with a view", Price: 50})
	fmt.Println(err)

	l, err = listings.GetFresh(ctx, 2) // Get may return the old value for half a second
	fmt.Println(l.Price, err)
	fmt.Println(here.Health().Redis.MaxStale)
	// Output:
	// loading 2
	// 45 <nil>
	// <nil>
	// 50 <nil>
	// 500ms
}
