package fleet_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
)

// A historyFault is a kind of fault.
type historyFault struct {
	name      string
	where     historyPlace
	tracking  strata.Tracking
	redis     redistest.Options             // of the one server
	keys      int                           // per class; 0: few
	pad       int                           // additional bytes per value
	least     int64                         // minimum number of faults; 0: one
	ttl       time.Duration                 // 0: short
	lasting   bool                          // copies in L1 should last, see historyJob
	staleFor  time.Duration                 // 0: a second
	replicas  bool                          // values are read from replicas; pad makes them large
	proxied   bool                          // the victim's link; in a cluster that to each node
	lasts     time.Duration                 // at least; 0: two seconds
	refreshes bool                          // fresh values are refreshed
	orphans   bool                          // leases are left behind: waiters soon turn to other keys
	leases    bool                          // none is left behind, see historyLease
	forgets   bool                          // Redis may lose holds, so no guarantee depends on them
	evicts    bool                          // Redis evicts keys that it does not push: see unpushedTags
	sweeps    bool                          // all keys are read at the end
	inject    func(context.Context, *fleet) // until the context ends; undoes all faults
	happened  func(*testing.T, *fleet, *history.Report, []history.Op)
}

// A historyPlace is a kind of Redis.
type historyPlace byte

const (
	inServer historyPlace = iota
	inCluster
	inNewCluster // of three primaries, for this run alone
	behindAddress
	behindSentinels
)

var historyFaults = []historyFault{
	{name: "nothing", sweeps: true, happened: thrifty},
	{name: "no tracking", tracking: strata.NoTracking, sweeps: true, happened: untracked},
	{name: "no tracking, values last", tracking: strata.NoTracking, lasting: true, ttl: time.Minute, happened: untracked},
	{name: "no tracking, all connections are killed", tracking: strata.NoTracking, keys: 9, inject: killConnections("tN"), happened: untracked},
	{name: "no tracking, messages of changes", tracking: strata.PubSub, sweeps: true, happened: untracked},
	{name: "no tracking, messages of changes are lost", tracking: strata.PubSub, keys: 9, inject: killConnections("NP"), happened: untracked},
	{name: "values are refreshed", refreshes: true, sweeps: true, happened: refreshed},

	{name: "all connections are killed", keys: 9, inject: killConnections("tN"), happened: lost},
	{name: "tracking connections are killed", keys: 9, inject: killConnections("t"), happened: lost},
	{name: "other connections are killed", keys: 9, inject: killConnections("N"), happened: unlost},
	{name: "replies are too large", keys: 9, pad: 20_000, inject: limitOutput, happened: lost},
	{name: "Redis is killed and starts empty", forgets: true, inject: killRedis, happened: lost},
	{name: "Redis stalls", inject: stallRedis, happened: stalled},
	{name: "FLUSHALL", forgets: true, inject: flushAll, happened: lost},
	{name: "SCRIPT FLUSH", inject: flushScripts, happened: unlost},

	{name: "half-open link", proxied: true, inject: hole((*redistest.Proxy).Hole), happened: older},
	{name: "replies are held", proxied: true, inject: hole((*redistest.Proxy).HoleReplies), happened: older},
	{name: "requests are held", proxied: true, inject: hole((*redistest.Proxy).HoleRequests), happened: stalled},
	{name: "broadcast, half-open link", tracking: strata.Broadcast, proxied: true, inject: hole((*redistest.Proxy).Hole), happened: older},
	{name: "slow link", proxied: true, inject: slowLink, happened: older},
	{name: "uneven link", proxied: true, inject: unevenLink, happened: older},
	{name: "narrow link", proxied: true, inject: narrowLink, happened: older},
	{name: "link is cut", keys: 9, proxied: true, inject: often((*redistest.Proxy).Cut), happened: lost},
	{name: "link ends", keys: 9, proxied: true, inject: often((*redistest.Proxy).End), happened: lost},

	{
		name: "eviction", redis: redistest.Options{MaxMemory: "4mb", MaxMemoryPolicy: "allkeys-lru"}, forgets: true, evicts: true,
		inject: fillMemory, happened: evicted,
	},
	{
		name: "eviction of what has an end", redis: redistest.Options{MaxMemoryPolicy: "volatile-lru"}, forgets: true, evicts: true,
		inject: shrinkMemory, happened: evicted,
	},
	{name: "memory is full", inject: shrinkMemory, happened: full},
	{
		name: "tracking table overflows", redis: redistest.Options{Config: []string{"tracking-table-max-keys 100"}}, keys: 60, lasts: 4 * time.Second,
		inject: watchTable,
	},

	{name: "reads from a replica that lags", replicas: true, pad: 3000, keys: 9, least: 3, sweeps: true, inject: lagReplica, happened: byReplica},
	{name: "reads from a replica that stalls", replicas: true, pad: 3000, keys: 9, least: 3, sweeps: true, inject: stallReplica, happened: byReplica},
	{name: "reads from a replica that is killed", replicas: true, pad: 3000, keys: 9, least: 3, sweeps: true, inject: killReplica, happened: byReplica},

	{name: "a process stalls", keys: 9, orphans: true, inject: stallProcess, happened: silent},
	{name: "a process stalls while it loads", keys: 9, inject: stallLoad, happened: overtaken},
	{name: "a process is killed while it loads", keys: 9, orphans: true, inject: killLoad, happened: waited},
	{
		name: "a process is killed while it writes", keys: 9, least: int64(len(writeSteps)), orphans: true, ttl: time.Minute, proxied: true, sweeps: true,
		inject: killWrite, happened: unguarded,
	},

	{name: "primary and replica change places", where: inCluster, orphans: true, forgets: true, inject: changePlaces, happened: redirected},
	{
		name: "reads from replicas, and one changes places with its primary", where: inCluster, replicas: true, pad: 3000, orphans: true, forgets: true,
		inject: changePlaces, happened: redirected,
	},
	{
		name: "a replica takes over by force", where: inCluster, keys: 60, ttl: 10 * time.Second, lasting: true, orphans: true, forgets: true, sweeps: true,
		inject: forceOver, happened: replayed,
	},
	{name: "a primary dies", where: inCluster, orphans: true, forgets: true, sweeps: true, inject: takeOver, happened: replayed},
	{name: "sentinels fail over", where: behindSentinels, orphans: true, forgets: true, sweeps: true, inject: failOver, happened: replayed},
	{name: "a primary with sentinels dies", where: behindSentinels, orphans: true, forgets: true, sweeps: true, inject: killWatched, happened: replayed},
	{name: "Redis is killed and starts from an old file", forgets: true, sweeps: true, inject: restartOld, happened: replayed},
	{
		name: "databases are swapped and swapped back", keys: 9, ttl: 10 * time.Second, lasting: true, least: 3, orphans: true, forgets: true, sweeps: true,
		inject: swapBack, happened: swapped,
	},
}

