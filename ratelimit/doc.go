// Package ratelimit limits how often something may happen: requests per second and client,
// exports per day and tenant, or concurrent jobs.
//
//	l, err := ratelimit.New(ratelimit.Policy{Name: "api", Limit: 100, Window: time.Second, Burst: 20})
//	r, err := l.Allow(ctx, "user:42")
//	if !r.Allowed { ... r.RetryAfter ... }
//
// A [Policy] defines a limit, a [Limiter] decides, and a [Result] describes the decision.
// [New] returns a limiter for this process. Package redislimit has one that all processes
// share, with the same semantics. [Middleware] applies a limiter to an HTTP handler.
//
// # Common semantics
//
// A denied call is not charged: the client may repeat it after RetryAfter. A call that
// costs more than the policy can ever admit is denied at once, with a negative RetryAfter.
// A cost of zero queries the state and charges nothing. With several policies, a call is
// charged to all of them or to none.
//
// All numbers are exact: they are whole microseconds without rounding. RetryAfter is the
// earliest time at which the same call passes if no other call is admitted in the meantime.
//
// docs/ratelimit-algorithms.md compares the algorithms and how much each admits in the worst case.
package ratelimit
