package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/report"
	"github.com/lokroom/strata/internal/redistest"
)

func newRegister(t *testing.T) *register {
	t.Helper()
	reg, err := openRegister(filepath.Join(t.TempDir(), "register"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.close() })
	return reg
}

// TestRegister_staleness is the time since the version after the one that was read, of the
// times that are still known.
func TestRegister_staleness(t *testing.T) {
	reg := newRegister(t)
	start := time.Unix(1000, 0)
	at := func(v uint64) time.Time { return start.Add(time.Duration(v) * time.Second) }
	const newest = 2 * depth
	for v := uint64(1); v <= newest; v++ {
		reg.commit(3, v, at(v))
	}
	now := at(newest + 10)
	for _, c := range []struct {
		read uint64
		want time.Duration
	}{{newest - 1, 10 * time.Second}, {newest - 5, 14 * time.Second}, {1, (depth + 8) * time.Second}} {
		if got := reg.staleness(3, c.read, now); got != c.want {
			t.Errorf("a read of version %d of %d: %v, want %v", c.read, newest, got, c.want)
		}
	}
	if reg.committed(3) != newest || reg.committed(4) != 0 {
		t.Errorf("committed: %d, %d", reg.committed(3), reg.committed(4))
	}
}

// TestProcess_judge: a read is stale by what was committed before it began, and went back by
// what the process had seen before.
func TestProcess_judge(t *testing.T) {
	p := &process{reg: newRegister(t)}
	now := time.Now()
	for v := uint64(1); v <= 5; v++ {
		p.reg.commit(0, v, now.Add(-time.Duration(6-v)*time.Second))
	}
	for _, c := range []struct {
		v, seen, committed uint64
		stale, back        int64
	}{{5, 0, 5, 0, 0}, {6, 5, 5, 0, 0}, {4, 3, 5, 1, 0}, {4, 5, 5, 1, 1}, {4, 5, 4, 0, 1}} {
		before := p.counts.tally()
		p.judge(0, c.v, c.seen, c.committed, now)
		after := p.counts.tally()
		if after.Reads != before.Reads+1 || after.Stale-before.Stale != c.stale || after.Back-before.Back != c.back {
			t.Errorf("%+v: %+v, then %+v", c, before, after)
		}
	}
	if got := time.Duration(p.counts.Longest.Load()); got != time.Second {
		t.Errorf("longest %v", got)
	}
	if p.seen[0].Load() != 6 {
		t.Errorf("seen %d", p.seen[0].Load())
	}
}

// TestContenders runs each contender in one process on a real server until it has read and
// written. What reads the source itself is never stale, and what never changes is.
func TestContenders(t *testing.T) {
	s := redistest.Start(t, nil)
	for _, name := range []string{"none", "frozen", "strata", "strata, DeleteAndWait", "strata, broadcast", "rueidisaside", "rueidis DoCache", "go-redis, client-side cache"} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Do("FLUSHALL"); err != nil {
				t.Fatal(err)
			}
			c, err := find(name)
			if err != nil {
				t.Fatal(err)
			}
			p := &process{index: 0, of: 1, reads: 2000, writes: 500, reg: newRegister(t)}
			if p.access, err = c.open([]string{s.Addr()}, p.reg); err != nil {
				t.Fatal(err)
			}
			defer p.access.close()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			p.writeFirst(ctx)
			p.counts.reset()
			done := make(chan struct{})
			go func() { defer close(done); p.run(ctx) }()
			redistest.WaitFor(t, "reads and writes", func() bool {
				n := p.counts.tally()
				return n.Reads > 500 && n.Writes > 20 && (name != "frozen" || n.Stale > 0 && n.Longest > 0)
			})
			cancel()
			<-done
			if n := p.counts.tally(); name == "none" && (n.Stale > 0 || n.Back > 0) {
				t.Errorf("%+v", n)
			}
		})
	}
}

// TestTables: a contender that is worse than Strata, and one that is better, stand in the
// table, the chart and the page as they were measured.
func TestTables(t *testing.T) {
	r := &results{About: report.About{Commit: "abc"}, Settings: settings{Processes: 4, Rounds: 1}}
	of := func(stale int64) outcome {
		return outcome{tally: tally{Reads: 1_000_000, Stale: stale, Longest: stale * int64(time.Millisecond), Writes: 100}, Seconds: 10, Commands: 5000, Fetched: 200_000}
	}
	r.add("swallow", "strata", of(700))
	r.add("swallow", "rueidisaside", of(30))
	r.add("swallow", "rueidis DoCache", of(9000))
	for _, row := range []string{
		"| strata | 700 | 700 | 0 | 0 | 80000 | 80 | 500 | 10 |",
		"| rueidisaside | 30 | 30 | 0 | 0 | 80000 | 80 | 500 | 10 |",
		"| rueidis DoCache | 9000 | 9000 |",
	} {
		if !strings.Contains(page(r), row) {
			t.Errorf("no %q in\n%s", row, page(r))
		}
	}
	if svg := chart(r); strings.Index(svg, ">rueidisaside<") > strings.Index(svg, ">strata<") {
		t.Error("what is stale less often than Strata is not above it")
	}
}