// topologyFaults change which server serves what. They need to know the primaries, so they
// share no cluster with rows that make them replicas.
var topologyFaults = []historyFault{
	{name: "a shard joins", where: inNewCluster, proxied: true, least: 2, orphans: true, forgets: true, sweeps: true, inject: joinShard, happened: joined},
	{name: "slots migrate (old way)", leases: true, where: inNewCluster, least: 20, sweeps: true, inject: moveSlots(migrateKeyByKey), happened: unnoticed},
	{
		name: "slot taken over", where: inNewCluster, keys: 9, ttl: 10 * time.Second, lasting: true, least: 3, orphans: true, forgets: true, sweeps: true,
		inject: seizeSlots, happened: seized,
	},
	{name: "address moves", where: behindAddress, least: 2, orphans: true, forgets: true, sweeps: true, inject: moveAddress, happened: exercised},
	{
		name: "Redis restarts empty, source fails", keys: 9, least: 2, ttl: 2 * time.Second, orphans: true, forgets: true, staleFor: time.Hour,
		inject: restartEmpty, happened: failsafe,
	},
}

// atomicFaults require a server that migrates slots in one step.
var atomicFaults = []historyFault{
	{
		name: "slots migrate (atomic)", leases: true, where: inNewCluster, keys: 9, ttl: 10 * time.Second, lasting: true, least: 20, sweeps: true,
		inject: moveSlots(migrateAtomically), happened: unnoticed,
	},
	{
		name: "slots of 1,000 keys migrate (atomic)", leases: true, where: inNewCluster, keys: 9, ttl: 10 * time.Second, lasting: true, least: 8, sweeps: true,
		inject: fullSlots(1_000), happened: unnoticed,
	},
	{
		name: "slots of 300,000 keys migrate (atomic)", leases: true, where: inNewCluster, keys: 9, ttl: 10 * time.Second, lasting: true, least: 4, sweeps: true, lasts: 10 * time.Second,
		inject: fullSlots(300_000), happened: unnoticed,
	},
}

