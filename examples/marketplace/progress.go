package main

import (
	"fmt"
	"os"
	"strings"
)

// A progress shows how far work has come: as a bar on a terminal, or as a line at the end in a log.
type progress struct {
	out      *os.File
	what     string
	terminal bool
	percent  int
}

func newProgress(out *os.File, what string) *progress {
	info, err := out.Stat()
	return &progress{out: out, what: what, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0, percent: -1}
}

func (p *progress) show(done, total int) {
	const width = 40
	percent := 100 * done / total
	if percent == p.percent || !p.terminal && percent < 100 {
		return
	}
	p.percent = percent
	if !p.terminal {
		fmt.Fprintf(p.out, "%s: %d rows\n", p.what, total)
		return
	}
	full := width * percent / 100
	fmt.Fprintf(p.out, "\r%s [%s%s] %3d%% of %d rows", p.what, strings.Repeat("=", full), strings.Repeat(" ", width-full), percent, total)
	if percent == 100 {
		fmt.Fprintln(p.out)
	}
}
