// Package redislimit is package ratelimit for all processes together: what one of
// them admits counts for all. It needs Redis 6.2 or later, or Valkey, alone, behind
// sentinels, or as a cluster.
//
//	client, err := redislimit.Dial(rueidis.ClientOption{InitAddress: addrs})
//	l, err := redislimit.New(client, &redislimit.Options{Fleet: 8}, ratelimit.Policy{Name: "api", Limit: 100, Window: time.Second})
//	r, err := l.Allow(ctx, "user:42")
//
// # One exchange, one key
//
// A decision is one script, which reads and writes one key of Redis: whatever the number
// of policies they are decided together, also in a cluster whose slots are moving.
// The key is named
//
//	strata:limit:{user:42}:api=gcra
//
// with the part that chooses the slot in braces, and the policies after it. A policy
// that is renamed or changes its algorithm begins anew; one that changes its numbers
// goes on with what was used. The key expires by itself when the allowance is whole
// again, or a few seconds later. The time is that of the server, so the clocks of the
// processes do not matter.
//
// # Denials are remembered
//
// After Redis has denied a key, this process denies the same call itself, until the
// moment that Redis named: a client that is blocked costs Redis nothing. See
// [Options.MaxDenied].
//
// # When Redis cannot be asked
//
// Then [Options.OnFailure] decides, and the Source of the result says so. The first
// call that fails takes up to [Options.Timeout]; after it Redis is left alone for
// [Options.Pause], and then one call tries.
package redislimit
