package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/report"
)

// TestMain lets the test binary be the child processes, too.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-child") {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestRun_works runs works that need little memory, with short turns: every contender answers
// right, in this process and in others.
func TestRun_works(t *testing.T) {
	r := &run{rounds: 1, slice: time.Millisecond}
	if err := r.measure("quick", []func() error{r.l1, r.l2, r.misses, r.limits, r.cold}); err != nil {
		t.Fatal(err)
	}
	if len(r.results.Works) < 15 {
		t.Errorf("%d works", len(r.results.Works))
	}
	for _, w := range r.results.Works {
		if _, ok := w.Baseline(); !ok || len(w.Rows) < 2 {
			t.Errorf("%s has %d rows", w.Name, len(w.Rows))
		}
		for _, row := range w.Rows {
			if strings.HasSuffix(w.Name, "loads") && strings.HasPrefix(row.Peer, report.Ours) && row.Median() != 1 {
				t.Errorf("%s: %s loads %v times", w.Name, row.Peer, row.Median())
			}
		}
	}
	testPages(t, r.results)
}

// testPages writes pages from results.
func testPages(t *testing.T, r *report.Results) {
	root := t.TempDir()
	for _, dir := range []string{"docs", "benchmarks/results", "benchmarks/peers"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	page := filepath.Join(root, "docs/benchmarks.md")
	if err := os.WriteFile(page, []byte("<!-- peers -->\n<!-- /peers -->\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(filepath.Join(root, "benchmarks/results/peers.json")); err != nil {
		t.Fatal(err)
	}
	if err := writePages(root); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"docs/benchmarks.md":           "| L2 hit, 64 callers |",
		"benchmarks/peers/RESULTS.md":  "| `redis_rate` |",
		"benchmarks/results/peers.txt": "BenchmarkPeers/work=l1-hit-serial/peer=otter 1 ",
		"docs/benchmarks/l1.svg":       ">otter<",
	} {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, no %q", file, err, want)
		}
	}
}

// TestReplay replays the trace of the module of ristretto.
func TestReplay(t *testing.T) {
	gli, err := gliTrace()
	if err != nil {
		t.Fatal(err)
	}
	if len(gli.keys) != 6015 {
		t.Errorf("%d reads", len(gli.keys))
	}
	r := &run{rounds: 1, results: new(report.Results), only: "hit ratio"}
	if err := r.replays([]trace{gli}); err != nil {
		t.Fatal(err)
	}
	for _, row := range r.results.Works[0].Rows {
		if v := row.Median(); v < 0 || v > 58 { // 2,529 of 6,015 reads are the first of a key
			t.Errorf("%s hits %.1f %%", row.Peer, v)
		}
	}
}

// TestPrograms builds a program.
func TestPrograms(t *testing.T) {
	b, err := buildOne(programs["golang-lru"], "")
	if err != nil || b.bytes < 1e5 {
		t.Errorf("%+v, %v", b, err)
	}
}
