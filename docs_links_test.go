package strata_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// bracketed is a link to a name that does not exist: those that exist are no plain text once a
// comment was parsed. A type parameter is one letter.
var bracketed = regexp.MustCompile(`\[\*?(?:[a-z]\w*\.)?[A-Z]\w+(?:\.[A-Z]\w*)?\]`)

// TestDocs_docLinks: what stands in brackets in a comment is a name, which pkg.go.dev links.
func TestDocs_docLinks(t *testing.T) {
	known := make(map[string]func(recv, name string) bool) // names, by import path
	links := make(map[string][]*comment.DocLink)           // by place
	n := 0
	for _, dir := range folders(t) {
		comments, parse := commentsOf(t, dir)
		if parse == nil {
			continue
		}
		known["github.com/lokroom/strata/"+filepath.ToSlash(dir)] = parse.LookupSym
		for at, text := range comments {
			d := parse.Parse(text)
			eachText(d, func(text comment.Text) {
				switch text := text.(type) {
				case comment.Plain:
					for _, b := range bracketed.FindAllString(string(text), -1) {
						t.Errorf("%s: there is no %s", at, b)
					}
				case *comment.DocLink:
					links[at] = append(links[at], text)
					n++
				}
			})
		}
	}
	for at, all := range links {
		for _, link := range all {
			exists, ours := known[link.ImportPath]
			if ours && link.Name != "" && !exists(link.Recv, link.Name) {
				t.Errorf("%s: %s has no %s.%s", at, link.ImportPath, link.Recv, link.Name)
			}
		}
	}
	if n < 500 {
		t.Errorf("only %d links", n)
	}
}

// commentsOf returns the comments of the package in dir by their place, and what parses them; nil
// if there is no package that others can import.
func commentsOf(t *testing.T, dir string) (map[string]string, *comment.Parser) {
	t.Helper()
	fset := token.NewFileSet()
	files := commented(t, fset, dir)
	if len(files) == 0 || files[0].Name.Name == "main" {
		return nil, nil
	}
	comments := make(map[string]string)
	for _, f := range files { // before go/doc takes them out
		for _, group := range f.Comments {
			comments[fset.Position(group.Pos()).String()] = group.Text()
		}
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/lokroom/strata/"+filepath.ToSlash(dir), doc.AllDecls)
	if err != nil {
		t.Fatal(err)
	}
	return comments, p.Parser()
}

func folders(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		dirs = append(dirs, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func commented(t *testing.T, fset *token.FileSet, dir string) (files []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

func eachText(d *comment.Doc, fn func(comment.Text)) {
	blocks := d.Content
	for len(blocks) > 0 {
		block := blocks[0]
		blocks = blocks[1:]
		switch b := block.(type) {
		case *comment.Paragraph:
			for _, text := range b.Text {
				fn(text)
			}
		case *comment.Heading:
			for _, text := range b.Text {
				fn(text)
			}
		case *comment.List:
			for _, item := range b.Items {
				blocks = append(blocks, item.Content...)
			}
		}
	}
}
