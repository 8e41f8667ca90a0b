// Package redisstore keeps entries in Redis 6.2 or later, or in Valkey: on one
// server, behind sentinels, or in a cluster.
//
// A [Client] is the connection, shared by all [Store] views; a view gives it a
// type and a key prefix:
//
//	client, err := redisstore.DialURL("redis://localhost:6379")
//	listings := redisstore.New[Listing](client, &redisstore.Options[Listing]{Prefix: "listing:"})
//
// # Two connections
//
// A Client opens two connections to each node.
//
// The tracking connection, T, carries Get, GetMany and Fill. It has asked the
// server (CLIENT TRACKING ON OPTOUT NOLOOP) to remember which keys are read
// through it and to send a push when one of them changes, which Watch
// passes on; or (BCAST NOLOOP PREFIX) to send one for every change under some prefixes,
// if [Dialer.Broadcast] says so. There is exactly one T for each node, because a push arrives on the
// connection that read the key, and because replies and pushes of one connection
// come in the order in which things happened.
//
// The other connection, W, carries everything that changes or removes: Set,
// Delete, Expire, Add and the rest. T would not be pushed its own writes (that
// is NOLOOP, and Fill is there to make use of it), so that a copy that this very
// process holds in memory would stay. Writes on W reach all, the writer included.
//
// Whatever breaks a connection, Watch passes on All before a read is served by the
// next one: pushes may have been lost in between. While a Store is listened to (see
// [Store.Watch]), no read is served before both connections are known to lead to the
// same primary, and RolledBack of the watchers has been called if that has other data than before.
//
// # What is kept
//
// A value is one Redis string: a header of 88 bytes, the tags, and what the
// codec wrote. The expiry of the Redis key is the hard expiry of the entry. What
// is not such a record, or was written by another codec, is not an error but a
// miss, counted in Stats.Corrupt; the next Set replaces it. A counter is a plain
// Redis integer.
//
// # Time
//
// Every operation ends within the Timeout, by default one second, whatever
// context it was called with: a cache that does not answer is ErrUnavailable,
// not a reason to wait.
package redisstore
