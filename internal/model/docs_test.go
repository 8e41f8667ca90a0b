package model_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/model"
)

var update = flag.Bool("update", false, "write what TestDocs compares into internal/model/README.md")

const page = "README.md"

// TestDocs compares internal/model/README.md with the table of runs, and the counterexample
// on it with what exploring finds.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got := string(data)
	want := replace(t, got, "runs", tables())
	want = replace(t, want, "counterexample", counterexample(t, "M3"))
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("internal/model/README.md is not what the runs are: \"go test ./internal/model -run Docs -update\" writes it")
	}
}

// replace puts text between the two marks of that name.
func replace(t *testing.T, page, name, text string) string {
	t.Helper()
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->\n"
	before, rest, ok := strings.Cut(page, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("internal/model/README.md has no %q and %q", begin, end)
	}
	return before + begin + text + end + after
}

// tables returns the runs as Markdown.
func tables() string {
	var b strings.Builder
	for _, part := range []struct{ title, letters string }{
		{"Leases, copies, connections", "AN"},
		{"... each without a safeguard", "M"},
		{"Write intents, holds, a lagging replica", "W"},
		{"... each without a safeguard", "C"},
		{"Tags", "T"},
		{"Failover", "D"},
		{"Slots that move", "S"},
		{"Without CLIENT TRACKING", "U"},
	} {
		fmt.Fprintf(&b, "\n| | %s | finds | states | depth |\n|---|---|---|--:|--:|\n", part.title)
		for _, run := range model.Runs() {
			if !strings.Contains(part.letters, run.Name[:1]) {
				continue
			}
			finds := "holds"
			if run.Breaks != "" {
				finds = "breaks " + string(run.Breaks)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %d |\n", run.Name, run.Shows, finds, grouped(run.States), run.Depth)
		}
	}
	return b.String() + "\n"
}

// grouped writes n with a comma before every three digits.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counterexample returns what exploring the run of that name finds, as a block of code.
func counterexample(t *testing.T, name string) string {
	t.Helper()
	for _, run := range model.Runs() {
		if run.Name == name {
			return fmt.Sprintf("```\n%s\n```\n", run.Explore())
		}
	}
	t.Fatalf("no run %s", name)
	return ""
}
