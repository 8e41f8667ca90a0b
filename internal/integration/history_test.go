package integration_test

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

	// historyUnheard is short, so that a short run has room for several of it.
	historyUnheard = 600 * time.Millisecond

	// historySlack is for what is counted in whole milliseconds, by several.
	historySlack = 5 * time.Millisecond
)

// soak is how long each run lasts if that was said: STRATA_SOAK. Else it is 0.
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

// Whatever fails, several processes that read and write the same keys see what was
// promised to them: see package history.
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
			// A run that did not do what it is for proves nothing.
			if c := f.sum(); r.Writes < 50 || c.Loads < 50 || c.L2Hits < 50 || c.L1Hits < 200 {
				t.Error("the fleet did next to nothing")
			}
			if took := r.Slowest.Return - r.Slowest.Call; took > 2*historyPatience {
				t.Errorf("this hung: %v", r.Slowest)
			}
		})
	}
}

// Without a fence that is there for it, something is seen that was not promised:
// the test above is able to fail. What is too rare to be seen in a short run has a
// test that forces it: see TestLease_joinAfterAChangeElsewhere.
func TestHistory_withoutFences(t *testing.T) {
	for fences, what := range map[string]struct{ fault, guarantees string }{
		"NoToken":         {"nothing", "G1"},
		"NoGuard NoEpoch": {"nothing", "G2 G3"},
		"NoPulse":         {"half-open link", "G3"},
		"NoMaxStale":      {"no tracking, values last", "G3"},
		"NoCompare":       {"values are loaded anew", "G1"},
		"NoReplay":        {"Redis is killed and starts from an old file", "G1"},
		"NoExchange":      {"databases are swapped and swapped back", "G1"},
	} {
		t.Run(fences, func(t *testing.T) {
			faults := historyRows(t)
			fault := faults[slices.IndexFunc(faults, func(f historyFault) bool { return f.name == what.fault })]
			for range 5 {
				f, ops := fault.run(t, &historyServers{t: t}, 2*time.Second, fences)
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

// historyServers are those that several runs share, because they take long to start.
type historyServers struct {
	t       *testing.T
	cluster *redistest.Cluster
}

// run lets a fleet work while things fail, for the time d, or as long as the fault
// takes.
func (fault *historyFault) run(t *testing.T, servers *historyServers, d time.Duration, without string) (*fleet, []history.Op) {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), rand: rand.New(rand.NewPCG(historySeed, 0)), moved: map[string]int{}}
	f.job = historyJob{
		Seed: historySeed, Keys: max(fault.keys, 3), TTL: max(fault.ttl, 2*time.Second), Pad: fault.pad,
		Patience: historyPatience, MaxUnheard: historyUnheard, Without: without, Tracking: fault.tracking, Refreshes: fault.anew,
		Clears:   fault.ttl == 0 || fault.lasting, // where old values are to last, nobody clears
		Lasting:  fault.lasting,
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

// lag is how far behind the source is that rows of histLagging are read from.
func (fault *historyFault) lag() time.Duration {
	if fault.forgets {
		return 0
	}
	return historyHold * 3 / 4
}

// serve gives the fleet a Redis of the kind that the fault is for.
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
	}
}

// replicated returns a cluster whose first primary has a replica, with nothing in it.
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
	rules := history.Rules{MaxUnheard: historyUnheard, Slack: historySlack, Failovers: f.failovers}
	if !fault.forgets {
		rules.Hold, rules.Lag = historyHold+historySlack, fault.lag()
	}
	return history.Check(ops, rules)
}

func (f *fleet) report(r *history.Report) {
	f.t.Helper()
	c := f.sum()
	f.t.Logf("seed %d, %d faults\n%v\n%s", f.job.Seed, f.faults.Load(), r, fmt.Sprintf(
		"%d loads (%d failed), %d L2 hits, %d L1 hits, %d refused fills, %d waits for another process, %d rechecked, %d stale served; %d pushes, %d losses, %d L2 errors, %d retries and %d replays of writes",
		c.Loads, c.LoadErrors, c.L2Hits, c.L1Hits, c.Refused, c.Waits, c.Rechecked, c.StaleServed, c.Invalidations, c.Lost, c.L2Errors, c.Retried, c.Replayed))
	for _, w := range f.failovers {
		f.t.Logf("failover: what was written in %v..%v may be missed until %v", w.From, w.To, w.Until)
	}
}
