package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/benchmarks/peers/adapter"
	"github.com/lokroom/strata/benchmarks/peers/report"
)

// charts are the groups of works, by the names of their files in docs/benchmarks.
var charts = []struct{ group, title string }{
	{"l1", "In the process"},
	{"l2", "In Redis, without a copy in the process"},
	{"miss", "Misses"},
	{"cold", "A cold key, 1,000 callers a process"},
	{"ratio", "Hit ratio"},
	{"memory", "Memory"},
	{"build", "What a program pays"},
}

// curves are the groups of works whose X grows.
var curves = []struct{ group, title, x, y string }{
	{"callers", "Reads of Redis: more callers", "callers", "ns for a read, wall time"},
	{"keys", "Hits in the process: more keys", "keys", "ns for a hit"},
	{"values", "Reads of Redis: larger values", "KiB", "ns for a read, wall time"},
	{"processes", "Reads of Redis: more processes", "processes", "reads a second, all together"},
	{"server", "Reads of Redis: what the server pays", "processes", "µs of CPU time for a read"},
}

// writePages writes everything that is made of the JSON files that exist.
func writePages(root string) error {
	pictures := filepath.Join(root, "docs/benchmarks")
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		return err
	}
	page := filepath.Join(root, "docs/benchmarks.md")
	if r, err := report.Read(filepath.Join(root, "benchmarks/results/peers.json")); err == nil {
		if err := writePeers(root, pictures, r); err != nil {
			return err
		}
		if err := report.Fill(page, "peers", r.About.String()+"\n\n"+report.Short(r)); err != nil {
			return err
		}
	}
	if r, err := report.Read(filepath.Join(root, "benchmarks/results/growth.json")); err == nil {
		if err := os.WriteFile(filepath.Join(root, "benchmarks/results/growth.txt"), []byte(report.Benchstat(r)), 0o644); err != nil {
			return err
		}
		for _, c := range curves {
			svg := report.Lines(c.title, c.x, c.y, report.Curves(r, c.group))
			if err := os.WriteFile(filepath.Join(pictures, c.group+".svg"), []byte(svg), 0o644); err != nil {
				return err
			}
		}
		if err := report.Fill(page, "growth", r.About.String()); err != nil {
			return err
		}
	}
	return nil
}

func writePeers(root, pictures string, r *report.Results) error {
	if err := os.WriteFile(filepath.Join(root, "benchmarks/results/peers.txt"), []byte(report.Benchstat(r)), 0o644); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Strata beside its peers\n\nWritten by `make bench-peers`; do not edit.\n\n%s\n\nFor times, the middle column is the median over the rounds. A ratio is that of a contender to Strata in the same round; *worse* means that Strata is slower, larger or hits less.\n\nRatios of the others to Strata:\n\n%s\n", r.About, report.Summary(r))
	for _, c := range charts {
		works := slices.Collect(func(yield func(report.Work) bool) {
			for _, w := range r.Works {
				if w.Group == c.group && !yield(w) {
					return
				}
			}
		})
		if len(works) == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(pictures, c.group+".svg"), []byte(report.Bars(c.title, works)), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&b, "## %s\n\n![chart](../../docs/benchmarks/%s.svg)\n\n", c.title, c.group)
		for _, w := range works {
			fmt.Fprintf(&b, "### %s\n\n%s\n\n%s\n", w.Name, w.What, report.Table(w))
		}
	}
	b.WriteString("## Settings\n\n| contender | keeps entries in | module | settings |\n|---|---|---|---|\n")
	versions := versions()
	for _, p := range adapter.Peers() {
		var modules []string
		for _, m := range p.Modules {
			modules = append(modules, "`"+m+"` "+versions[m])
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, p.Tier, strings.Join(modules, ", "), p.Settings)
	}
	return os.WriteFile(filepath.Join(root, "benchmarks/peers/RESULTS.md"), []byte(b.String()), 0o644)
}

// versions returns those of all modules of this program.
func versions() map[string]string {
	all := make(map[string]string)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if all[m.Path] = m.Version; m.Replace != nil {
				all[m.Path] = "of this repository"
			}
		}
	}
	return all
}

// cpuOf returns the seconds of CPU time that a server has taken.
func cpuOf(addr string) (float64, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	info, err := client.Do(context.Background(), client.B().Info().Section("cpu").Build()).ToString()
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			var v float64
			if _, err := fmt.Sscan(value, &v); err != nil {
				return 0, err
			}
			sum += v
		}
	}
	return sum, nil
}
