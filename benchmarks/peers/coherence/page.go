package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/report"
)

// results are those of a run.
type results struct {
	About    report.About
	Settings settings
	Turns    []turns
}

// turns are those of one contender with one fault.
type turns struct {
	Fault, Contender string
	Outcomes         []outcome
}

func (r *results) add(fault, contender string, o outcome) {
	for i, t := range r.Turns {
		if t.Fault == fault && t.Contender == contender {
			r.Turns[i].Outcomes = append(t.Outcomes, o)
			return
		}
	}
	r.Turns = append(r.Turns, turns{fault, contender, []outcome{o}})
}

func (r *results) write(file string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// of returns the turns of a contender with a fault.
func (r *results) of(fault, contender string) []outcome {
	for _, t := range r.Turns {
		if t.Fault == fault && t.Contender == contender {
			return t.Outcomes
		}
	}
	return nil
}

// The measures of a turn.

func millionth(n int64, o outcome) float64 { return 1e6 * float64(n) / float64(max(1, o.Reads)) }

var measures = []struct {
	name string
	of   func(o outcome) float64
}{
	{"stale reads per million", func(o outcome) float64 { return millionth(o.Stale, o) }},
	{"longest staleness, ms", func(o outcome) float64 { return float64(o.Longest) / float64(time.Millisecond) }},
	{"back in time per million", func(o outcome) float64 { return millionth(o.Back, o) }},
	{"failed reads per million", func(o outcome) float64 { return 1e6 * float64(o.Failed) / float64(max(1, o.Reads+o.Failed)) }},
	{"hits a second", func(o outcome) float64 { return float64(max(0, o.Reads-o.Fetched)) / o.Seconds }},
	{"hit ratio, %", func(o outcome) float64 { return 100 * float64(max(0, o.Reads-o.Fetched)) / float64(max(1, o.Reads)) }},
	{"Redis commands a second", func(o outcome) float64 { return float64(o.Commands) / o.Seconds }},
	{"writes a second", func(o outcome) float64 { return float64(o.Writes) / o.Seconds }},
}

// tables returns a table for each fault, with medians over the rounds. The longest staleness
// is that of all rounds.
func tables(r *results) string {
	var b strings.Builder
	for _, f := range allFaults() {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n| contender |", title(f.name), f.what)
		for _, m := range measures {
			fmt.Fprintf(&b, " %s |", m.name)
		}
		b.WriteString("\n|---|" + strings.Repeat("---:|", len(measures)) + "\n")
		for _, c := range contenders() {
			outcomes := r.of(f.name, c.name)
			fmt.Fprintf(&b, "| %s |", c.name)
			for _, m := range measures {
				if len(outcomes) == 0 {
					b.WriteString(" – |")
					continue
				}
				q := 0.5
				if strings.HasPrefix(m.name, "longest") {
					q = 1
				}
				fmt.Fprintf(&b, " %s |", report.Number(report.Quantile(each(outcomes, m.of), q)))
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func each(outcomes []outcome, of func(outcome) float64) (all []float64) {
	for _, o := range outcomes {
		all = append(all, of(o))
	}
	return all
}

func title(fault string) string {
	return map[string]string{"none": "Without faults", "kill": "Connections killed", "swallow": "A link that swallows", "slots": "Slots that move"}[fault]
}

// chart returns stale reads and the longest staleness, by fault.
func chart(r *results) string {
	var works []report.Work
	for _, m := range measures[:2] {
		for _, f := range allFaults() {
			w := report.Work{Name: title(f.name), Unit: m.name}
			for _, c := range contenders() {
				if o := r.of(f.name, c.name); len(o) > 0 {
					w.Rows = append(w.Rows, report.Row{Peer: c.name, Values: each(o, m.of)})
				}
			}
			if len(w.Rows) > 0 {
				works = append(works, w)
			}
		}
	}
	return report.Bars("Client-side caching: how often and how long it is wrong", works)
}

// writePage writes COHERENCE.md and its chart from the JSON.
func writePage(root string) error {
	b, err := os.ReadFile(filepath.Join(root, "benchmarks/results/coherence.json"))
	if err != nil {
		return err
	}
	r := new(results)
	if err := json.Unmarshal(b, r); err != nil {
		return err
	}
	dir := filepath.Join(root, "docs/benchmarks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "coherence.svg"), []byte(chart(r)), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "benchmarks/peers/COHERENCE.md"), []byte(page(r)), 0o644)
}

func page(r *results) string {
	s := r.Settings
	var b strings.Builder
	fmt.Fprintf(&b, `# Client-side caching: is it right?

Written by `+"`make bench-coherence`"+`; do not edit. %s

%d processes read %d keys by Zipf's law, %.0f reads a second each, and together write %.0f times a second. Each contender runs
for %v with each fault, rounds: %d. Figures are medians of the rounds; the longest staleness is the greatest.

- A write is done when its call has returned without an error; until then the process repeats it.
- A read is **stale** if it returns a version although a newer one was done before the read began. How long before is its staleness.
- A read went **back in time** if the same process had returned a newer version of the key before the read began. That version may be of a write
  that is not done: a load reads the source before the writer has invalidated the key in Redis.
- Processes run for two seconds before they count.
- A **hit** is a read for which Redis executed no GET.
- A read may take one second. Then it counts as failed, and not as stale.
- A load from another source takes a millisecond after it has read the row.
- "–": the documentation of the contender excludes it.

![chart](../../docs/benchmarks/coherence.svg)

%s## How each is called

| contender | calls |
|---|---|
`, r.About, s.Processes, keys, s.Reads, s.Writes, s.Time, s.Rounds, tables(r))
	for _, c := range contenders() {
		fmt.Fprintf(&b, "| %s | %s |\n", c.name, c.how)
	}
	b.WriteString(`
Settings are the defaults, but for what [RESULTS.md](RESULTS.md#settings) names. Two kinds of work stand in one table: the first four
keep copies of another source, and a write has to reach it and Redis; for the others Redis is the source. A read of Strata that
begins between the end of a ` + "`Delete`" + ` and the arrival of its message counts as stale; ` + "`DeleteAndWait`" + ` waits for the arrival.
`)
	return b.String()
}
