// Package ratelimit decides how often something may happen: so many requests a
// second for each client, so many exports a day for each tenant, so many at a time.
//
//	l, err := ratelimit.New(ratelimit.Policy{Name: "api", Limit: 100, Window: time.Second, Burst: 20})
//	r, err := l.Allow(ctx, "user:42")
//	if !r.Allowed { ... r.RetryAfter ... }
//
// A [Policy] says what may happen, a [Limiter] decides, and a [Result] says what it
// decided, and why. [New] makes a limiter of this process; package redislimit makes
// one that all processes share, with the same semantics. [Middleware] puts a limiter
// in front of an HTTP handler.
//
// # What all limiters do
//
// What is denied is not charged: who is denied may come back as soon as RetryAfter
// says. What never can pass, because it costs more than the policy has room for, is
// denied at once and with a RetryAfter below zero. A cost of zero asks and charges
// nothing. With several policies a call is charged to all of them, or to none.
//
// All numbers are exact: they are whole numbers of microseconds, with nothing
// rounded on the way, and RetryAfter is the first moment at which the same call
// passes if nothing else does in the meantime.
//
// docs/ratelimit.md compares the algorithms: which admits how much at worst.
package ratelimit
