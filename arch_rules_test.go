package strata_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const module = "github.com/lokroom/strata"

// A pkg is what the import rules look at.
type pkg struct {
	path    string   // below the module's; "." for the root
	imports []string // by its code
	test    []string // by its tests
	deps    []string // everything linked with its code
}

// A library is a module that may be imported.
type library struct {
	module string
	name   string // what the name of a package that links it must contain
	tests  bool   // only tests import it
}

// violations returns a sentence for each import of p that breaks a rule, which
// names the import and the rule.
func violations(p pkg) []string {
	if floor, _ := place(p.path); floor < 0 {
		return []string{show(p.path) + " has no floor: give it one in the table of arch_test.go"}
	}
	var out []string
	for _, imp := range p.imports {
		if rule := brokenByImport(p, imp); rule != "" {
			out = append(out, fmt.Sprintf("%s imports %s: %s", show(p.path), show(imp), rule))
		}
	}
	for _, imp := range p.test {
		if rule := brokenByTest(p, imp); rule != "" {
			out = append(out, fmt.Sprintf("%s imports %s in its tests: %s", show(p.path), show(imp), rule))
		}
	}
	for _, dep := range p.deps {
		if rule := brokenByLink(p, dep); rule != "" && !slices.Contains(p.imports, dep) {
			out = append(out, fmt.Sprintf("%s links %s: %s", show(p.path), show(dep), rule))
		}
	}
	return out
}

// brokenByImport returns the rule that p breaks by importing imp, or "".
func brokenByImport(p pkg, imp string) string {
	if rule := brokenByLink(p, imp); rule != "" || isStd(imp) {
		return rule
	}
	own, isOwn := ownPath(imp)
	if !isOwn {
		return brokenByLibrary(p, imp, false)
	}
	floor, room := place(p.path)
	ownFloor, ownRoom := place(own)
	switch {
	case ownFloor < 0:
		return "it has no floor in the table of arch_test.go"
	case ownFloor >= floor && ownRoom != room:
		return "a package imports only packages of the floors below its own (table in arch_test.go)"
	case slices.Contains(forTests, own) && !under(p.path, mayTest):
		return "only tests import it"
	}
	return ""
}

// brokenByTest returns the rule that the tests of p break by importing imp, or
// "". The go command records in the go.sum of whoever imports p what the tests
// of p need: so they need nothing that p does not.
func brokenByTest(p pkg, imp string) string {
	own, isOwn := ownPath(imp)
	switch {
	case isStd(imp), own == p.path, slices.Contains(testKit, own), slices.Contains(p.deps, imp):
		return ""
	case !isOwn:
		return brokenByLibrary(p, imp, true)
	}
	floor, _ := place(p.path)
	if ownFloor, _ := place(own); ownFloor > floor {
		return "tests import nothing from a floor above: such a test belongs into internal/integration"
	}
	for _, lib := range libraries {
		links := own == "." && slices.Contains(rootLinks, lib.name) || strings.Contains(path.Base(own), lib.name)
		if lib.name != "" && links && !mayLink(p.path, lib.name) {
			return "it links " + lib.module + ", which this package does not need: such a test belongs into internal/integration"
		}
	}
	return ""
}

// brokenByLibrary returns the rule that p, or its tests, break by importing
// imp, a package of another module, or "".
func brokenByLibrary(p pkg, imp string, inTest bool) string {
	lib := libraryOf(imp)
	floor, _ := place(p.path)
	switch {
	case lib == nil:
		return "it is not among the libraries that may be imported (table in arch_test.go)"
	case lib.tests && !inTest:
		return "only tests import " + lib.module
	case floor == 0 && !lib.tests:
		return "the ground floor imports the standard library only"
	case lib.name != "" && !mayLink(p.path, lib.name):
		return fmt.Sprintf("a package that links %s has %q in its name", lib.module, lib.name)
	}
	return ""
}

// brokenByLink returns the rule that p breaks by having dep linked with it,
// through whichever import it comes in, or "". What codec links comes with
// codec, which is small, and what the root links with the root.
func brokenByLink(p pkg, dep string) string {
	lib := libraryOf(dep)
	switch {
	case lib != nil && dep == lib.module && lib.name != "" && lib.name != "codec" &&
		!mayLink(p.path, lib.name) && !slices.Contains(p.deps, module):
		return fmt.Sprintf("a package that links %s has %q in its name", lib.module, lib.name)
	case under(dep, []string{"testing"}) && !under(p.path, mayTest):
		return "only tests, and what exists to test or measure, link package testing"
	case p.path == "." && dep == "net/http":
		return "the root does not link net/http"
	}
	return ""
}

// mayLink reports whether the package at p may link what is called name.
func mayLink(p, name string) bool {
	floor, _ := place(p)
	return floor == len(floors)-1 || p == "." && slices.Contains(rootLinks, name) || strings.Contains(path.Base(p), name)
}

// place returns the floor that p is on, and the entry of the table that puts it
// there; -1 and "" if none does.
func place(p string) (floor int, room string) {
	for floor, rooms := range floors {
		for _, room := range rooms {
			if dir, all := strings.CutSuffix(room, "/..."); p == dir || all && under(p, []string{dir}) {
				return floor, room
			}
		}
	}
	return -1, ""
}

// libraryOf returns the library that imp is a package of, or nil. A module may
// be inside another one's path: the longer path wins.
func libraryOf(imp string) *library {
	var found *library
	for i, lib := range libraries {
		if under(imp, []string{lib.module}) && (found == nil || len(lib.module) > len(found.module)) {
			found = &libraries[i]
		}
	}
	return found
}

// under reports whether p is one of dirs or inside one.
func under(p string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") })
}

// ownPath returns the path of a package of this module below the module's, and
// whether it is one.
func ownPath(imp string) (string, bool) {
	if imp == module {
		return ".", true
	}
	return strings.CutPrefix(imp, module+"/")
}

// isStd reports whether imp is a package of the standard library.
func isStd(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

// show returns the path of a package as people write it.
func show(p string) string {
	if p == "." || p == module {
		return "the root"
	}
	return strings.TrimPrefix(p, module+"/")
}
