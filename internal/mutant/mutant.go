// Package mutant holds the switches with which tests take a fence away, to see
// that the suite notices. Nothing but tests sets them.
package mutant

import "sync/atomic"

// The fences. Each is in force until it is set.
var (
	// NoGuard makes layered keep in L1 what was overtaken by an invalidation
	// while it was on its way.
	NoGuard atomic.Bool

	// NoEpoch makes L1 serve copies from before a lost connection.
	NoEpoch atomic.Bool

	// NoPulse makes L1 serve copies though L2 was not heard of for too long.
	NoPulse atomic.Bool

	// NoToken makes L2 keep what was loaded under a lease that was lost.
	NoToken atomic.Bool

	// OldJoin makes those who join a load take its result even if it may be
	// older than their call.
	OldJoin atomic.Bool
)
