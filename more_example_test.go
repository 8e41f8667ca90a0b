package strata_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

// An operator switches the cache off without a restart.
func ExampleBackend_SetBypass() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	loads := 0
	c, err := strata.New(b, "c", func(context.Context, string) (int, error) { loads++; return loads, nil }, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, off := range []strata.Bypass{{}, {Reads: true, Writes: true}, {}} {
		b.SetBypass(off)
		v, err := c.Get(ctx, "k")
		fmt.Println(v, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 1 <nil>
}

// The source is always called, and the cache answers if it fails.
func ExampleOptions_sourceFirst() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	var failure error
	balance, err := strata.New(b, "balance", func(context.Context, string) (int, error) { return 70, failure },
		&strata.Options[string, int]{SourceFirst: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, failure = range []error{nil, fmt.Errorf("the bank does not answer")} {
		e, err := balance.GetEntry(ctx, "ada")
		fmt.Println(e.Value, e.Stale, e.Cause, err)
	}
	// Output:
	// 70 false <nil> <nil>
	// 70 true the bank does not answer <nil>
}

// A session ends after half an hour without a read, and after a day in any case.
func ExampleOptions_idleTTL() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	sessions, err := strata.New[string, string](b, "session", nil, &strata.Options[string, string]{
		TTL: 24 * time.Hour, IdleTTL: 30 * time.Minute, Jitter: -1,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Set(ctx, "s1", "ada"); err != nil {
		log.Fatal(err)
	}
	user, err := sessions.Get(ctx, "s1")
	fresh, _, _ := sessions.TTL(ctx, "s1")
	fmt.Println(user, err, fresh.Round(time.Minute))
	// Output: ada <nil> 30m0s
}

// A small space that is always in memory is one value: all processes mirror it, and it is
// loaded again every minute while it is read.
func ExampleNewSingle_mirror() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	loadAll := func(context.Context) (map[string]string, error) {
		return map[string]string{"wifi": "Wi-Fi", "pool": "Pool"}, nil
	}
	amenities, err := strata.NewSingle(b, "amenities", loadAll, &strata.Options[strata.OnlyID, map[string]string]{
		TTL: time.Hour, StaleFor: 24 * time.Hour, RefreshEvery: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	all, err := amenities.Get(ctx)
	fmt.Println(all["pool"], len(all), err)
	// Output: Pool 2 <nil>
}

// Lists share the values of a cache.
func ExampleNewList() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	listings, err := strata.New(b, "listing", func(_ context.Context, id int64) (string, error) { return fmt.Sprint("listing ", id), nil }, nil)
	if err != nil {
		log.Fatal(err)
	}
	byCity, err := strata.NewList(listings, "listings by city", func(_ context.Context, city string) ([]int64, error) {
		return []int64{7, 3}, nil // SELECT id FROM listing WHERE city = $1 ORDER BY price
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	found, err := byCity.Get(ctx, "Lyon")
	fmt.Println(strings.Join(found, ", "), err)
	// Output: listing 7, listing 3 <nil>
}

func ExampleHooks() {
	ctx := context.Background()
	b, err := strata.Open(ctx, &strata.Config{Hooks: strata.Hooks{
		Loaded:  func(_ context.Context, op store.Op, r store.Result) { fmt.Println("loaded", op.Cache, op.Key, r.Err) },
		Changed: func(cache string, keys []string) { fmt.Println("changed", cache, keys) },
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	pages, err := strata.New(b, "page", func(context.Context, string) (string, error) { return "<h1>", nil }, nil)
	if err != nil {
		log.Fatal(err)
	}
	pages.Get(ctx, "home")
	pages.Delete(ctx, "home")
	// Output:
	// loaded page home <nil>
	// changed page [home]
}
