package report

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// style makes charts readable on light and dark pages.
const style = `<style>
text{font:12px system-ui,sans-serif;fill:#24292f}
.t{font-weight:600;font-size:13px}
.s{fill:#57606a;font-size:11px}
.o{fill:#0969da;stroke:#0969da}
.p{fill:#8c959f;stroke:#8c959f}
.g{stroke:#d0d7de;stroke-width:1}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.s{fill:#9198a1}
.o{fill:#4493f8;stroke:#4493f8}
.p{fill:#656c76;stroke:#656c76}
.g{stroke:#3d444d}
}
</style>
`

const (
	labelWidth = 190
	barWidth   = 360
	rowHeight  = 20
	width      = labelWidth + barWidth + 110
)

// Bars returns a chart of works, one below the other: a bar for each contender, the best
// first, with a line from quartile to quartile. Strata's are blue. A bar that would be longer
// than twelve times the median of all ends in an arrow.
func Bars(title string, works []Work) string {
	var b strings.Builder
	y := 30
	var body strings.Builder
	for _, w := range works {
		y = panel(&body, w, y)
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		width, y+6, width, y+6, html.EscapeString(title))
	b.WriteString(style)
	fmt.Fprintf(&b, `<text class="t" x="4" y="18">%s</text>`+"\n", html.EscapeString(title))
	b.WriteString(body.String() + "</svg>\n")
	return b.String()
}

func panel(b *strings.Builder, w Work, y int) int {
	unit := w.Unit
	if w.More {
		unit += ", more is better"
	}
	fmt.Fprintf(b, `<text x="4" y="%d">%s <tspan class="s">%s</tspan></text>`+"\n", y+14, html.EscapeString(w.Name), html.EscapeString(unit))
	y += 22
	rows := w.Sorted()
	full := longest(rows)
	for _, r := range rows {
		class := "p"
		if strings.HasPrefix(r.Peer, Ours) {
			class = "o"
		}
		length := func(v float64) float64 { return min(1, v/full) * barWidth }
		at := length(r.Median())
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-8, y+13, html.EscapeString(r.Peer))
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="13"/>`, class, labelWidth, y+3, max(at, 1))
		low, high := length(Quantile(r.Values, 0.25)), length(Quantile(r.Values, 0.75))
		fmt.Fprintf(b, `<path class="%s" d="M%.1f %dH%.1f" stroke-width="2"/>`, class, labelWidth+low, y+18, labelWidth+max(high, low+1))
		label := Number(r.Median())
		if r.Median() > full {
			label = "→ " + label
		}
		fmt.Fprintf(b, `<text class="s" x="%.1f" y="%d">%s</text>`+"\n", labelWidth+max(at, high)+6, y+13, label)
		y += rowHeight
	}
	return y + 8
}

// longest returns the value of a bar of full length.
func longest(rows []Row) float64 {
	var all []float64
	for _, r := range rows {
		all = append(all, r.Median())
	}
	if len(all) == 0 {
		return 1
	}
	longest := slices.Max(all)
	if middle := Quantile(all, 0.5); middle > 0 {
		longest = min(longest, 12*middle)
	}
	return max(longest, math.SmallestNonzeroFloat32)
}
