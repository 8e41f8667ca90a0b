package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A report is the table that the program prints, followed by the checks.
type report struct {
	out    io.Writer
	l2     bool // the table has a column for L2
	checks []string
	failed int
}

func newReport(out io.Writer, l2 bool) *report { return &report{out: out, l2: l2} }

// A row is a line of the table.
type row struct {
	what   string
	l1, l2 int // number of answers by tier; negative: the row has no cache
	loads  int // reads of the source
	took   sample
}

// header begins the table.
func (r *report) header() {
	r.line("", "reads", "from L1", "from L2", "source reads", "median", "p99")
	fmt.Fprintln(r.out, strings.Repeat("-", 96+10*btoi(r.l2)))
}

// row adds a line.
func (r *report) row(w row) {
	n := len(w.took)
	share := func(of int) string {
		if of < 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f%%", 100*float64(of)/float64(n))
	}
	r.line(w.what, count(n), share(w.l1), share(w.l2), count(w.loads), short(w.took.median()), short(w.took.p99()))
}

func (r *report) line(what, reads, l1, l2, loads, median, p99 string) {
	fmt.Fprintf(r.out, "%-43s %9s %9s", what, reads, l1)
	if r.l2 {
		fmt.Fprintf(r.out, " %9s", l2)
	}
	fmt.Fprintf(r.out, " %12s %9s %9s\n", loads, median, p99)
}

// check records a claim, and whether it is true.
func (r *report) check(ok bool, format string, args ...any) {
	verdict := "ok     "
	if !ok {
		verdict = "FAILED "
		r.failed++
	}
	r.checks = append(r.checks, verdict+fmt.Sprintf(format, args...))
}

// close prints the checks, and returns an error if one failed.
func (r *report) close() error {
	fmt.Fprintf(r.out, "\nWhat the program checked:\n\n")
	for _, c := range r.checks {
		fmt.Fprintln(r.out, c)
	}
	if r.failed > 0 {
		return fmt.Errorf("%d of %d checks failed", r.failed, len(r.checks))
	}
	return nil
}

// count formats n with commas between the thousands.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short formats d with two or three digits and a suitable unit.
func short(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g µs", float64(d)/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/1e6)
	default:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
