package benchmarks_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/ratelimit"
)

var (
	rounds = flag.Int("rounds", 15, "rounds of each comparison of TestRatios with -measure")
	slice  = flag.Duration("slice", 150*time.Millisecond, "how long a turn takes in TestRatios with -measure")
	only   = flag.String("only", "", "with -measure: only comparisons whose name contains this")
)

// Goals, as ratios to the baseline in the same run. They are printed, not asserted, since
// the speed of a shared machine proves nothing.
const (
	goalL1 = 1.5  // layered: at most this multiple of the time of the engine's Get
	goalL2 = 0.87 // redisstore, layered: at least this ratio of GETs per second at 64 callers

	goalUntracked = 0.8 // strata with NoTracking: at least this ratio of hits per second of strata, at 64 callers

	goalFences  = 10 * time.Nanosecond // what an L2 may add to a hit in L1
	goalRefresh = 5 * time.Nanosecond  // what a refresh time may add

	goalBatch = 1.3 // strata: at most this multiple of the time of as many pipelined GETs and the same decoding
)

// A goal is a bound on a comparison.
type goal struct {
	most  float64 // of the time of the baseline; 0: no bound
	least float64 // of the operations per second of the baseline; 0: no bound

	above time.Duration // the baseline; 0: no bound
}

func (g goal) String() string {
	switch {
	case g.most > 0:
		return fmt.Sprintf("time <= %.2fx", g.most)
	case g.least > 0:
		return fmt.Sprintf("ops/s >= %.2fx", g.least)
	case g.above > 0:
		return fmt.Sprintf("<= %v more", g.above)
	default:
		return ""
	}
}

func (g goal) met(c comparison) string {
	more := time.Duration(float64(c.base) * (c.ratio - 1))
	switch {
	case g == goal{}:
		return ""
	case g.most > 0 && c.ratio > g.most, g.least > 0 && 1/c.ratio < g.least:
		return "MISSED"
	case g.above > 0 && more > g.above:
		return fmt.Sprintf("MISSED: %v more", more)
	case g.above > 0:
		return fmt.Sprintf("met: %v more", more)
	default:
		return "met"
	}
}

// A table prints comparisons.
type table struct {
	t    *testing.T
	text strings.Builder
	w    *tabwriter.Writer
}

func newTable(t *testing.T) *table {
	tab := &table{t: t}
	tab.w = tabwriter.NewWriter(&tab.text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab.w, "what\tbaseline\tcontender\tbaseline/op\tcontender/op\ttime\t(quartiles)\tfastest\tCPU\tgoal\t")
	return tab
}

// compare measures and prints one line.
func (tab *table) compare(what string, g goal, base, other contender, turnOf func(contender) turn) {
	tab.t.Helper()
	if *only != "" && !strings.Contains(what+" "+other.name, *only) {
		return
	}
	n, d := *rounds, *slice
	if !*measure {
		n, d = 1, 0
	}
	c, err := interleave(n, d, turnOf(base), turnOf(other))
	if err != nil {
		tab.t.Errorf("%s, %s against %s: %v", what, other.name, base.name, err)
		return
	}
	fmt.Fprintf(tab.w, "%s\t%s\t%s\t%v\t%v\t%.2fx\t%.2f-%.2f\t%.2fx\t%.2fx\t%s\t%s\n", what, base.name, other.name,
		c.base, c.other, c.ratio, c.low, c.high, c.best, c.cpu, g, g.met(c))
}

func (tab *table) print() {
	tab.w.Flush()
	if *measure {
		fmt.Printf("%d rounds, %v a turn, %d processors\n%s\n", *rounds, *slice, processors(), tab.text.String())
	}
}

// by returns turns on a number of goroutines.
func by(callers int) func(contender) turn {
	return func(c contender) turn {
		if callers == 1 {
			return func(n int) error { return serially(c, 0, n) }
		}
		return func(n int) error { return together(c, callers, n) }
	}
}

