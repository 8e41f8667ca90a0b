package report

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// A Curve is how a contender does as something grows.
type Curve struct {
	Peer string
	X, Y []float64
}

// dashes distinguish the curves of contenders.
var dashes = []string{"", "6 3", "2 3", "8 3 2 3", "1 4"}

const (
	plotWidth  = 460
	plotHeight = 220
	plotLeft   = 64
)

// Lines returns a chart of measured points, joined by lines, with logarithmic axes. Strata's
// curves are blue.
func Lines(title, x, y string, curves []Curve) string {
	var b strings.Builder
	height := plotHeight + 92
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		width+60, height, width+60, height, html.EscapeString(title))
	b.WriteString(style)
	fmt.Fprintf(&b, `<text class="t" x="4" y="18">%s</text><text class="s" x="4" y="34">%s</text>`+"\n", html.EscapeString(title), html.EscapeString(y))
	var xs, ys []float64
	for _, c := range curves {
		xs, ys = append(xs, c.X...), append(ys, c.Y...)
	}
	if len(xs) == 0 {
		return b.String() + "</svg>\n"
	}
	atX := scale(slices.Min(xs), slices.Max(xs), plotLeft, plotLeft+plotWidth)
	atY := scale(slices.Min(ys)/1.3, slices.Max(ys)*1.1, 44+plotHeight, 44)
	slices.Sort(xs)
	for _, v := range slices.Compact(xs) {
		fmt.Fprintf(&b, `<path class="g" d="M%.1f 44V%d"/><text class="s" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", atX(v), 44+plotHeight, atX(v), 60+plotHeight, Number(v))
	}
	for _, v := range ticks(slices.Min(ys)/1.3, slices.Max(ys)*1.1) {
		fmt.Fprintf(&b, `<path class="g" d="M%d %.1fH%d"/><text class="s" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", plotLeft, atY(v), plotLeft+plotWidth, plotLeft-6, atY(v)+4, Number(v))
	}
	fmt.Fprintf(&b, `<text class="s" x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", plotLeft+plotWidth/2, 78+plotHeight, html.EscapeString(x))
	for i, c := range curves {
		curve(&b, i, c, atX, atY)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func curve(b *strings.Builder, i int, c Curve, atX, atY func(float64) float64) {
	class := "p"
	if strings.HasPrefix(c.Peer, Ours) {
		class = "o"
	}
	path := ""
	for j := range c.X {
		path += fmt.Sprintf("%c%.1f %.1f", "ML"[min(j, 1)], atX(c.X[j]), atY(c.Y[j]))
		fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="3"/>`, class, atX(c.X[j]), atY(c.Y[j]))
	}
	fmt.Fprintf(b, `<path class="%s" d="%s" fill="none" style="fill:none" stroke-width="2" stroke-dasharray="%s"/>`+"\n", class, path, dashes[i%len(dashes)])
	y := 56 + i*18
	fmt.Fprintf(b, `<path class="%s" d="M%d %dh26" stroke-width="2" stroke-dasharray="%s"/><text class="s" x="%d" y="%d">%s</text>`+"\n",
		class, plotLeft+plotWidth+8, y, dashes[i%len(dashes)], plotLeft+plotWidth+38, y+4, html.EscapeString(c.Peer))
}

// scale maps values to pixels by their logarithms.
func scale(low, high, from, to float64) func(float64) float64 {
	span := math.Log(high) - math.Log(low)
	if span == 0 {
		span = 1
	}
	return func(v float64) float64 { return from + (math.Log(v)-math.Log(low))/span*(to-from) }
}

// ticks returns round values between two.
func ticks(low, high float64) (all []float64) {
	for p := math.Pow(10, math.Floor(math.Log10(low))); p <= high; p *= 10 {
		for _, m := range []float64{1, 2, 5} {
			if v := m * p; v >= low && v <= high {
				all = append(all, v)
			}
		}
	}
	for len(all) > 8 {
		var half []float64
		for i := 0; i < len(all); i += 2 {
			half = append(half, all[i])
		}
		all = half
	}
	return all
}

// Curves returns a curve for each contender of the works of a group.
func Curves(r *Results, group string) []Curve {
	var curves []Curve
	at := make(map[string]int)
	for _, w := range r.Works {
		if w.Group != group {
			continue
		}
		for _, row := range w.Rows {
			i, ok := at[row.Peer]
			if !ok {
				i = len(curves)
				at[row.Peer], curves = i, append(curves, Curve{Peer: row.Peer})
			}
			curves[i].X, curves[i].Y = append(curves[i].X, w.X), append(curves[i].Y, row.Median())
		}
	}
	return curves
}
