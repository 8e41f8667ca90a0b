package strata_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

// Caches and rate limits share one backend. Without a RedisURL, as here, both work in memory.
func Example_rateLimit() {
	ctx := context.Background()
	backend, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close()

	exports, err := redislimit.On(backend, nil, ratelimit.Policy{Name: "exports", Limit: 1, Window: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		r, err := exports.Allow(ctx, "tenant:7")
		fmt.Println(r.Allowed, r.Source, err)
	}
	// Output:
	// true local <nil>
	// false local <nil>
}

// Counters count for all processes.
func ExampleNewCounter() {
	ctx := context.Background()
	backend, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close()

	attempts, err := strata.NewCounter[string](backend, "login attempts", 15*time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		n, err := attempts.Add(ctx, "ada", 1)
		fmt.Println(n, err)
	}
	if err := attempts.Reset(ctx, "ada"); err != nil {
		log.Fatal(err)
	}
	n, err := attempts.Get(ctx, "ada")
	fmt.Println(n, err)
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
	// 0 <nil>
}

// Of several processes, one claims a job.
func ExampleCache_Add() {
	ctx := context.Background()
	backend, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close()

	jobs, err := strata.New[int, string](backend, "jobs", nil, &strata.Options[int, string]{TTL: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	for _, worker := range []string{"ada", "bob"} {
		claimed, err := jobs.Add(ctx, 7, worker)
		fmt.Println(worker, claimed, err)
	}
	// Output:
	// ada true <nil>
	// bob false <nil>
}
