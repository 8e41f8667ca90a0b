// Package strata puts cache tiers in front of a slow source: memory in this
// process (L1), a Redis that all processes share (L2), and a loader behind both.
//
//	b, err := strata.Open(ctx, &strata.Config{RedisURL: "redis://localhost:6379"})
//	listings, err := strata.New(b, "listing", repo.ListingByID, nil)
//	l, err := listings.Get(ctx, 42)
//
// A [Backend] is the one connection and the one memory budget that all caches of
// a process share. A [Cache] is typed ids in, values out; it never calls its
// loader twice at the same time for the same id, remembers that an id is absent,
// and learns through Redis when another process changed a value. Without a
// RedisURL there is only L1, and everything works the same.
//
// # The map
//
// The root is the door; behind it are rooms that can be used alone:
//
//   - [github.com/lokroom/strata/store] is the contract of a backend, one
//     capability a file, and storetest below it the suite that proves one.
//   - store/memstore, store/ristrettostore and store/otterstore keep entries in
//     this process, store/redisstore in Redis.
//   - [github.com/lokroom/strata/layered] is two tiers and a loader, for those who
//     want to put the tiers together themselves.
//   - [github.com/lokroom/strata/codec] turns values into bytes: msgpack, JSON,
//     compression, encryption.
//   - [github.com/lokroom/strata/keys] makes keys that cannot collide, matches
//     patterns, and names the common lives.
//
// The folder docs answers one question a page; examples/quickstart shows the
// main job.
package strata
