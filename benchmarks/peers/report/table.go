package report

import (
	"fmt"
	"strings"
	"unicode"
)

// Table returns a work as a Markdown table, the best contender first. Its last column says
// how Strata does beside each: by how much it is better or worse.
func Table(w Work) string {
	var b strings.Builder
	base, ok := w.Baseline()
	fmt.Fprintf(&b, "| contender | %s | quartiles | ratio to %s | %s is |\n|---|---|---|---|---|\n", w.Unit, base.Peer, base.Peer)
	for _, r := range w.Sorted() {
		name := "`" + r.Peer + "`"
		if r.Note != "" {
			name += " (" + r.Note + ")"
		}
		spread := "–"
		if len(r.Values) > 1 {
			spread = Number(Quantile(r.Values, 0.25)) + " to " + Number(Quantile(r.Values, 0.75))
		}
		ratio, verdict := "–", "–"
		if q, divides := Of(r, base); ok && divides && r.Peer != base.Peer {
			ratio, verdict = fmt.Sprintf("%.2f (%.2f to %.2f)", q.Median, q.Low, q.High), w.Verdict(q)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, Number(r.Median()), spread, ratio, verdict)
	}
	return b.String()
}

// Verdict says how Strata does beside a contender with this ratio to Strata: "even" if the
// quartiles lie on both sides of 1.
func (w Work) Verdict(q Ratio) string {
	switch {
	case q.Low <= 1 && q.High >= 1:
		return "even"
	case q.Median > 1 != w.More:
		return fmt.Sprintf("better: %s", times(q.Median))
	default:
		return fmt.Sprintf("**worse: %s**", times(q.Median))
	}
}

// times writes a ratio as the multiple that is above 1.
func times(ratio float64) string {
	if ratio < 1 && ratio > 0 {
		ratio = 1 / ratio
	}
	return fmt.Sprintf("%.2fx", ratio)
}

// Number writes a value with three digits or so.
func Number(v float64) string {
	switch {
	case v == float64(int64(v)) && v < 1e6, v >= 1000 && v < 1e6:
		return fmt.Sprintf("%.0f", v)
	case v >= 1e9:
		return fmt.Sprintf("%.1fe9", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.1fe6", v/1e6)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// Summary counts, over all works, the contenders beside which Strata is better, even and
// worse.
func Summary(r *Results) string {
	var b strings.Builder
	b.WriteString("| work | better than | even with | worse than |\n|---|---|---|---|\n")
	for _, w := range r.Works {
		base, ok := w.Baseline()
		if !ok {
			continue
		}
		var sides [3][]string
		for _, row := range w.Sorted() {
			q, divides := Of(row, base)
			if !divides || strings.HasPrefix(row.Peer, Ours) {
				continue
			}
			side := strings.IndexByte("bew", strings.TrimLeft(w.Verdict(q), "*")[0])
			sides[side] = append(sides[side], fmt.Sprintf("%s %.2f", row.Peer, q.Median))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", w.Name, strings.Join(sides[0], ", "), strings.Join(sides[1], ", "), strings.Join(sides[2], ", "))
	}
	return b.String()
}

// Short returns a row for each work: Strata, the best of the others, and Strata's place.
func Short(r *Results) string {
	var b strings.Builder
	b.WriteString("| work | Strata | the best other | it has | Strata is |\n|---|---|---|---|---|\n")
	for _, w := range r.Works {
		base, ok := w.Baseline()
		if !ok {
			continue
		}
		for _, row := range w.Sorted() {
			if strings.HasPrefix(row.Peer, Ours) {
				continue
			}
			verdict := "–"
			if q, divides := Of(row, base); divides {
				verdict = w.Verdict(q)
			}
			fmt.Fprintf(&b, "| %s | %s %s | %s | %s | %s |\n", w.Name, Number(base.Median()), w.Unit, row.Peer, Number(row.Median()), verdict)
			break
		}
	}
	return b.String()
}

// Benchstat returns results in the format of Go benchmarks, one line for each round:
//
//	benchstat -col /peer peers.txt
func Benchstat(r *Results) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", r.About)
	for _, w := range r.Works {
		for _, row := range w.Rows {
			for _, v := range row.Values {
				fmt.Fprintf(&b, "BenchmarkPeers/work=%s/peer=%s 1 %g %s\n", slug(w.Name), row.Peer, v, statUnit(w.Unit))
			}
		}
	}
	return b.String()
}

// statUnit returns a unit as benchstat expects it: no spaces, ns/op for times.
func statUnit(unit string) string {
	if unit == "ns" {
		return "ns/op"
	}
	return slug(unit)
}

// slug makes a name usable in file names and names of benchmarks.
func slug(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '%'
	}), "-")
}