// TestRatios compares, in interleaved rounds, operations with a goal and those that explain
// them. "make bench-ratios" runs it in full.
func TestRatios(t *testing.T) {
	tab := newTable(t)
	defer tab.print()
	for _, engine := range engines {
		ratiosL1(tab, engine, "struct", newListing)
		ratiosL1(tab, engine, "pointer", newPointer)
	}
	fenced := fences(t)
	tab.compare("L1 hit, otter, struct, serial", goal{above: goalFences}, fenced[0], fenced[1], by(1))
	tab.compare("L1 hit, otter, struct, parallel", goal{above: goalFences}, fenced[0], fenced[1], by(processors()))
	refreshed := refreshes(t)
	for _, c := range refreshed[1:] {
		tab.compare("L1 hit with a refresh, otter, struct, serial", goal{above: goalRefresh}, refreshed[0], c, by(1))
		tab.compare("L1 hit with a refresh, otter, struct, parallel", goal{above: goalRefresh}, refreshed[0], c, by(processors()))
	}
	ratiosL2(tab, "reflection", newListing, idOf)
	ratiosL2(tab, "generated", newGenerated, idOfGenerated)
	ratiosTo(tab, "L2 hit, 64 callers, in a request", inRequest(t), 64)
	ratiosTo(tab, "batch of 100, L1", batchL1(t), 1)
	ratiosBatch(tab, batchL2(t))
	ratiosTo(tab, "miss and load, L1", loadsL1(t), 1)
	ratiosTo(tab, "miss and load, L1+L2, 64 callers", loadsL2(t), 64)
	for algorithm := ratelimit.GCRA; algorithm <= ratelimit.StrictWindow; algorithm++ {
		ratiosTo(tab, "rate limit in process, 10,000 keys", limitsLocal(t, algorithm), 1)
	}
	ratiosTo(tab, "rate limit in Redis, blocked keys, 64 callers", limitsBlocked(t), 64)
	fill(t, flush(t))
}

func ratiosL1[V any](tab *table, engine strata.Engine, value string, of func(int) V) {
	tab.t.Helper()
	layers := l1Layers(tab.t, engine, of)
	for _, mode := range []struct {
		name    string
		callers int
	}{{"serial", 1}, {"parallel", processors()}} {
		for _, layer := range layers[1:] {
			var g goal
			if layer.name == "layered" {
				g.most = goalL1
			}
			what := fmt.Sprintf("L1 hit, %v, %s, %s", engine, value, mode.name)
			tab.compare(what, g, layers[0], layer, by(mode.callers))
		}
	}
}

func ratiosL2[V any](tab *table, decoding string, of func(int) V, id func(V) int64) {
	tab.t.Helper()
	impls := l2Impls(tab.t, of, id)
	for _, callers := range callerCounts {
		for _, impl := range impls[1:] {
			var g goal
			if callers == 64 && (impl.name == "redisstore" || impl.name == "layered" || impl.name == "strata") {
				g.least = goalL2
			}
			tab.compare(fmt.Sprintf("L2 hit, %d callers, %s", callers, decoding), g, impls[0], impl, by(callers))
		}
	}
	last := len(impls) - 1
	tab.compare("L2 hit without tracking, 64 callers, "+decoding, goal{least: goalUntracked}, impls[last-1], impls[last], by(64))
}

// ratiosBatch compares with the first of impls, 100 pipelined GETs. A connection that
// receives invalidations explains the difference, as does MGET.
func ratiosBatch(tab *table, impls []contender) {
	tab.t.Helper()
	for _, impl := range impls[1:] {
		var g goal
		if impl.name == "strata" {
			g.most = goalBatch
		}
		tab.compare("batch of 100, L2", g, impls[0], impl, by(1))
	}
}

// ratiosTo compares with the first of impls.
func ratiosTo(tab *table, what string, impls []contender, callers int) {
	tab.t.Helper()
	for _, impl := range impls[1:] {
		tab.compare(what, goal{}, impls[0], impl, by(callers))
	}
}
