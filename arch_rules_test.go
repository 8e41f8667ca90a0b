package strata_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const module = "github.com/lokroom/strata"

// A pkg is a package as seen by the import rules.
type pkg struct {
	path    string   // below the path of the module; "." for the root
	imports []string // by its code
	test    []string // by its tests
	deps    []string // everything linked with its code
}

// A library is a module that may be imported.
type library struct {
	module string
	name   string // must be part of the name of a package that links it
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

// brokenByTest returns the rule that the tests of p break by importing imp, or "". The go
// command records the dependencies of the tests of p in the go.sum of modules that import
// p. Therefore tests have no additional dependencies.
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

// brokenByLink returns the rule that p breaks by linking dep, directly or not, or "".
// Libraries linked by codec may be linked by all importers of codec, which is small, and
// those linked by the root by importers of the root.
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

// mayLink reports whether the package at p may link the library name: the name of p, or of
// the package to which p is internal, contains it.
func mayLink(p, name string) bool {
	floor, _ := place(p)
	named, _, _ := strings.Cut(p, "/internal/")
	return floor == len(floors)-1 || p == "." && slices.Contains(rootLinks, name) ||
		strings.Contains(path.Base(p), name) || strings.Contains(path.Base(named), name)
}

// place returns the floor of p, and the entry of the table that defines it; -1 and "" if
// none does.
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

// libraryOf returns the library that imp belongs to, or nil. A module path may contain
// another one: the longer path wins.
func libraryOf(imp string) *library {
	var found *library
	for i, lib := range libraries {
		if under(imp, []string{lib.module}) && (found == nil || len(lib.module) > len(found.module)) {
			found = &libraries[i]
		}
	}
	return found
}

// under reports whether p is one of dirs or below one.
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

// show returns the path of a package for messages.
func show(p string) string {
	if p == "." || p == module {
		return "the root"
	}
	return strings.TrimPrefix(p, module+"/")
}
