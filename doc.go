// Package strata caches values of a slow source in two tiers: the memory of the process
// (L1) and a Redis shared by all processes (L2).
//
//	b, err := strata.Open(ctx, &strata.Config{RedisURL: "redis://localhost:6379"})
//	listings, err := strata.New(b, "listing", repo.ListingByID, nil)
//	l, err := listings.Get(ctx, 42)
//
// A [Backend] holds what all caches of a process share: the client of Redis and the memory
// budget. A [Cache] maps typed ids to typed values. It coalesces concurrent loads of one id
// and remembers that an id is absent. Redis notifies it when another process changes a
// value. Without a RedisURL there is only L1, with the same API.
//
// # Packages
//
// These packages can be used without this one:
//
//   - [github.com/lokroom/strata/store] defines the interface of a storage backend, with
//     optional capabilities. store/storetest is its conformance suite.
//   - store/memstore, store/ristrettostore and store/otterstore keep entries in memory,
//     store/redisstore keeps them in Redis.
//   - [github.com/lokroom/strata/layered] combines two stores and a loader.
//   - [github.com/lokroom/strata/codec] encodes values: msgpack, JSON, compression,
//     encryption.
//   - [github.com/lokroom/strata/keys] builds collision-free keys, matches patterns and
//     defines common TTLs and the caches of a program.
//   - [github.com/lokroom/strata/invalidate] says what a change of the source invalidates,
//     and its package outbox loses no invalidation in a crash.
//   - [github.com/lokroom/strata/ratelimit] limits rates, in one process or in Redis.
//   - admin serves health, counters and clearing over HTTP.
//   - [github.com/lokroom/strata/httpcache] caches HTTP responses, on this package.
//   - stratatest is for tests of programs that use this package: see docs/testing.md.
//
// The docs folder has guides and references; examples/quickstart is a complete program.
package strata
