package strata_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lokroom/strata"
)

// mostCommonOptions is how many fields the first group of Options may have.
const mostCommonOptions = 12

// TestOptions_groups: the doc comment of Options lists every field, in the order and in the
// groups of the struct, and so does docs/configuration.md.
func TestOptions_groups(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "options.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string // fields, and the name of each group with a colon behind it
	for _, decl := range file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.TYPE || d.Doc == nil {
			continue
		}
		item := regexp.MustCompile(`(?ms)^  - (.*?): (.*?)\.$`)
		for _, m := range item.FindAllStringSubmatch(d.Doc.Text(), -1) {
			fields := regexp.MustCompile(`\w+`).FindAllString(m[2], -1)
			if len(listed) == 0 && len(fields) > mostCommonOptions {
				t.Errorf("the first group has %d fields, want at most %d", len(fields), mostCommonOptions)
			}
			listed = append(append(listed, m[1]+":"), fields...)
		}
	}

	var fields []string
	for i := range reflect.TypeFor[strata.Options[int, int]]().NumField() {
		fields = append(fields, reflect.TypeFor[strata.Options[int, int]]().Field(i).Name)
	}
	isGroup := func(name string) bool { return strings.HasSuffix(name, ":") }
	if got := slices.DeleteFunc(slices.Clone(listed), isGroup); !slices.Equal(got, fields) {
		t.Errorf("the doc comment lists %v, the struct has %v", got, fields)
	}

	var headings []string // comments that belong to no field
	for _, c := range file.Comments {
		text := strings.TrimSpace(c.Text())
		if slices.Contains(listed, strings.TrimSuffix(text, ".")+":") {
			headings = append(headings, strings.TrimSuffix(text, ".")+":")
		}
	}
	if want := slices.DeleteFunc(slices.Clone(listed), func(n string) bool { return !isGroup(n) }); !slices.Equal(headings, want) {
		t.Errorf("the struct has the headings %v, the doc comment the groups %v", headings, want)
	}

	_, page, _ := strings.Cut(pages(t)["docs/configuration.md"], "\n## strata.Options\n")
	page, _, _ = strings.Cut(page, "\n## ")
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^(?:### (.*)|\\| `(\\w+)` \\|.*)$").FindAllStringSubmatch(page, -1) {
		if m[1] != "" {
			rows = append(rows, m[1]+":")
		} else {
			rows = append(rows, m[2])
		}
	}
	if !slices.Equal(rows, listed) {
		t.Errorf("docs/configuration.md has %v, the doc comment %v", rows, listed)
	}
}
