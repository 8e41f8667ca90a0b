package strata_test

// Code and documentation use the terms of the field. This file has the words to avoid,
// and what to write instead.

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// avoided matches a word to avoid, in lower case, and says what to write instead.
var avoided = []struct {
	word    *regexp.Regexp
	instead string
}{
	{words(`tells?`, `told`, `telling`, `hears?`, `hearing`, `heard`, `unheard`, `untold`, `deaf`), "notify, report, return; connected, disconnected"},
	{words(`pulses?`, `beats?`, `beating`, `vitals`), "heartbeat, probe, node status"},
	{words(`doubts?`, `doubted`, `doubtful`, `distrust`), "suspect; revalidate"},
	{words(`rechecks?`, `rechecked`), "revalidate"},
	{words(`pending`), "retry queue; not acknowledged"},
	{words(`journals?`, `rewinds?`, `rewound`), "recent-write log; rollback"},
	{words(`strays?`), "orphaned load"},
	{words(`heat`, `heats`), "hot-key sketch"},
	{words(`brackets?`, `bracketed`, `bracketer`), "write intent"},
	{words(`patience`, `patient`, `impatient`), "soft timeout; deadline"},
	{words(`whoever`, `whomever`, `whosoever`), "any process, any caller"},
	{words(`who`, `whom`), "the process, the caller, the cache ... that"},
	{words(`he`, `him`, `his`, `she`, `hers?`), "it, or the name of the thing"},
	{words(`anew`), "again"},
	{words(`one's own`, `and their kin`, `be it`), "custom, your; and the other ..."},
	{words(`still stands?`, `does not stand`, `stands no longer`), "is still valid"},
}

func words(ws ...string) *regexp.Regexp {
	return regexp.MustCompile(`\b(?:` + strings.Join(ws, "|") + `)\b`)
}

func TestVoice(t *testing.T) {
	n := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		name = filepath.ToSlash(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "findings", "results"}, d.Name())):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		n++
		for _, bad := range badWords(strings.ReplaceAll(d.Name(), "_", " ")) {
			t.Errorf("%s: %s", name, bad)
		}
		for _, text := range textsOf(t, name) {
			for _, bad := range badWords(text.text) {
				t.Errorf("%s:%d: %s", name, text.line, bad)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 300 {
		t.Errorf("%d files were checked", n)
	}
}

// A checker that finds nothing looks like one that works.
func TestVoice_words(t *testing.T) {
	for text, want := range map[string]int{
		"Redis pushes an invalidation to the process.": 0,
		"the process is told":                          1,
		"unheardOf":                                    1,
		"the heartbeat":                                0,
		"other, then, this":                            0,
		"whoever loads it anew":                        2,
		"tellAll":                                      1,
		"HTTPHears":                                    1,
	} {
		if got := badWords(text); len(got) != want {
			t.Errorf("%q: %q, want %d", text, got, want)
		}
	}
}

// TestVoice_testNames: what names a test is read, and nothing else of it.
func TestVoice_testNames(t *testing.T) {
	const code = `package p
func TestCache_told(t *testing.T) {
	for name, c := range map[string]struct{}{"who reads": {}, "good": {}} {
		t.Run("heard", func(t *testing.T) { t.Error("told") })
	}
}
func pending() {}`
	file, err := parser.ParseFile(token.NewFileSet(), "", code, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	testNames(file, func(_ token.Pos, s string) { bad = append(bad, badWords(s)...) })
	if len(bad) != 3 {
		t.Errorf("%q, want told, who and heard", bad)
	}
}

type passage struct {
	line int
	text string
}

// textsOf returns what people read in a file: the lines of a page, the comments, strings and
// names of a Go file, or the names of the tests in a file of tests.
func textsOf(t *testing.T, name string) (texts []passage) {
	t.Helper()
	if !strings.HasSuffix(name, ".md") && !strings.HasSuffix(name, ".go") {
		return nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".md") {
		if name == "CHANGELOG.md" || name == "CONTRIBUTING.md" { // have the old names and the list itself
			return nil
		}
		for i, line := range strings.Split(string(b), "\n") {
			texts = append(texts, passage{i + 1, line})
		}
		return texts
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, b, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	add := func(at token.Pos, s string) { texts = append(texts, passage{set.Position(at).Line, s}) }
	if strings.HasSuffix(name, "_test.go") {
		testNames(file, add)
		return texts
	}
	for _, group := range file.Comments {
		for _, c := range group.List {
			add(c.Pos(), c.Text)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			add(n.Pos(), n.Name)
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				add(n.Pos(), s)
			}
		}
		return true
	})
	return texts
}

// testNames calls add with the names of tests, benchmarks and examples, of their parts that
// are called with Run, and of the cases of a table.
func testNames(file *ast.File, add func(at token.Pos, s string)) {
	literal := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			add(l.Pos(), l.Value)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if isTest.MatchString(n.Name.Name) {
				add(n.Pos(), strings.ReplaceAll(n.Name.Name, "_", " "))
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Run" && len(n.Args) == 2 {
				literal(n.Args[0])
			}
		case *ast.KeyValueExpr:
			switch n.Value.(type) {
			case *ast.CompositeLit, *ast.FuncLit:
				literal(n.Key)
			}
		}
		return true
	})
}

var isTest = regexp.MustCompile(`^(Test|Benchmark|Fuzz|Example)`)

var humps = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)

// badWords returns a sentence for each word in text that is to be avoided.
func badWords(text string) (bad []string) {
	text = strings.ToLower(humps.ReplaceAllString(text, "$1$3 $2$4"))
	for _, a := range avoided {
		for _, w := range a.word.FindAllString(text, -1) {
			bad = append(bad, strconv.Quote(w)+": write "+a.instead)
		}
	}
	return bad
}
