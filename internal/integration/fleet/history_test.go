package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
)

const (
	historySeed = 20261123
	historySize = 3 // processes

	// historyMaxDisconnected is short, so that a short run has room for several of it.
	historyMaxDisconnected = 600 * time.Millisecond

	// historySlack allows for times rounded to whole milliseconds.
	historySlack = 5 * time.Millisecond

	// historyLease is how long a read may wait while nobody loads its key: for the life of a
	// lease, three seconds, and for the reply of Redis to which it belongs.
	historyLease = 4 * time.Second
)

// soak returns the duration of each run, from STRATA_SOAK, or 0.
func soak(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("STRATA_SOAK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("STRATA_SOAK: %v", err)
	}
	return d
}

// Under every fault, several processes that read and write the same keys get the guaranteed
// answers: see package history.
func TestHistory(t *testing.T) {
	servers := &historyServers{t: t}
	for _, fault := range historyRows(t) {
		t.Run(fault.name, func(t *testing.T) {
			f, ops := fault.run(t, servers, soak(t), "")
			r := f.judge(&fault, ops)
			f.report(r)
			for i, v := range r.Examples {
				t.Errorf("%d. %s", i+1, v.Story(ops))
			}
			if n := f.faults.Load(); fault.inject != nil && n < max(fault.least, 1) {
				t.Errorf("%d faults", n)
			}
			if fault.happened != nil {
				fault.happened(t, f, r, ops)
			}
			// A run without the intended events proves nothing.
			if lacks := f.source.lacks(); lacks != "" {
				t.Errorf("the fleet did next to nothing: %s", lacks)
			}
			if took := r.Slowest.Return - r.Slowest.Call; took > 2*historyPatience {
				t.Errorf("this hung: %v", r.Slowest)
			}
		})
	}
}

// Without a fence, guarantees are violated: the test above can fail. Violations too rare
// for a short run have tests that force them: see TestLease_joinAfterAChangeElsewhere.
func TestHistory_withoutFences(t *testing.T) {
	for _, what := range []struct{ fences, fault, guarantees string }{
		{"NoToken", "nothing", "G1"},
		{"NoFence NoEpoch", "nothing", "G2 G3"},
		{"NoHeartbeat", "half-open link", "G3"},
		{"NoMaxStale", "no tracking, values last", "G3"},
		{"NoCompare", "values are refreshed", "G1"},
		{"NoReplay", "Redis is killed and starts from an old file", "G1"},
		{"NoReplay", "a replica takes over by force", "G1"},
		{"NoExchange", "databases are swapped and swapped back", "G1"},
		{"AnyReplica", "reads from a replica that lags", "G1"},
	} {
		t.Run(what.fences+", "+what.fault, func(t *testing.T) {
			faults := historyRows(t)
			fault := faults[slices.IndexFunc(faults, func(f historyFault) bool { return f.name == what.fault })]
			for range 5 {
				f, ops := fault.run(t, &historyServers{t: t}, 2*time.Second, what.fences)
				r := f.judge(&fault, ops)
				f.report(r)
				for g := range strings.FieldsSeq(what.guarantees) {
					if r.Violations[g] > 0 {
						return
					}
				}
			}
			t.Errorf("no violation of %s", what.guarantees)
		})
	}
}

// historyServers are servers shared by several runs, because they start slowly.
type historyServers struct {
	t       *testing.T
	cluster *redistest.Cluster
}

