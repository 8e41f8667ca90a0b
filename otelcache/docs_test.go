package otelcache_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lokroom/strata/otelcache"
)

var write = flag.Bool("write", false, "write the table of docs/metrics.md")

// TestDocs: the table of docs/metrics.md is that of Metrics; with -write it becomes so.
func TestDocs(t *testing.T) {
	var b strings.Builder
	for _, m := range otelcache.Metrics() {
		attrs := make([]string, len(m.Attributes))
		for i, a := range m.Attributes {
			attrs[i] = "`" + a + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", m.Name, m.Kind, m.Unit, strings.Join(attrs, ", "), m.Description)
	}
	const file, head = "../docs/metrics.md", "|---|---|---|---|---|\n"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), head)
	end := strings.Index(rest, "\n\n")
	if !ok || end < 0 {
		t.Fatal("docs/metrics.md has no table")
	}
	if rest[:end+1] == b.String() {
		return
	}
	if !*write {
		t.Fatal("docs/metrics.md has another table: go test ./otelcache -run TestDocs -write")
	}
	if err := os.WriteFile(file, []byte(before+head+b.String()+rest[end+1:]), 0o644); err != nil {
		t.Fatal(err)
	}
}
