// Package redisstore keeps entries in Redis 6.2 or later, or in Valkey: on one server, behind
// sentinels, or in a cluster.
//
// A [Client] is the connection that all [Store] views share. A view adds a type and a key prefix:
//
//	client, err := redisstore.DialURL("redis://localhost:6379")
//	listings := redisstore.New[Listing](client, &redisstore.Options[Listing]{Prefix: "listing:"})
//
// # Two connections
//
// A Client opens two connections to each node.
//
// The tracking connection, T, carries Get, GetMany and Fill. On it, the client has sent CLIENT
// TRACKING ON OPTOUT NOLOOP: the server remembers which keys are read through T, and pushes an
// invalidation when one of them changes. Watch passes it on. With [Dialer].Broadcast the command
// is BCAST NOLOOP PREFIX, and the server pushes every change under some prefixes. There is one T
// for each node, because the server pushes to the connection that read the key, and because
// replies and pushes arrive on one connection in the order of the events.
//
// The other connection, W, carries all writes: Set, Delete, Expire, Add and the rest. With NOLOOP
// the server does not push a write to the connection that made it. A write on T would thus leave
// the copy of this process in place; Fill uses T for that reason. Writes on W are pushed to all
// processes, the writer included.
//
// When a connection breaks, invalidations may have been lost. Watch therefore passes on All
// before the next connection serves a read. While a Store has watchers (see [Store.Watch]), it
// serves no read before it has verified that both connections lead to the same primary. If that
// primary has other data than before, it has then called RolledBack of the watchers.
//
// # Format
//
// A value is one Redis string: a header of 88 bytes, the tags, and the output of the codec. The
// expiry of the Redis key is the hard expiry of the entry. A string in any other format, or
// written by another codec, is a miss and not an error. It counts in Stats.Corrupt, and the next
// Set replaces it. A counter is a plain Redis integer.
//
// # Time
//
// Every operation ends within the Timeout, by default one second, whatever its context allows. If
// Redis does not answer in time, the error is ErrUnavailable.
package redisstore
