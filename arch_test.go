package strata_test

// The import rules of the module. CONTRIBUTING.md explains them, the tables here define
// them, and arch_rules_test.go applies them.

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// floors lists the packages of the module from the ground up; "." is the root.
// The ground floor imports the standard library only. Every other package
// imports packages of the floors below its own, never of its own or above.
// "x/..." is x and everything under it; the packages in it may import each other.
var floors = [][]string{
	{"store", "internal/meter", "internal/oneline", "internal/redistest", "internal/model", "internal/history", "internal/dbtest", "internal/deadline"},
	{"keys", "codec", "ratelimit", "internal/flight", "internal/clock", "internal/size", "internal/view", "internal/hot", "internal/mutant", "internal/bypass", "internal/breaker", "internal/enginetest", "internal/redisdial", "internal/rediserr", "layered/internal/lazy"},
	{"internal/redisrights", "internal/retry", "layered/internal/fence", "layered/internal/cooldown", "layered/internal/limit"},
	{"store/redisstore/internal/record", "store/redisstore/internal/notify"},
	{"store/redisstore/internal/link"},
	{"store/redisstore/internal/script"},
	{"store/redisstore/internal/heartbeat"},
	{"store/redisstore/internal/tagclock"},
	{"store/memstore", "store/ristrettostore", "store/otterstore", "store/redisstore", "store/encodedstore", "store/storetest"},
	{"layered", "invalidate", "ratelimit/redislimit", "internal/memfleet"},
	{"invalidate/outbox", "invalidate/replica"},
	{"."},
	{"httpcache", "otelcache"},
	{"admin", "stratatest"},
	{"cmd/...", "examples/...", "benchmarks/...", "internal/integration/..."},
}

var (
	// forTests are imported by tests, and by packages that test or measure.
	forTests = []string{"internal/redistest", "internal/dbtest", "internal/model", "internal/history", "internal/enginetest"}

	// testKit may be imported by the tests of every package on any floor: it has no
	// dependencies.
	testKit = append([]string{"store/storetest", "store/memstore"}, forTests...)

	// mayTest are packages that test or measure. They may import package testing, and
	// forTests, outside of test files.
	mayTest = []string{"store/storetest", "internal/enginetest", "internal/redistest", "internal/dbtest", "internal/integration", "benchmarks", "stratatest"}

	// rootLinks are the libraries that the root may link, which its name does not contain.
	// The top floor may link anything.
	rootLinks = []string{"redis", "ristretto", "otter"}
)

// libraries are the modules that may be imported. A package that links one must have name
// in the last element of its path, or be internal to such a package, so that package names
// show the linked libraries. No name: any package above the ground floor.
var libraries = []library{
	{module: "github.com/redis/rueidis", name: "redis"},
	{module: "github.com/dgraph-io/ristretto/v2", name: "ristretto"},
	{module: "github.com/maypok86/otter/v2", name: "otter"},
	{module: "github.com/vmihailenco/msgpack/v5", name: "codec"},
	{module: "github.com/klauspost/compress", name: "codec"},
	{module: "golang.org/x/sync"},
	{module: "go.opentelemetry.io/otel", name: "otel"},
	{module: "go.opentelemetry.io/otel/metric", name: "otel"},
	{module: "go.opentelemetry.io/otel/trace", name: "otel"},
	{module: "go.opentelemetry.io/otel/sdk", name: "otel", tests: true},
	{module: "go.opentelemetry.io/otel/sdk/metric", name: "otel", tests: true},
	{module: "github.com/urfave/cli/v3", name: "stratactl"},
	{module: "go.uber.org/goleak", tests: true},
	{module: "github.com/anishathalye/porcupine", tests: true},
}

func TestArchitecture(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, v := range violations(p) {
			t.Error(v)
		}
	}
}

