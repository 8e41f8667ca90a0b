// Package redislimit has rate limiters that all processes share through Redis: what one
// process admits counts for all. It requires Redis 6.2 or later, or Valkey, as one server,
// behind sentinels, or as a cluster.
//
//	l, err := redislimit.On(backend, &redislimit.Options{Fleet: 8}, ratelimit.Policy{Name: "api", Limit: 100, Window: time.Second})
//	r, err := l.Allow(ctx, "user:42")
//
// [On] uses the connection of a strata.Backend or of [DialURL], [New] a client of rueidis.
//
// # One exchange, one key
//
// A decision is one script that reads and writes one key, whatever the number of policies.
// This also works in a cluster while slots are moving. The key is
//
//	strata:limit:{user:42}:api=gcra
//
// with the limiter key in braces, as the hash tag, followed by the policies. A policy with
// a new name or algorithm starts with a full allowance; with new numbers it keeps its
// usage. The key expires when the allowance is full again, or a few seconds later. The
// clock is that of the server, so the clocks of the processes do not matter.
//
// # Cached denials
//
// After Redis has denied a key, this process denies the same call itself until the time
// that Redis returned. A blocked client therefore causes no load on Redis. See
// [Options.MaxDenied].
//
// # When Redis is unreachable
//
// [Options.OnFailure] then decides, and the Source of the result shows it. The first
// failing call takes up to [Options.Timeout]. After it, calls skip Redis for
// [Options.Pause], and then one call tries again.
package redislimit
