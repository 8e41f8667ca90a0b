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

	// NoDial leaves the loss of a connection untold that a dial brings to light.
	NoDial atomic.Bool

	// NoPulse makes L1 serve copies though L2 was not heard of for too long.
	NoPulse atomic.Bool

	// LatePulse counts the time for which L1 may serve from the answer of a
	// heartbeat, not from when it was sent.
	LatePulse atomic.Bool

	// NoToken makes L2 keep what was loaded under a lease that was lost.
	NoToken atomic.Bool

	// OneToken gives all leases of a process the same token.
	OneToken atomic.Bool

	// NoCompare makes L2 keep what was loaded anew though the entry that it was
	// to replace has changed.
	NoCompare atomic.Bool

	// OldJoin makes those who join a load take its result even if it may be
	// older than their call.
	OldJoin atomic.Bool

	// LateJoin lets a load be joined while its result is being kept.
	LateJoin atomic.Bool

	// OneLink sends writes over the connection that is not pushed its own.
	OneLink atomic.Bool

	// NoPostStep leaves it to the push to drop what this process has changed.
	NoPostStep atomic.Bool

	// NoPending forgets a write that L2 could not be told of.
	NoPending atomic.Bool

	// NoReplay leaves undone what L2 has lost that this process had changed.
	NoReplay atomic.Bool

	// NoMoves has reads answered over a new connection before it is known where
	// that leads.
	NoMoves atomic.Bool

	// NoTagCheck makes L1 serve copies whose tags were invalidated.
	NoTagCheck atomic.Bool

	// LateStamp stamps what was loaded when it is kept.
	LateStamp atomic.Bool

	// OldTag takes a tag that Redis does not have for one that was never
	// invalidated.
	OldTag atomic.Bool

	// NoSlotMap ignores changes of a cluster's slot map and of its epoch.
	NoSlotMap atomic.Bool

	// NoClusterEpoch ignores changes of a cluster's epoch alone.
	NoClusterEpoch atomic.Bool

	// NoMaxStale has L1 serve copies for longer than MaxStale without asking L2.
	NoMaxStale atomic.Bool

	// NoPushTest does not test that pushes arrive.
	NoPushTest atomic.Bool

	// NoExchange ignores that the databases of the server were swapped.
	NoExchange atomic.Bool

	// OldLease makes readers wait for a load that began before Clear or InvalidateTags.
	OldLease atomic.Bool

	// KeepSampled keeps a copy in L1 that a sample has proved to be stale.
	KeepSampled atomic.Bool

	// EmptyDenies takes it for a sign of a change that an L2 which has lost its data
	// does not have an entry.
	EmptyDenies atomic.Bool
)

// Switches are all of them, by name.
var Switches = map[string]*atomic.Bool{
	"NoGuard": &NoGuard, "NoEpoch": &NoEpoch, "NoDial": &NoDial, "NoPulse": &NoPulse, "NoMaxStale": &NoMaxStale, "LatePulse": &LatePulse,
	"NoToken": &NoToken, "OneToken": &OneToken, "NoCompare": &NoCompare, "OldJoin": &OldJoin, "LateJoin": &LateJoin,
	"OneLink": &OneLink, "NoPostStep": &NoPostStep, "NoPending": &NoPending,
	"NoReplay": &NoReplay, "NoMoves": &NoMoves,
	"NoTagCheck": &NoTagCheck, "LateStamp": &LateStamp, "OldTag": &OldTag,
	"NoSlotMap": &NoSlotMap, "NoClusterEpoch": &NoClusterEpoch, "NoPushTest": &NoPushTest, "NoExchange": &NoExchange,
	"OldLease": &OldLease, "KeepSampled": &KeepSampled, "EmptyDenies": &EmptyDenies,
}

// Without takes a fence away until the returned function is called.
func Without(fences ...*atomic.Bool) (restore func()) {
	var set []*atomic.Bool
	for _, f := range fences {
		if !f.Swap(true) {
			set = append(set, f)
		}
	}
	return func() {
		for _, f := range set {
			f.Store(false)
		}
	}
}
