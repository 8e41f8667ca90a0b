package strata_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocs_memoryBounds: the numbers of the table in memory.md are the constants that
// its rows name, multiplied where there are two.
func TestDocs_memoryBounds(t *testing.T) {
	dirs := map[string]string{
		"strata": ".", "layered": "layered", "redisstore": "store/redisstore", "hot": "internal/hot", "ratelimit": "ratelimit",
		"redislimit": "ratelimit/redislimit", "retry": "internal/retry", "tagclock": "store/redisstore/internal/tagclock", "script": "store/redisstore/internal/script",
		"fence": "layered/internal/fence", "cooldown": "layered/internal/cooldown",
	}
	section := pages(t)["docs/memory.md"]
	named := regexp.MustCompile("`(\\w+)\\.(\\w+)`")
	rows := regexp.MustCompile(`(?m)^\|[^|]+\|[^|]+\|([^|]+)\| ([0-9,]+) \|`).FindAllStringSubmatch(section, -1)
	if want := strings.Count(section, "\n|") - 2; len(rows) != want || want < 10 {
		t.Errorf("%d of %d rows have a constant and a number", len(rows), want)
	}
	for _, row := range rows {
		product := constant.MakeInt64(1)
		for _, name := range named.FindAllStringSubmatch(row[1], -1) {
			value := constantIn(t, dirs[name[1]], name[2])
			if value == nil {
				t.Fatalf("there is no constant %s.%s", name[1], name[2])
			}
			product = constant.BinaryOp(product, token.MUL, value)
		}
		if number := strings.ReplaceAll(row[2], ",", ""); product.ExactString() != number {
			t.Errorf("%s is %s; the page says %s", strings.TrimSpace(row[1]), product, row[2])
		}
	}
}

// constantIn returns the value of a constant of the package in dir, or nil.
func constantIn(t *testing.T, dir, name string) constant.Value {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			continue // an incomplete file: the build reports it
		}
		for _, decl := range f.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST {
				continue
			}
			for _, spec := range d.Specs {
				s := spec.(*ast.ValueSpec)
				if s.Names[0].Name != name || len(s.Values) != 1 {
					continue
				}
				if other, ok := s.Values[0].(*ast.Ident); ok { // an alias of another constant
					return constantIn(t, dir, other.Name)
				}
				v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, types.ExprString(s.Values[0]))
				if err != nil {
					t.Fatal(err)
				}
				return v.Value
			}
		}
	}
	return nil
}