// TestArchitecture_violations applies the rules to invented imports: a checker that finds
// nothing looks like one that works.
func TestArchitecture_violations(t *testing.T) {
	const rueidis, msgpack, goleak = "github.com/redis/rueidis", "github.com/vmihailenco/msgpack/v5", "go.uber.org/goleak"
	own := func(p string) string { return module + "/" + p }
	for _, c := range []struct {
		name string
		pkg  pkg
		want string // in the only violation; "" if there is none
	}{
		{"down", pkg{path: "layered", imports: []string{own("store"), own("internal/flight"), "sync"}}, ""},
		{"up", pkg{path: "keys", imports: []string{own("layered")}}, `keys imports layered: a package imports only`},
		{"up to the root", pkg{path: "layered", imports: []string{module}}, `layered imports the root: a package imports only`},
		{"sideways", pkg{path: "store/otterstore", imports: []string{own("store/memstore")}}, `store/otterstore imports store/memstore: a package imports only`},
		{"no floor", pkg{path: "util", imports: []string{own("store")}}, `util has no floor`},
		{"import without a floor", pkg{path: "layered", imports: []string{own("util")}}, `layered imports util: it has no floor`},
		{"top floor, one room", pkg{path: "cmd/stratactl", imports: []string{own("cmd/internal/table"), rueidis}}, ""},
		{"top floor, two rooms", pkg{path: "examples/quickstart", imports: []string{own("benchmarks")}}, `examples/quickstart imports benchmarks: a package imports only`},

		{"contract with a library", pkg{path: "store", imports: []string{"golang.org/x/sync/errgroup"}}, `store imports golang.org/x/sync/errgroup: the ground floor`},
		{"contract with a package", pkg{path: "store", imports: []string{own("keys")}}, `store imports keys: a package imports only`},
		{"library with its name", pkg{path: "ratelimit/redislimit", imports: []string{rueidis, rueidis + "/internal/cmds"}}, ""},
		{"library without its name", pkg{path: "layered", imports: []string{rueidis}}, `a package that links github.com/redis/rueidis has "redis" in its name`},
		{"library in an internal package", pkg{path: "store/redisstore/internal/record", imports: []string{rueidis}}, ""},
		{"library in an internal package of another", pkg{path: "store/redisstore/internal/record", imports: []string{"github.com/maypok86/otter/v2"}}, `has "otter" in its name`},
		{"internal packages, sideways", pkg{path: "store/redisstore/internal/record", imports: []string{own("store/redisstore/internal/notify")}}, `a package imports only`},
		{"internal packages, up", pkg{path: "store/redisstore/internal/record", imports: []string{own("store/redisstore")}}, `a package imports only`},
		{"library by way of another", pkg{path: "layered", imports: []string{own("store/redisstore")}, deps: []string{own("store/redisstore"), rueidis, rueidis + "/internal/cmds"}}, `layered links github.com/redis/rueidis: a package that links`},
		{"what codec links", pkg{path: "store/redisstore", imports: []string{own("codec"), rueidis}, deps: []string{own("codec"), rueidis, msgpack}}, ""},
		{"what the root links", pkg{path: "admin", imports: []string{module}, deps: []string{module, rueidis, msgpack, "net/http"}}, ""},
		{"msgpack outside of codec", pkg{path: "store/redisstore", imports: []string{msgpack}}, `has "codec" in its name`},
		{"metrics of OTel", pkg{path: "otelcache", imports: []string{"go.opentelemetry.io/otel/metric/noop"}}, ""},
		{"SDK of OTel", pkg{path: "otelcache", imports: []string{"go.opentelemetry.io/otel/sdk/trace"}}, `only tests import go.opentelemetry.io/otel/sdk`},
		{"unknown library", pkg{path: "codec", imports: []string{"github.com/redis/rueidisaside"}}, `not among the libraries`},
		{"root", pkg{path: ".", imports: []string{own("layered"), rueidis}, deps: []string{msgpack}}, ""},
		{"root with OTel", pkg{path: ".", imports: []string{"go.opentelemetry.io/otel"}}, `the root imports go.opentelemetry.io/otel`},
		{"root links OTel", pkg{path: ".", deps: []string{"go.opentelemetry.io/otel", "go.opentelemetry.io/otel/attribute"}}, `the root links go.opentelemetry.io/otel: `},
		{"root links net/http", pkg{path: ".", deps: []string{"net/http"}}, `the root links net/http`},

		{"testing", pkg{path: "layered", imports: []string{"testing/synctest"}, deps: []string{"testing/synctest"}}, `layered imports testing/synctest`},
		{"links testing", pkg{path: "examples/quickstart", deps: []string{"testing"}}, `examples/quickstart links testing`},
		{"test kit", pkg{path: "store/storetest", imports: []string{"testing"}, deps: []string{"testing"}}, ""},
		{"redistest in code", pkg{path: "store/redisstore", imports: []string{own("internal/redistest")}}, `internal/redistest: only tests import it`},
		{"redistest with a package", pkg{path: "internal/redistest", imports: []string{own("store")}}, `internal/redistest imports store`},

		{"tests of the contract", pkg{path: "store", test: []string{own("store"), own("store/memstore"), goleak, "testing"}}, ""},
		{"tests sideways", pkg{path: "httpcache", test: []string{own("layered"), module}}, `httpcache imports the root in its tests: it links`},
		{"tests up", pkg{path: "keys", test: []string{own("invalidate")}}, `keys imports invalidate in its tests`},
		{"tests with a backend", pkg{path: "layered", test: []string{own("store/redisstore")}}, `belongs into internal/integration`},
		{"tests with what is linked", pkg{path: "store/redisstore", deps: []string{own("codec")}, test: []string{own("codec")}}, ""},
		{"tests with a library", pkg{path: "layered", test: []string{rueidis}}, `layered imports github.com/redis/rueidis in its tests`},
		{"tests with an unknown library", pkg{path: "layered", test: []string{"github.com/stretchr/testify/require"}}, `not among the libraries`},
		{"goleak in code", pkg{path: "layered", imports: []string{goleak}}, `only tests import go.uber.org/goleak`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := violations(c.pkg)
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("violations: %q, want none", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("violations: %q, want one with %q", got, c.want)
			}
		})
	}
}

