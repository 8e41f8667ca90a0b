package strata_test

// How tangled the files of a package are: the references between files that point
// backwards, in the order of the files with the fewest of those.

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mostBackward bounds the backward references in the packages with many files. Lower a
// bound when a package gets better; a change that needs a higher one needs a better cut.
var mostBackward = map[string]int{
	"layered":          11,
	"store/redisstore": 1,
	".":                4,
}

func TestFiles_references(t *testing.T) {
	exports := exportData(t)
	for pkg, most := range mostBackward {
		refs := fileReferences(t, pkg, exports)
		order, back := fewestBackward(refs)
		if back > most {
			t.Errorf("%s: %d references between files point backwards, and at most %d may, even in the best order: %v", pkg, back, most, order)
		}
		t.Logf("%s: %d files, %d of %d references point backwards", pkg, len(order), back, total(refs))
	}
}

// A cycle of three files has one backward reference, the weakest.
func TestFiles_fewestBackward(t *testing.T) {
	refs := map[[2]string]int{{"a", "b"}: 3, {"b", "c"}: 2, {"c", "a"}: 1, {"a", "c"}: 1}
	if order, back := fewestBackward(refs); back != 1 || !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Errorf("order %v, %d backward references; want [a b c], 1", order, back)
	}
}

func total(refs map[[2]string]int) (n int) {
	for _, m := range refs {
		n += m
	}
	return n
}

// exportData returns the files with the types of all packages that this module imports,
// by import path.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		files[p.ImportPath] = p.Export
	}
	return files
}

// fileReferences counts, for each pair of files of a package, the names that the first
// uses of those that the second declares: package-level names, methods and fields.
func fileReferences(t *testing.T, dir string, exports map[string]string) map[[2]string]int {
	t.Helper()
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	set, p := checkedPackage(t, dir, exports, info)
	seen := make(map[[2]string]map[token.Pos]bool)
	for id, obj := range info.Uses {
		switch o := obj.(type) {
		case *types.Var:
			obj = o.Origin()
		case *types.Func:
			obj = o.Origin()
		}
		if obj.Pkg() != p || obj.Parent() != p.Scope() && obj.Parent() != nil {
			continue // another package's, or local to a function; methods and fields have no parent
		}
		pair := [2]string{filepath.Base(set.Position(id.Pos()).Filename), filepath.Base(set.Position(obj.Pos()).Filename)}
		if pair[0] == pair[1] {
			continue
		}
		if seen[pair] == nil {
			seen[pair] = make(map[token.Pos]bool)
		}
		seen[pair][obj.Pos()] = true
	}
	refs := make(map[[2]string]int)
	for pair, objs := range seen {
		refs[pair] = len(objs)
	}
	return refs
}

// checkedPackage type-checks the package in dir, without its tests.
func checkedPackage(t *testing.T, dir string, exports map[string]string, info *types.Info) (*token.FileSet, *types.Package) {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	conf := types.Config{Importer: importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	p, err := conf.Check(module+"/"+dir, set, files, info)
	if err != nil {
		t.Fatal(err)
	}
	return set, p
}

// fewestBackward returns an order of the files in which few references point backwards,
// from a file to an earlier one, and how many do. The minimum is that of a feedback arc
// set, which is NP-hard; this moves one file at a time to its best place until no move
// helps, from each of 200 orders.
func fewestBackward(refs map[[2]string]int) (order []string, back int) {
	files := make(map[string]bool)
	for pair := range refs {
		files[pair[0]], files[pair[1]] = true, true
	}
	next := slices.Sorted(maps.Keys(files))
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		settle(next, refs)
		if n := backward(next, refs); order == nil || n < back {
			order, back = slices.Clone(next), n
		}
		random.Shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
	}
	return order, back
}

func backward(order []string, refs map[[2]string]int) (n int) {
	for i, f := range order {
		for _, g := range order[:i] {
			n += refs[[2]string{f, g}]
		}
	}
	return n
}

// settle moves files to where fewer references point backwards, until none can be.
func settle(order []string, refs map[[2]string]int) {
	for improved := true; improved; {
		improved = false
		for i := range order {
			best, at, cost := 0, i, 0
			for j := i - 1; j >= 0; j-- { // before order[j]
				cost += refs[[2]string{order[j], order[i]}] - refs[[2]string{order[i], order[j]}]
				if cost < best {
					best, at = cost, j
				}
			}
			cost = 0
			for j := i + 1; j < len(order); j++ { // after order[j]
				cost += refs[[2]string{order[i], order[j]}] - refs[[2]string{order[j], order[i]}]
				if cost < best {
					best, at = cost, j
				}
			}
			if at != i {
				f := order[i]
				order = slices.Insert(slices.Delete(order, i, i+1), at, f) // in place
				improved = true
			}
		}
	}
}
