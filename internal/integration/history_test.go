package integration_test

import (
	"os"
	"slices"
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
)

// historyTime is how long each run lasts: STRATA_SOAK, or a moment.
func historyTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("STRATA_SOAK")
	if text == "" {
		return 3 * time.Second
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
	for _, fault := range historyFaults {
		t.Run(fault.name, func(t *testing.T) {
			f, ops := fault.run(t, historyTime(t), "")
			ops = f.awake(ops)
			r := history.Check(ops, history.Rules{MaxUnheard: historyUnheard})
			f.report(r, ops)
			for i, v := range r.Examples {
				t.Errorf("%d. %s", i+1, v.Story(ops))
			}
			if f.faults == 0 && fault.inject != nil {
				t.Error("nothing failed")
			}
			if fault.happened != nil {
				fault.happened(t, f, r, ops)
			}
			// A run that did not do what it is for proves nothing.
			if c := f.sum(); r.Writes < 50 || c.Loads < 50 || c.L2Hits < 50 || c.L1Hits < 500 {
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
	for mutant, what := range map[string]struct{ fault, guarantee string }{
		"NoToken": {"nothing", "G1"},
		"NoGuard": {"nothing", "G2"},
		"NoPulse": {"half-open link", "G3"},
	} {
		t.Run(mutant, func(t *testing.T) {
			fault := historyFaults[slices.IndexFunc(historyFaults, func(f historyFault) bool { return f.name == what.fault })]
			for range 5 {
				f, ops := fault.run(t, 2*time.Second, mutant)
				r := history.Check(ops, history.Rules{MaxUnheard: historyUnheard})
				f.report(r, ops)
				if r.Violations[what.guarantee] > 0 {
					return
				}
			}
			t.Errorf("no violation of %s", what.guarantee)
		})
	}
}

// run lets a fleet work while things fail.
func (fault *historyFault) run(t *testing.T, d time.Duration, mutant string) (*fleet, []history.Op) {
	t.Helper()
	server := redistest.Start(t, &fault.redis)
	job := historyJob{Seed: historySeed, Keys: max(fault.keys, 16), MaxUnheard: historyUnheard, Mutant: mutant, Broadcast: fault.told}
	f := newFleet(t, server, job)
	for range historySize - 1 {
		f.start(server.Addr())
	}
	if fault.proxied {
		f.proxy = redistest.StartProxy(t, server.Addr())
		f.start(f.proxy.Addr())
	} else {
		f.start(server.Addr())
	}
	return f, f.work(d, fault.inject)
}

func (f *fleet) report(r *history.Report, ops []history.Op) {
	f.t.Helper()
	c := f.sum()
	f.t.Logf("seed %d, %d faults\n%v\n%d loads (%d failed), %d L2 hits, %d L1 hits, %d refused fills, %d waits for another process, %d rechecked, %d stale served; %d pushes, %d losses, %d L2 errors",
		f.job.Seed, f.faults, r, c.Loads, c.LoadErrors, c.L2Hits, c.L1Hits, c.Refused, c.Waits, c.Rechecked, c.StaleServed, c.Invalidations, c.Lost, c.L2Errors)
}
