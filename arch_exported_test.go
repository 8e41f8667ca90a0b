package strata_test

// How much there is to know: the interfaces that a backend may implement, and the exported
// names of the packages that other modules can import.

import (
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// interfaces are those of package store. A new one needs a reason: what can be a method of one
// of these, or a field of a struct that one takes, should be.
var interfaces = []string{
	"Clearer", "Counter", "Expirer", "Filler", "HitSampler", "HotKeeper", "Leaser", "ManyGetter", "ManySetter", "Observer",
	"PatternDeleter", "Pinger", "RemovalSampler", "Reporter", "Reviser", "Store", "Tagger", "Viewer", "Watcher", "Writer",
}

// mostExported bounds the exported names of each package: package-level names, and methods of
// exported types, also those promoted from types that are not exported. Lower a bound when a
// name goes.
var mostExported = map[string]int{
	"":                     124,
	"admin":                12,
	"codec":                40,
	"httpcache":            25, // purges by URL, key, tag and group, each also soft; Languages is around a Cache, so no option
	"invalidate":           36, // Explain of a Bus: what is published is not what rules return where there are many ids
	"invalidate/outbox":    19,
	"invalidate/replica":   12,
	"keys":                 42,
	"layered":              71,
	"otelcache":            4,
	"ratelimit":            61,
	"ratelimit/redislimit": 28,
	"store":                118, // RemovalSampler: only an engine knows why an entry goes, and how old it is; Observed saves loads a list
	"store/encodedstore":   16,
	"store/memstore":       55,
	"store/otterstore":     20,
	"store/redisstore":     106,
	"store/ristrettostore": 21,
	"store/storetest":      24,
	"stratatest":           14,
}

func TestArchitecture_interfaces(t *testing.T) {
	var got []string
	scope := public(t)[module+"/store"].Scope()
	for _, name := range scope.Names() {
		if o := scope.Lookup(name); ast.IsExported(name) && types.IsInterface(o.Type()) {
			if _, isType := o.(*types.TypeName); isType {
				got = append(got, name)
			}
		}
	}
	t.Logf("package store: %d interfaces", len(got))
	if !slices.Equal(got, interfaces) {
		t.Errorf("package store has the interfaces %v, want %v", got, interfaces)
	}
}

func TestArchitecture_exported(t *testing.T) {
	all := 0
	packages := public(t)
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		name := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		n := len(exported(packages[path]))
		all += n
		if n > mostExported[name] {
			t.Errorf("%s exports %d names, at most %d may be", path, n, mostExported[name])
		}
		t.Logf("%s: %d exported names", path, n)
	}
	t.Logf("all packages: %d exported names", all)
}

// public returns the packages that other modules can import and use.
func public(t *testing.T) map[string]*types.Package {
	t.Helper()
	files := exportData(t)
	im := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	packages := make(map[string]*types.Package)
	for path := range files {
		p, own := ownPath(path)
		if !own || slices.Contains(strings.Split(p, "/"), "internal") || under(p, []string{"examples", "benchmarks", "cmd"}) {
			continue
		}
		if pkg, err := im.Import(path); err != nil {
			t.Fatal(err)
		} else if pkg.Name() != "main" {
			packages[path] = pkg
		}
	}
	return packages
}

// exported returns the exported names of pkg.
func exported(pkg *types.Package) (names []string) {
	for _, name := range pkg.Scope().Names() {
		if !ast.IsExported(name) {
			continue
		}
		names = append(names, name)
		if o, isType := pkg.Scope().Lookup(name).(*types.TypeName); isType && !types.IsInterface(o.Type()) && !o.IsAlias() {
			set := types.NewMethodSet(types.NewPointer(o.Type()))
			for i := range set.Len() {
				if m := set.At(i); m.Obj().Exported() && m.Obj().Pkg() == pkg && !promoted(o, m) {
					names = append(names, name+"."+m.Obj().Name())
				}
			}
		}
	}
	return names
}

// promoted reports whether m, of type o, is a method of an exported type that o embeds.
func promoted(o *types.TypeName, m *types.Selection) bool {
	s, ok := o.Type().Underlying().(*types.Struct)
	return ok && len(m.Index()) > 1 && s.Field(m.Index()[0]).Exported()
}