// TestArchitecture_dependencies compares the table in docs/dependencies.md with
// what is imported: every library has a row that names the packages that link
// it, and there is no row without a library.
func TestArchitecture_dependencies(t *testing.T) {
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]string) // module -> packages that link it
	for row := range strings.Lines(string(page)) {
		if cells := strings.Split(row, "|"); strings.HasPrefix(row, "| `") {
			documented[strings.Trim(cells[1], " `")] = strings.ReplaceAll(strings.TrimSpace(cells[2]), "`", "")
		}
	}
	actual := linkedBy(listPackages(t))
	for m, who := range actual {
		if documented[m] != who {
			t.Errorf("docs/dependencies.md says that %s is linked by %q; it is linked by %q", m, documented[m], who)
		}
	}
	for m := range documented {
		if _, ok := actual[m]; !ok {
			t.Errorf("docs/dependencies.md lists %s, which nothing imports", m)
		}
	}
}

// linkedBy returns for each library the packages that users build and that import it, sorted
// and joined by commas, or "tests" if only tests do. Examples and benchmarks do not count.
func linkedBy(ps []pkg) map[string]string {
	importers := make(map[string]map[string]bool)
	for _, p := range ps {
		for i, imp := range append(slices.Clone(p.imports), p.test...) {
			lib := libraryOf(imp)
			if lib == nil {
				continue
			}
			if importers[lib.module] == nil {
				importers[lib.module] = make(map[string]bool)
			}
			if floor, _ := place(p.path); i < len(p.imports) && (floor < len(floors)-1 || under(p.path, []string{"cmd"})) {
				importers[lib.module][show(p.path)] = true
			}
		}
	}
	out := make(map[string]string)
	for m, who := range importers {
		if out[m] = strings.Join(slices.Sorted(maps.Keys(who)), ", "); len(who) == 0 {
			out[m] = "tests"
		}
	}
	return out
}

// listPackages asks the go command for the packages of the module.
func listPackages(t *testing.T) []pkg {
	t.Helper()
	observeTree(t)
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var ps []pkg
	for d := json.NewDecoder(&stdout); d.More(); {
		var l struct {
			ImportPath                               string
			Imports, TestImports, XTestImports, Deps []string
		}
		if err := d.Decode(&l); err != nil {
			t.Fatalf("go list: %v", err)
		}
		p, _ := ownPath(l.ImportPath)
		ps = append(ps, pkg{path: p, imports: l.Imports, test: append(l.TestImports, l.XTestImports...), deps: l.Deps})
	}
	if len(ps) == 0 {
		t.Fatal("go list found no package")
	}
	return ps
}

// observeTree reads every directory of the module. The go command, which caches
// test results, sees what a test reads but not what go list reads for it:
// without this an import added elsewhere would be passed by a cached result.
func observeTree(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
