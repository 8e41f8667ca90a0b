package ratelimit_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/lokroom/strata/ratelimit"
)

func ExampleNew() {
	ctx := context.Background()
	// At most 2 at once and 1,000 an hour: one decision, charged to both or to none.
	l, err := ratelimit.New(
		ratelimit.Policy{Name: "burst", Limit: 1, Window: time.Minute, Burst: 2},
		ratelimit.Policy{Name: "hourly", Algorithm: ratelimit.StrictWindow, Limit: 1000, Window: time.Hour},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		r, err := l.Allow(ctx, "user:42")
		if err != nil {
			fmt.Println(err)
			return
		}
		if r.Allowed {
			fmt.Println("allowed, left:", r.Remaining)
		} else {
			fmt.Println("denied by", r.Policy, "for", r.RetryAfter.Round(time.Second))
		}
	}
	// Output:
	// allowed, left: 1
	// allowed, left: 0
	// denied by burst for 1m0s
}

func ExampleOptions() {
	l, err := (&ratelimit.Options{MaxKeys: 10_000}).New(ratelimit.Policy{Name: "api", Limit: 100, Window: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 50_000 {
		l.Allow(context.Background(), fmt.Sprint("user:", i))
	}
	fmt.Println(l.Len() <= 10_000)
	// Output: true
}

func ExampleLocal_Take() {
	l, _ := ratelimit.New(ratelimit.Policy{Name: "rows", Algorithm: ratelimit.StrictWindow, Limit: 1000, Window: time.Hour})
	for range 3 {
		taken, _, _ := l.Take(context.Background(), "export", 400)
		fmt.Println("may export", taken)
	}
	// Output:
	// may export 400
	// may export 400
	// may export 200
}

func ExampleLocal_Wait() {
	l, _ := ratelimit.New(ratelimit.Policy{Name: "mails", Limit: 1, Window: time.Hour})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(l.Wait(ctx, "newsletter", 1))
	fmt.Println(l.Wait(ctx, "newsletter", 1) != nil) // at once: it would take longer than a minute
	// Output:
	// <nil>
	// true
}

func ExampleLocal_Acquire() {
	ctx := context.Background()
	// Two at a time; who dies gives its slot back after a minute.
	l, _ := ratelimit.New(ratelimit.Policy{Name: "jobs", Algorithm: ratelimit.Concurrency, Limit: 2, Window: time.Minute})
	a, _, _ := l.Acquire(ctx, "tenant:1")
	b, _, _ := l.Acquire(ctx, "tenant:1")
	c, r, _ := l.Acquire(ctx, "tenant:1")
	fmt.Println(a != nil, b != nil, c != nil, r.Allowed)
	fmt.Println(b.Renew(ctx)) // while it works
	fmt.Println(a.Release(ctx))
	c, _, _ = l.Acquire(ctx, "tenant:1")
	fmt.Println(c != nil)
	// Output:
	// true true false false
	// <nil>
	// <nil>
	// true
}

func ExampleMiddleware() {
	l, err := ratelimit.New(ratelimit.Policy{Name: "api", Limit: 1, Window: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	handler := ratelimit.Middleware(l, ratelimit.ByIP())(hello)

	for range 2 {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		body, _ := io.ReadAll(w.Body)
		fmt.Println(w.Code, string(body))
		for _, name := range []string{"RateLimit-Policy", "RateLimit", "Retry-After"} {
			fmt.Printf("  %s: [%s]\n", name, w.Header().Get(name))
		}
	}
	// Output:
	// 200 hello
	//   RateLimit-Policy: ["api";q=1;w=60]
	//   RateLimit: ["api";r=0;t=60]
	//   Retry-After: []
	// 429 {"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"The request exceeds the quota","status":429,"violated-policies":["api"]}
	//   RateLimit-Policy: ["api";q=1;w=60]
	//   RateLimit: ["api";r=0;t=60]
	//   Retry-After: [60]
}

func ExampleNewChecker() {
	ctx := context.Background()
	checks := ratelimit.NewChecker(nil)
	for range 3 {
		allowed, remaining, reset, err := checks.CheckSliding(ctx, "203.0.113.9", "/login", 2, time.Hour)
		fmt.Println(allowed, remaining, time.Until(reset).Round(time.Minute), err)
	}
	// Output:
	// true 1 1h0m0s <nil>
	// true 0 1h0m0s <nil>
	// false 0 1h0m0s <nil>
}
