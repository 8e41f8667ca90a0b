// Run measures Strata beside its peers, in turns in one process, and writes what it measured:
// JSON and benchstat text into benchmarks/results, tables and charts into the documentation.
//
//	go run ./run                 the quick set: below ten minutes on two processors
//	go run ./run -set full       also the share of garbage collection, and build times
//	go run ./run -set growth     how cost grows with callers, keys, sizes and processes
//	go run ./run -set none       writes the pages again from the JSON
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/report"
	"github.com/lokroom/strata/internal/redistest"
)

// run is a run of measurements.
type run struct {
	addr    string // of Redis
	rounds  int
	slice   time.Duration
	only    string
	results *report.Results
	started time.Time
}

func main() {
	var r run
	set := flag.String("set", "quick", "what to measure: quick, full, growth, or none")
	root := flag.String("root", "../..", "the root of the repository")
	flag.IntVar(&r.rounds, "rounds", 9, "turns of each contender")
	flag.DurationVar(&r.slice, "slice", 100*time.Millisecond, "how long a turn takes")
	flag.StringVar(&r.only, "only", "", "only works whose name contains this; nothing is written")
	child := flag.String("child", "", "for internal use: what a process of a measurement does")
	flag.Parse()
	err := func() error {
		if *child != "" {
			return beChild(*child, flag.Args())
		}
		return r.all(*set, *root)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

// all measures a set and writes it.
func (r *run) all(set, root string) error {
	works := map[string][]func() error{
		"quick":  {r.l1, r.l1Many, r.l2, r.misses, r.limits, r.cold, r.ratios, r.memory, r.sizes},
		"growth": {r.growCallers, r.growKeys, r.growValues, r.growProcesses},
		"none":   {},
	}
	works["full"] = append(works["quick"], r.collection, r.buildTimes)
	todo, ok := works[set]
	if !ok {
		return fmt.Errorf("there is no set %q", set)
	}
	if len(todo) > 0 {
		if err := r.measure(set, todo); err != nil {
			return err
		}
		if r.only != "" {
			for _, w := range r.results.Works {
				fmt.Printf("%s\n\n%s\n", w.Name, report.Table(w))
			}
			return nil
		}
		name := "peers"
		if set == "growth" {
			name = "growth"
		}
		if err := r.results.Write(filepath.Join(root, "benchmarks/results", name+".json")); err != nil {
			return err
		}
	}
	return writePages(root)
}

func (r *run) measure(set string, works []func() error) error {
	server, err := redistest.New(&redistest.Options{MaxMemory: "4gb", MaxMemoryPolicy: "allkeys-lru"})
	if err != nil {
		return err
	}
	defer server.Close()
	r.addr, r.started = server.Addr(), time.Now()
	command := "make bench-peers"
	if set != "quick" {
		command += " SET=" + set
	}
	r.results = &report.Results{About: report.NewAbout(command)}
	for _, work := range works {
		if err := work(); err != nil {
			return err
		}
	}
	r.results.About.Took = time.Since(r.started).Round(time.Second).String()
	return nil
}

// plan completes a plan.
func (r *run) plan(p plan) plan {
	p.rounds, p.slice = r.rounds, r.slice
	return p
}

// skips reports whether none of the works is asked for.
func (r *run) skips(works ...string) bool {
	for _, w := range works {
		if strings.Contains(w, r.only) {
			return false
		}
	}
	return true
}

// log reports where the run is.
func (r *run) log(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(r.started).Seconds(), fmt.Sprintf(format, args...))
}

func (r *run) add(w report.Work) { r.results.Works = append(r.results.Works, w) }

func processors() int { return runtime.GOMAXPROCS(0) }

var errNoChild = errors.New("no such child")

// beChild does what a process of a measurement does.
func beChild(what string, args []string) error {
	children := map[string]func(args []string) error{
		"cold": childCold, "memory": childMemory, "collection": childCollection, "reads": childReads,
	}
	f, ok := children[what]
	if !ok {
		return fmt.Errorf("%w: %q", errNoChild, what)
	}
	return f(args)
}
