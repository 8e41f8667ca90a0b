package main

import (
	"fmt"
	"io"
	"time"

	"github.com/lokroom/strata/examples/marketplace/load"
)

// The tables are Markdown, to be pasted into README.md.

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

func percent(part, whole float64) string { return fmt.Sprintf("%.0f %%", 100*part/max(whole, 1)) }

func printComparison(w io.Writer, d *demo, without, with *load.Report) {
	fmt.Fprintf(w, "One process, %d requests a second for %v, %d listings. Reads of the database are delayed.\n\n", d.rate, d.duration, d.listings)
	fmt.Fprintln(w, "| endpoint | requests | p50 without | p99 without | p50 with | p99 with | hits |\n|---|---|---|---|---|---|---|")
	for _, name := range load.Kinds() {
		a, b := without.Endpoints[name], with.Endpoints[name]
		if a == nil || b == nil {
			continue
		}
		hits := percent(b.HitRatio(), 1)
		if name[:3] != "GET" {
			hits = ""
		}
		fmt.Fprintf(w, "| `%s` | %d | %s | %s | %s | %s | %s |\n", name, b.Requests,
			ms(a.Quantile(.5)), ms(a.Quantile(.99)), ms(b.Quantile(.5)), ms(b.Quantile(.99)), hits)
	}
	readsA, readsB := without.Total(false), with.Total(false)
	fmt.Fprintln(w, "\n| | without | with |\n|---|---|---|")
	fmt.Fprintf(w, "| reads of the database | %d | %d (%s) |\n", without.Reads, with.Reads, percent(float64(with.Reads), float64(without.Reads)))
	fmt.Fprintf(w, "| requests answered without the database | %s | %s |\n", percent(readsA.HitRatio(), 1), percent(readsB.HitRatio(), 1))
	fmt.Fprintf(w, "| errors | %d | %d |\n", errorsOf(without), errorsOf(with))
	fmt.Fprintf(w, "| refused by a rate limit | %d | %d |\n", limitedOf(without), limitedOf(with))
	fmt.Fprintf(w, "| stale answers | %d | %d |\n\n", staleOf(without), staleOf(with))
	printErrors(w, without, with)
}

// A part is a time of the test, and what was measured in it.
type part struct {
	name   string
	report *load.Report
}

func printParts(w io.Writer, name string, parts []part) {
	fmt.Fprintf(w, "Two processes with one Redis: %s.\n\n", name)
	fmt.Fprintln(w, "| | requests | reads p50 | p99 | hits | reads of the database | errors | unreadable values | stale answers | longest |\n|---|---|---|---|---|---|---|---|---|---|")
	for _, p := range parts {
		r, all := p.report.Total(false), p.report.Total(true)
		fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %d | %d | %d | %d | %s |\n", p.name, r.Requests+all.Requests, ms(r.Quantile(.5)), ms(r.Quantile(.99)),
			percent(r.HitRatio(), 1), p.report.Reads, errorsOf(p.report), p.report.Unreadable, staleOf(p.report), ms(max(r.Oldest, all.Oldest)))
	}
	fmt.Fprintln(w)
	for _, p := range parts {
		printErrors(w, p.report)
	}
}

func printErrors(w io.Writer, reports ...*load.Report) {
	for _, r := range reports {
		if r.FirstErr != "" {
			fmt.Fprintln(w, "an error:", r.FirstErr)
		}
	}
}

func errorsOf(r *load.Report) int  { return r.Total(false).Errors + r.Total(true).Errors }
func limitedOf(r *load.Report) int { return r.Total(false).Limited + r.Total(true).Limited }
func staleOf(r *load.Report) int   { return r.Total(false).Stale + r.Total(true).Stale }
