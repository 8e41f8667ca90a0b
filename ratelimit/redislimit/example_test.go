package redislimit_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

func ExampleNew() {
	server, err := redistest.New(nil) // yours is running already
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{server.Addr()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	l, err := redislimit.New(client, &redislimit.Options{
		Fleet:   8,           // processes: each gets an eighth while Redis is away
		Timeout: time.Minute, // the default of 100 ms suits programs better than tests
	}, ratelimit.Policy{Name: "exports", Algorithm: ratelimit.StrictWindow, Limit: 2, Window: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 4 {
		r, err := l.Allow(ctx, "tenant:7")
		fmt.Println(r.Allowed, r.Remaining, r.Source, err)
	}
	// Output:
	// true 1 redis <nil>
	// true 0 redis <nil>
	// false 0 redis <nil>
	// false 0 deny_cache <nil>
}

func ExampleLimiter_Acquire() {
	server, err := redistest.New(nil) // yours is running already
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{server.Addr()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	l, err := redislimit.New(client, &redislimit.Options{Timeout: time.Minute},
		ratelimit.Policy{Name: "jobs", Algorithm: ratelimit.Concurrency, Limit: 1, Window: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	lease, _, err := l.Acquire(ctx, "tenant:7")
	fmt.Println(lease != nil, err)
	_, r, err := l.Acquire(ctx, "tenant:7")
	fmt.Println(r.Allowed, err)
	fmt.Println(lease.Release(ctx))
	_, r, err = l.Acquire(ctx, "tenant:7")
	fmt.Println(r.Allowed, err)
	// Output:
	// true <nil>
	// false <nil>
	// <nil>
	// true <nil>
}