// historyRows returns all faults that the server supports. Those of the topology run in
// both tracking modes.
func historyRows(t *testing.T) []historyFault {
	t.Helper()
	topology := slices.Clone(topologyFaults)
	atomic, err := redistest.Start(t, nil).Supports(redistest.AtomicMigration)
	if err != nil {
		t.Fatal(err)
	}
	if atomic {
		topology = append(topology, atomicFaults...)
	}
	rows := slices.Clone(historyFaults)
	for _, fault := range topology {
		rows = append(rows, fault)
		fault.name, fault.tracking = "broadcast, "+fault.name, strata.Broadcast
		rows = append(rows, fault)
	}
	return rows
}

// thrifty checks that no process loads a value that another one is loading. On a busy
// machine a lease may have been taken long before its load, which hides a change in
// between.
func thrifty(t *testing.T, f *fleet, r *history.Report, _ []history.Op) {
	if r.Doubled*50 > r.Loads {
		t.Errorf("of %d loads %d were of what another process was loading", r.Loads, r.Doubled)
	}
}

// untracked checks that copies in L1 were revalidated, and that no invalidations arrived.
func untracked(t *testing.T, f *fleet, _ *history.Report, _ []history.Op) {
	if c := f.sum(); c.Revalidated < 5 {
		t.Errorf("%d copies were revalidated", c.Revalidated)
	}
}

// isUntracked reports whether Redis pushes no invalidations.
func isUntracked(tr strata.Tracking) bool { return tr == strata.NoTracking || tr == strata.PubSub }

// refreshed checks that values were refreshed, that some had changed meanwhile, and that
// some had not changed since the last load.
func refreshed(t *testing.T, f *fleet, _ *history.Report, _ []history.Op) {
	if c := f.sum(); c.Refreshes < 50 || c.Refused == 0 || c.NotModified < 20 {
		t.Errorf("values were refreshed %d times, %d were refused, %d were not modified", c.Refreshes, c.Refused, c.NotModified)
	}
}

// lost checks that processes lost contact with Redis.
func lost(t *testing.T, f *fleet, _ *history.Report, _ []history.Op) {
	if n := f.sum().Lost; n < uint64(f.faults.Load()) {
		t.Errorf("%d faults, but connections were lost %d times", f.faults.Load(), n)
	}
}

// unlost checks that processes did not lose contact with Redis.
func unlost(t *testing.T, f *fleet, _ *history.Report, _ []history.Op) {
	if n := f.sum().Lost; n > 0 {
		t.Errorf("tracking connections were lost %d times", n)
	}
}

// older checks that L1 has served outdated values.
func older(t *testing.T, _ *fleet, r *history.Report, _ []history.Op) {
	if r.Age(1) < 20*time.Millisecond {
		t.Errorf("L1 was never more than %v behind", r.Age(1))
	}
}

// stalled checks that operations had to wait for Redis.
func stalled(t *testing.T, _ *fleet, r *history.Report, _ []history.Op) {
	if took := r.Slowest.Return - r.Slowest.Call; took < 100*time.Millisecond {
		t.Errorf("nothing took longer than %v", took)
	}
}

// silent checks that the victim did nothing for a while.
func silent(t *testing.T, f *fleet, _ *history.Report, ops []history.Op) {
	var calls []time.Duration
	for _, o := range ops {
		if o.Process == f.victim().number && o.Kind != history.Commit {
			calls = append(calls, o.Call)
		}
	}
	slices.Sort(calls)
	var most time.Duration
	for i := 1; i < len(calls); i++ {
		most = max(most, calls[i]-calls[i-1])
	}
	if most < time.Second {
		t.Errorf("the victim was never silent for longer than %v", most)
	}
}

func waited(t *testing.T, f *fleet, _ *history.Report, _ []history.Op) {
	if f.sum().Waits == 0 {
		t.Error("nobody waited for the one that was killed")
	}
}