// run runs a fleet with a fault, for the time d, or as long as the fault takes.
func (fault *historyFault) run(t *testing.T, servers *historyServers, d time.Duration, without string) (*fleet, []history.Op) {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), rand: rand.New(rand.NewPCG(historySeed, 0)), moved: map[string]int{}}
	f.job = historyJob{
		Seed: historySeed, Keys: max(fault.keys, 3), TTL: max(fault.ttl, 2*time.Second), Pad: fault.pad,
		Patience: historyPatience, MaxDisconnected: historyMaxDisconnected, Without: without, Tracking: fault.tracking, Refreshes: fault.refreshes,
		Clears:   fault.ttl == 0 || fault.lasting, // old values must last: no Clear
		Lasting:  fault.lasting,
		Replicas: fault.replicas,
		StaleFor: max(fault.staleFor, time.Second),
	}
	if fault.orphans {
		f.job.Patience = 300 * time.Millisecond
	}
	fault.serve(f, servers)
	f.source = startSource(t, f.log("source"), fault.lag())
	f.job.Source = f.source.listener.Addr().String()
	if fault.proxied && fault.where == inServer {
		f.proxy = redistest.StartProxy(t, f.server.Addr())
	}
	if isUntracked(fault.tracking) {
		f.untracked = redistest.StartUntracked(t, f.server.Addr())
	}
	for i := range historySize {
		f.start(fault.proxied && i == historySize-1)
	}
	sweep := fault.sweeps || d > 0
	return f, f.work(max(d, fault.lasts, 2*time.Second), fault, sweep)
}

// lag is how far the source of rows of histLagging lags.
func (fault *historyFault) lag() time.Duration {
	if fault.forgets {
		return 0
	}
	return historyHold * 3 / 4
}

// serve gives the fleet the kind of Redis of the fault.
func (fault *historyFault) serve(f *fleet, servers *historyServers) {
	switch fault.where {
	case inCluster:
		f.cluster = servers.replicated(f.t)
	case inNewCluster:
		f.cluster = redistest.StartCluster(f.t, 3)
	case behindAddress:
		f.address = redistest.StartAddress(f.t)
	case behindSentinels:
		f.sentinels = redistest.StartSentinel(f.t)
	default:
		f.server = redistest.Start(f.t, &fault.redis)
		if fault.replicas {
			f.replica = redistest.StartReplica(f.t, f.server)
		}
	}
}

// replicated returns an empty cluster with a replica of the first primary.
func (s *historyServers) replicated(t *testing.T) *redistest.Cluster {
	t.Helper()
	if s.cluster == nil {
		s.cluster = redistest.StartCluster(s.t, 3)
		s.cluster.AddReplica(s.t)
	}
	for _, node := range slices.Concat(s.cluster.Nodes, s.cluster.Replicas) {
		if _, err := node.Do("FLUSHALL"); err != nil && !strings.HasPrefix(err.Error(), "READONLY") {
			t.Fatal(err)
		}
		if _, err := node.Do("CONFIG", "RESETSTAT"); err != nil {
			t.Fatal(err)
		}
	}
	return s.cluster
}

func (f *fleet) judge(fault *historyFault, ops []history.Op) *history.Report {
	rules := history.Rules{MaxDisconnected: historyMaxDisconnected, Slack: historySlack, Failovers: f.failovers}
	if !fault.forgets {
		rules.Hold, rules.Lag = historyHold+historySlack, fault.lag()
	}
	if fault.leases {
		rules.Lease = historyLease
	}
	if fault.evicts {
		rules.Unpushed = unpushedTags
	}
	return history.Check(ops, rules)
}

func (f *fleet) report(r *history.Report) {
	f.t.Helper()
	c := f.sum()
	f.t.Logf("seed %d, %d faults\n%v\n%s", f.job.Seed, f.faults.Load(), r, fmt.Sprintf(
		"%d loads (%d failed), %d L2 hits, %d L1 hits, %d refused fills, %d waits for another process, %d rechecked, %d stale served; %d pushes, %d losses, %d L2 errors, %d retries and %d replays of writes",
		c.Loads, c.LoadErrors, c.L2Hits, c.L1Hits, c.Refused, c.Waits, c.Revalidated, c.StaleServed, c.Invalidations, c.Lost, c.L2Errors, c.Retried, c.Replayed))
	for _, w := range f.failovers {
		f.t.Logf("failover: what was written in %v..%v may be missed until %v", w.From, w.To, w.Until)
	}
}
