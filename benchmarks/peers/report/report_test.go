package report

import (
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// sample has a contender that is better than Strata, one that is worse, and one that is even.
func sample() *Results {
	return &Results{
		About: About{Commit: "abc", Load: 0.1},
		Works: []Work{
			{Name: "L1 hit, serial", Group: "l1", Unit: "ns", Rows: []Row{
				{Peer: "strata-l1", Values: []float64{90, 100, 110, 120, 130}},
				{Peer: "quick", Values: []float64{45, 50, 55, 60, 65}},
				{Peer: "slow", Values: []float64{270, 300, 330, 360, 390}},
				{Peer: "same", Values: []float64{80, 95, 111, 122, 135}},
			}},
			{Name: "hit ratio", Group: "ratio", Unit: "%", More: true, Rows: []Row{
				{Peer: "strata-l1", Values: []float64{60}}, {Peer: "better", Values: []float64{75}}, {Peer: "worse", Values: []float64{30}},
			}},
		},
	}
}

// TestTable_losses: what is faster than Strata, or hits more, stands above it, and the table
// says that Strata is worse, and by how much.
func TestTable_losses(t *testing.T) {
	works := sample().Works
	for _, c := range []struct{ table, row string }{
		{Table(works[0]), "| `quick` | 55 | 50 to 60 | 0.50 (0.50 to 0.50) | **worse: 2.00x** |"},
		{Table(works[0]), "| `slow` | 330 | 300 to 360 | 3.00 (3.00 to 3.00) | better: 3.00x |"},
		{Table(works[0]), "| `same` | 111 | 95 to 122 | 1.01 (0.95 to 1.02) | even |"},
		{Table(works[1]), "| `better` | 75 | – | 1.25 (1.25 to 1.25) | **worse: 1.25x** |"},
		{Table(works[1]), "| `worse` | 30 | – | 0.50 (0.50 to 0.50) | better: 2.00x |"},
	} {
		if !strings.Contains(c.table, c.row) {
			t.Errorf("no row %q in\n%s", c.row, c.table)
		}
	}
	for i, best := range []string{"quick", "better"} {
		if table := Table(works[i]); strings.Index(table, best) > strings.Index(table, "`strata-l1`") {
			t.Errorf("%s is below Strata:\n%s", best, table)
		}
	}
}

// TestSummary_losses: the summary has losses, too.
func TestSummary_losses(t *testing.T) {
	s := Summary(sample())
	for _, row := range []string{"| L1 hit, serial | slow 3.00 | same 1.01 | quick 0.50 |", "| hit ratio | worse 0.50 |  | better 1.25 |"} {
		if !strings.Contains(s, row) {
			t.Errorf("no %q in\n%s", row, s)
		}
	}
}

// TestShort_losses: the best of the others is named, also where it is better.
func TestShort_losses(t *testing.T) {
	s := Short(sample())
	for _, row := range []string{"| L1 hit, serial | 110 ns | quick | 55 | **worse: 2.00x** |", "| hit ratio | 60 % | better | 75 | **worse: 1.25x** |"} {
		if !strings.Contains(s, row) {
			t.Errorf("no %q in\n%s", row, s)
		}
	}
}

// TestBenchstat: there is a line for each round of each contender.
func TestBenchstat(t *testing.T) {
	text := Benchstat(sample())
	if n := strings.Count(text, "\nBenchmark"); n != 23 {
		t.Errorf("%d lines:\n%s", n, text)
	}
	for _, line := range []string{"BenchmarkPeers/work=l1-hit-serial/peer=quick 1 45 ns/op\n", "/work=hit-ratio/peer=better 1 75 %\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}

// TestCharts: charts are well-formed XML, name every contender, and have colours for dark
// pages.
func TestCharts(t *testing.T) {
	for _, svg := range []string{
		Bars("L1 <hits>", sample().Works[:1]),
		Lines("Callers", "callers", "ns", []Curve{
			{"strata-l1", []float64{1, 8}, []float64{10, 20}}, {"quick", []float64{1, 8}, []float64{5, 9}},
			{"slow", []float64{1}, []float64{90}}, {"same", []float64{8}, []float64{19}},
		}),
		Lines("nothing", "x", "y", nil),
	} {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, svg)
			}
		}
		if !strings.Contains(svg, "prefers-color-scheme:dark") {
			t.Error("no colours for dark pages")
		}
		if strings.Contains(svg, "nothing") {
			continue
		}
		for _, name := range []string{"strata-l1", "quick", "slow", "same"} {
			if !strings.Contains(svg, ">"+name+"<") {
				t.Errorf("no %s in\n%s", name, svg)
			}
		}
	}
}

// TestFill: only the part between the lines changes, and a page without them is an error.
func TestFill(t *testing.T) {
	page := "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
	got, err := fill(page, "x", "new")
	if want := "a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb\n"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := fill(page, "y", ""); err == nil {
		t.Error("filled a part that is not there")
	}
}

// TestResults_readsWhatWasWritten also tests that a busy machine is named.
func TestResults_readsWhatWasWritten(t *testing.T) {
	file, want := filepath.Join(t.TempDir(), "r.json"), sample()
	if err := want.Write(file); err != nil {
		t.Fatal(err)
	}
	got, err := Read(file)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if s := got.About.String(); !strings.Contains(s, "Nothing else ran") {
		t.Error(s)
	}
	if got.About.Load = 3; !strings.Contains(got.About.String(), "busy with other work (load 3.0 before the run)") {
		t.Error(got.About)
	}
}
