// Coherence measures whether caches that keep copies of values in several processes are
// right: how many reads return a value that was overwritten before they began, how old such
// values are, and how often a process reads an older value after a newer one. It does so
// without faults, while connections are killed, while the link of a process swallows
// everything, and while the slots of a cluster move.
//
//	go run ./coherence                  all contenders and faults: five minutes
//	go run ./coherence -rounds 5        in turns, five times
//	go run ./coherence -write           writes the page again from the JSON
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/report"
)

// settings of a run.
type settings struct {
	Processes int
	Reads     float64 // a second of each process
	Writes    float64 // a second of all processes
	Time      time.Duration
	Swallow   time.Duration // how long a link swallows
	Rounds    int
}

func main() {
	var s settings
	flag.IntVar(&s.Processes, "processes", 4, "processes that read and write")
	flag.Float64Var(&s.Reads, "reads", 10_000, "reads a second of each process")
	flag.Float64Var(&s.Writes, "writes", 200, "writes a second of all processes")
	flag.DurationVar(&s.Time, "time", 12*time.Second, "how long a contender runs for each fault")
	flag.DurationVar(&s.Swallow, "swallow", 6*time.Second, "how long a link swallows")
	flag.IntVar(&s.Rounds, "rounds", 1, "how often each contender runs")
	root := flag.String("root", "../..", "the root of the repository")
	only := flag.String("only", "", "only contenders whose name contains this; nothing is written")
	faults := flag.String("faults", strings.Join(faultNames(), ","), "the faults")
	pages := flag.Bool("write", false, "only write the page again")
	child := flag.Bool("child", false, "for internal use: be one of the processes")
	flag.Parse()
	err := func() error {
		switch {
		case *child:
			return beChild(flag.Args())
		case *pages:
			return writePage(*root)
		}
		r, err := measure(s, *only, strings.Split(*faults, ","))
		if err != nil {
			return err
		}
		if *only != "" {
			fmt.Println(tables(r))
			return nil
		}
		if err := r.write(filepath.Join(*root, "benchmarks/results/coherence.json")); err != nil {
			return err
		}
		return writePage(*root)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "coherence:", err)
		os.Exit(1)
	}
}

// measure runs all contenders with all faults, in turns.
func measure(s settings, only string, faults []string) (*results, error) {
	r := &results{About: report.NewAbout("make bench-coherence"), Settings: s}
	started := time.Now()
	for round := range s.Rounds {
		for _, f := range allFaults() {
			if !slices.Contains(faults, f.name) {
				continue
			}
			all := contenders()
			for i := range all {
				c := all[(i+round)%len(all)]
				if !strings.Contains(c.name, only) {
					continue
				}
				if f.cluster && c.single {
					continue
				}
				fmt.Fprintf(os.Stderr, "%4.0f s  %s, %s\n", time.Since(started).Seconds(), f.name, c.name)
				out, err := one(s, c, f)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", f.name, c.name, err)
				}
				r.add(f.name, c.name, out)
			}
		}
	}
	r.About.Took = time.Since(started).Round(time.Second).String()
	return r, nil
}
