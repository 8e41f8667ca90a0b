package strata_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/lokroom/strata"
)

// The TTL of a value comes from several places, and MaxTTL is applied last.
func ExampleOverride() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	load := func(_ context.Context, country string) (string, error) { return "rates of " + country, nil }
	rates, err := strata.New(b, "rates", load, &strata.Options[string, string]{
		TTL:    time.Hour,
		Jitter: -1, // for the example
		MaxTTL: 24 * time.Hour,
		OverrideOf: func(country string) (o strata.Override) {
			if country == "AR" {
				o.TTL = time.Minute // they change fast
			}
			return o
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, country := range []string{"FR", "AR"} {
		rates.Get(ctx, country)
		fresh, _, err := rates.TTL(ctx, country)
		fmt.Println(country, fresh.Round(time.Minute), err)
	}
	err = rates.SetFor(ctx, "FR", "rates of 2025", 365*24*time.Hour)
	fresh, _, _ := rates.TTL(ctx, "FR")
	fmt.Println("FR", fresh.Round(time.Hour), err)
	// Output:
	// FR 1h0m0s <nil>
	// AR 1m0s <nil>
	// FR 24h0m0s <nil>
}

// Large values stay in Redis, so that they do not displace others from L1.
func ExampleOptions_keepInL1() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	load := func(context.Context, int64) ([]byte, error) { return make([]byte, 100), nil }
	photos, err := strata.New(b, "photo", load, &strata.Options[int64, []byte]{
		KeepInL1: func(_ int64, photo []byte) bool { return len(photo) < 64<<10 },
	})
	if err != nil {
		log.Fatal(err)
	}
	photo, err := photos.Get(ctx, 1)
	fmt.Println(len(photo), err)
	// Output: 100 <nil>
}
