// Package mutant has switches that disable single guards, to verify that the tests notice.
// Only tests set them.
package mutant

import "sync/atomic"

// Guards. Each is active until its switch is set.
var (
	// NoFence makes layered keep a value in L1 that an invalidation overtook on its way.
	NoFence atomic.Bool

	// NoEpoch makes L1 serve copies from before a lost connection.
	NoEpoch atomic.Bool

	// NoDial does not report a lost connection that only a dial detects.
	NoDial atomic.Bool

	// NoHeartbeat makes L1 serve copies after MaxDisconnected without contact to L2.
	NoHeartbeat atomic.Bool

	// LateHeartbeat counts MaxDisconnected from the reply to a heartbeat, not from its
	// request.
	LateHeartbeat atomic.Bool

	// NoToken makes L2 keep a value loaded under a lost lease.
	NoToken atomic.Bool

	// OneToken gives all leases of a process the same token.
	OneToken atomic.Bool

	// NoCompare makes L2 keep a refreshed value although the entry that it replaces has
	// changed.
	NoCompare atomic.Bool

	// OldJoin lets callers that join a load take a result that may be older than their
	// call.
	OldJoin atomic.Bool

	// LateJoin lets callers join a load while its result is being kept.
	LateJoin atomic.Bool

	// OneLink sends writes over the connection that does not receive its own invalidations.
	OneLink atomic.Bool

	// NoPostStep relies on the invalidation to drop values that this process has changed.
	NoPostStep atomic.Bool

	// NoRetryQueue drops a write that L2 has not acknowledged.
	NoRetryQueue atomic.Bool

	// NoReplay does not replay writes of this process that L2 has lost.
	NoReplay atomic.Bool

	// NoGeneration answers reads over a new connection before its server is identified.
	NoGeneration atomic.Bool

	// NoTagCheck makes L1 serve copies with invalidated tags.
	NoTagCheck atomic.Bool

	// LateStamp stamps a loaded value when it is kept.
	LateStamp atomic.Bool

	// OldTag treats a tag that is missing in Redis as never invalidated.
	OldTag atomic.Bool

	// NoSlotMap ignores changes of the slot map and the epoch of a cluster.
	NoSlotMap atomic.Bool

	// NoClusterEpoch ignores changes of the epoch of a cluster.
	NoClusterEpoch atomic.Bool

	// NoMaxStale makes L1 serve copies longer than MaxStale without revalidation.
	NoMaxStale atomic.Bool

	// NoPushTest does not test that invalidations arrive.
	NoPushTest atomic.Bool

	// NoExchange ignores a swap of the databases of the server.
	NoExchange atomic.Bool

	// OldLease makes readers wait for a load that began before Clear or InvalidateTags.
	OldLease atomic.Bool

	// KeepSampled keeps a copy in L1 that a sample has proved to be stale.
	KeepSampled atomic.Bool

	// EmptyDenies treats an entry that is missing in an L2 that lost its data as a sign of
	// a change.
	EmptyDenies atomic.Bool

	// AnyReplica takes the value that a replica has, whether or not it is that of the primary.
	AnyReplica atomic.Bool
)

// Switches has all switches by name.
var Switches = map[string]*atomic.Bool{
	"NoFence": &NoFence, "NoEpoch": &NoEpoch, "NoDial": &NoDial, "NoHeartbeat": &NoHeartbeat, "NoMaxStale": &NoMaxStale, "LateHeartbeat": &LateHeartbeat,
	"NoToken": &NoToken, "OneToken": &OneToken, "NoCompare": &NoCompare, "OldJoin": &OldJoin, "LateJoin": &LateJoin,
	"OneLink": &OneLink, "NoPostStep": &NoPostStep, "NoRetryQueue": &NoRetryQueue,
	"NoReplay": &NoReplay, "NoGeneration": &NoGeneration,
	"NoTagCheck": &NoTagCheck, "LateStamp": &LateStamp, "OldTag": &OldTag,
	"NoSlotMap": &NoSlotMap, "NoClusterEpoch": &NoClusterEpoch, "NoPushTest": &NoPushTest, "NoExchange": &NoExchange,
	"OldLease": &OldLease, "KeepSampled": &KeepSampled, "EmptyDenies": &EmptyDenies,
	"AnyReplica": &AnyReplica,
}

// Without disables guards until the returned function is called.
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
