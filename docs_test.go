package strata_test

// The pages say what the code does: every Go block is a part of an Example or of a
// program in examples, every field, variable, test, target and file that they
// name exists, and every field and variable of the root is named.

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lokroom/strata"
)

// pages returns the pages by file name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	texts := make(map[string]string)
	for _, name := range append(names, "README.md", "CONTRIBUTING.md", "benchmarks/README.md", "examples/marketplace/README.md", "examples/recipes/README.md", "internal/model/README.md", "internal/mutant/README.md", "store/redisstore/PUSHES.md") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(b)
	}
	return texts
}

var fenced = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// blocks returns the fenced blocks of a page in a language.
func blocks(page, language string) (texts []string) {
	for _, m := range fenced.FindAllStringSubmatch(page, -1) {
		if m[1] == language {
			texts = append(texts, m[2])
		}
	}
	return texts
}

// flat returns text without indentation, so that blocks can be quoted from inside
// of functions.
func flat(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// sources returns the text of the Examples and of the programs in examples, which
// are compiled and run by tests, and the names of all tests.
func sources(t *testing.T) (quotable []string, tests map[string]bool) {
	t.Helper()
	tests = make(map[string]bool)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		inExamples := strings.HasPrefix(filepath.ToSlash(name), "examples/")
		if !inExamples && !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, b, parser.SkipObjectResolution)
		if err != nil {
			return nil // an incomplete file: the build reports it
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
		if inExamples || strings.HasSuffix(name, "example_test.go") {
			quotable = append(quotable, "\n"+flat(string(b)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return quotable, tests
}

func TestDocs_goBlocks(t *testing.T) {
	quotable, _ := sources(t)
	for name, page := range pages(t) {
		found := blocks(page, "go")
		for _, block := range found {
			if !slices.ContainsFunc(quotable, func(s string) bool { return strings.Contains(s, "\n"+flat(block)) }) {
				t.Errorf("%s: this is no part of an Example, nor of examples:\n%s", name, block)
			}
		}
		if n := strings.Count(page, "```go"); n != len(found) || name == "README.md" && n == 0 {
			t.Errorf("%s: %d Go blocks were compared, of %d", name, len(found), n)
		}
	}
}

func TestDocs_commands(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)\bmake ([a-z0-9-]+)|\bgo run (\./\S+)`)
	for name, page := range pages(t) {
		for _, m := range command.FindAllStringSubmatch(strings.Join(blocks(page, "sh"), "\n"), -1) {
			if m[1] != "" && !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s: there is no target %s", name, m[1])
			}
			if _, err := os.Stat(m[2]); m[2] != "" && err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestDocs_namedTestsExist(t *testing.T) {
	_, tests := sources(t)
	named := regexp.MustCompile("`((?:Test|Fuzz|Example)[A-Z]\\w*)`")
	for name, page := range pages(t) {
		for _, m := range named.FindAllStringSubmatch(page, -1) {
			if !tests[m[1]] {
				t.Errorf("%s: there is no %s", name, m[1])
			}
		}
	}
}

func TestDocs_links(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	all := pages(t)
	for name, page := range all {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := name
			if target != "" {
				to = filepath.Join(filepath.Dir(name), target)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if anchor != "" && !slices.Contains(anchors(all[to]), anchor) {
				t.Errorf("%s: %s has no heading #%s", name, to, anchor)
			}
		}
	}
}

var notInAnchors = regexp.MustCompile(`[^a-z0-9 _-]`)

// anchors returns what the headings of a page are linked by.
func anchors(page string) (names []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		names = append(names, strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return names
}

var tableRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\|")

// firstColumn returns the names in the tables of text.
func firstColumn(text string) (names []string) {
	for _, m := range tableRow.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// TestDocs_fields: the sections of configuration.md about structs of the root have a row
// for each field.
func TestDocs_fields(t *testing.T) {
	for title, typ := range map[string]reflect.Type{
		"strata.Config":  reflect.TypeFor[strata.Config](),
		"strata.Options": reflect.TypeFor[strata.Options[int, int]](),
	} {
		_, section, _ := strings.Cut(pages(t)["docs/configuration.md"], "\n## "+title+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		var want []string
		for i := range typ.NumField() {
			if f := typ.Field(i); f.IsExported() {
				want = append(want, f.Name)
			}
		}
		rows := slices.DeleteFunc(firstColumn(section), isVariable)
		if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(rows)), want) {
			t.Errorf("%s has the fields %v; the page has %v", title, want, rows)
		}
	}
}

// TestDocs_optionsOfPackages: the fields of the other packages have a comment each, which
// is all that is said about them.
func TestDocs_optionsOfPackages(t *testing.T) {
	for dir, types := range map[string][]string{
		"layered": {"Options"}, "store/redisstore": {"Dialer", "Options", "PlainOptions"}, "store/otterstore": {"Options"},
		"store/ristrettostore": {"Options"}, "store/memstore": {"Options"}, "codec": {"CompressOptions"},
		"ratelimit": {"Policy", "Options", "HTTP", "IPOptions"}, "ratelimit/redislimit": {"Options"}, "invalidate": {"BusOptions", "VerifyOptions"}, "invalidate/outbox": {"Options"}, "invalidate/replica": {"Options"},
	} {
		for _, name := range types {
			fields := 0
			for field := range fieldsOf(t, dir, name) {
				if fields++; field.Doc == nil && field.Names[0].IsExported() {
					t.Errorf("%s: %s.%s has no comment", dir, name, field.Names[0])
				}
			}
			if fields == 0 {
				t.Errorf("%s has no struct %s", dir, name)
			}
		}
	}
}

// fieldsOf returns the named fields of a struct in the package in dir.
func fieldsOf(t *testing.T, dir, name string) iter.Seq[*ast.Field] {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(*ast.Field) bool) {
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil || strings.HasSuffix(file, "_test.go") {
				continue // half a file, of somebody at work: the build tells
			}
			ast.Inspect(f, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok || spec.Name.Name != name {
					return true
				}
				if s, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range s.Fields.List {
						if len(field.Names) > 0 && !yield(field) {
							return false
						}
					}
				}
				return false
			})
		}
	}
}

// isVariable reports whether name is one of the environment.
func isVariable(name string) bool { return strings.Contains(name, "_") }

// TestDocs_environment: the variables that FromEnv reads are in the table.
func TestDocs_environment(t *testing.T) {
	var want []string
	for _, file := range []string{"config.go", "internal/redisdial/env.go"} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:Getenv|read|inURL)\("([A-Z_]+)"`).FindAllStringSubmatch(string(code), -1) {
			want = append(want, m[1])
		}
	}
	slices.Sort(want)
	got := slices.DeleteFunc(firstColumn(pages(t)["docs/configuration.md"]), func(n string) bool { return !isVariable(n) })
	if slices.Sort(got); len(want) < 7 || !slices.Equal(got, want) {
		t.Errorf("docs/configuration.md has the variables %v, the code reads %v", got, want)
	}
}

// TestDocs_ownBackend: the page shows all of the backend, and it is as short as
// the page says.
func TestDocs_ownBackend(t *testing.T) {
	code, err := os.ReadFile("examples/ownbackend/dir.go")
	if err != nil {
		t.Fatal(err)
	}
	_, imports, ok := strings.Cut(string(code), "import (\n")
	_, body, ok2 := strings.Cut(imports, "\n)\n\n")
	if !ok || !ok2 {
		t.Fatal("dir.go does not begin with imports")
	}
	if found := blocks(pages(t)["docs/own-backend.md"], "go"); len(found) == 0 || found[0] != body {
		t.Error("docs/own-backend.md does not show what is in examples/ownbackend/dir.go")
	}
	lines := 0
	for line := range strings.Lines(body) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			lines++
		}
	}
	if lines > 50 {
		t.Errorf("the backend has %d lines; the page says 50", lines)
	}
}
