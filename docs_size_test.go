package strata_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Words of Markdown as "wc -w" counts them, tables and programs included.
const (
	mostWords   = 33_900 // in docs; a new package brings one page of its own, the architecture has figures, and benchmarks a generated table, httpcache what it does that is off by default
	mostOfAPage = 3_000
)

var (
	kindLine  = regexp.MustCompile(`(?m)\A# .*\n\n\*(Tutorial|How-to|Reference|Explanation)\.\* `)
	indexLine = regexp.MustCompile(`(?m)^\| (?:\*\*([\w-]+)\*\*|\[[\w.-]+\]\(([\w.-]+)\)) \|`)
)

// TestDocs_size: the pages stay short, each begins with its kind, and the index has each
// once, under its kind.
func TestDocs_size(t *testing.T) {
	all := pages(t)
	indexed, kind := make(map[string]string), ""
	for _, m := range indexLine.FindAllStringSubmatch(all["docs/README.md"], -1) {
		if m[1] != "" {
			kind = m[1]
		} else if page := "docs/" + m[2]; indexed[page] != "" {
			t.Errorf("the index has %s twice", page)
		} else {
			indexed[page] = kind
		}
	}
	words := 0
	for name, page := range all {
		if filepath.ToSlash(filepath.Dir(name)) != "docs" {
			continue
		}
		n := len(strings.Fields(page))
		if words += n; n > mostOfAPage {
			t.Errorf("%s has %d words, of at most %d", name, n, mostOfAPage)
		}
		if name == filepath.Join("docs", "README.md") {
			continue
		}
		if m := kindLine.FindStringSubmatch(page); m == nil || m[1] != indexed[filepath.ToSlash(name)] {
			t.Errorf("%s begins with %q; the index says %q", name, m, indexed[filepath.ToSlash(name)])
		}
	}
	if words > mostWords {
		t.Errorf("docs has %d words, of at most %d", words, mostWords)
	}
}

// TestDocs_architecture: what architecture.md names exists: types, functions and methods,
// of whatever type, as those of an embedded one are.
func TestDocs_architecture(t *testing.T) {
	names := regexp.MustCompile("`(strata|store|layered|redisstore)\\.(\\w+)(?:\\.(\\w+))?`").FindAllStringSubmatch(pages(t)["docs/architecture.md"], -1)
	if len(names) < 15 {
		t.Errorf("only %d names", len(names))
	}
	dirs := map[string]string{"strata": ".", "store": "store", "layered": "layered", "redisstore": "store/redisstore"}
	for _, m := range names {
		declared := declarations(t, dirs[m[1]])
		if !declared[m[2]] || m[3] != "" && !declared["."+m[3]] {
			t.Errorf("there is no %s", m[0])
		}
	}
}

// declarations returns the names of types and functions of the package in dir, and those
// of methods after a dot.
func declarations(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	declared := make(map[string]bool)
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil || strings.HasSuffix(file, "_test.go") {
			continue // half a file, of somebody at work: the build tells
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				declared[n.Name.Name] = true
			case *ast.FuncDecl:
				if n.Recv != nil {
					declared["."+n.Name.Name] = true
				} else {
					declared[n.Name.Name] = true
				}
			}
			return true
		})
	}
	return declared
}

// TestDocs_testCommands: the package that a command tests has the test that it names.
func TestDocs_testCommands(t *testing.T) {
	run, dir := regexp.MustCompile(`-run '?(\w+)`), regexp.MustCompile(` \./([\w/]+)`)
	seen := 0
	for name, page := range pages(t) {
		for _, command := range regexp.MustCompile("go test [^`\n]*").FindAllString(page, -1) {
			what, where := run.FindStringSubmatch(command), dir.FindStringSubmatch(command)
			if what == nil || where == nil {
				continue
			}
			seen++
			files, _ := filepath.Glob(filepath.Join(where[1], "*_test.go"))
			test := regexp.MustCompile(`\nfunc \w*` + what[1])
			if !slices.ContainsFunc(files, func(file string) bool {
				b, err := os.ReadFile(file)
				return err == nil && test.Match(b)
			}) {
				t.Errorf("%s: %q finds no test", name, command)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d commands", seen)
	}
}
