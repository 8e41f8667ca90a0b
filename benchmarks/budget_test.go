package benchmarks_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/lokroom/strata"
)

// A shape is a kind of value. cache opens a cache of it, and returns what sets an id.
type shape struct {
	name  string
	bytes int64 // about what an entry takes
	cache func(t *testing.T, b *strata.Backend) (set func(id int64) error)

	always bool // also without -measure
}

func shapeOf[V any](name string, bytes int64, value func(id int64) V) shape {
	return shape{name: name, bytes: bytes, cache: func(t *testing.T, b *strata.Backend) func(int64) error {
		cache, err := strata.New(b, "shape", func(_ context.Context, id int64) (V, error) { return value(id), nil },
			&strata.Options[int64, V]{TTL: life})
		fill(t, err)
		return func(id int64) error { return cache.Set(ctx, id, value(id)) }
	}}
}

func (s shape) inEachRun() shape {
	s.always = true
	return s
}

// A nested value has references of several kinds.
type nested struct {
	Name  string
	Words []string
	Of    map[string]int64
}

func newNested(id int64) nested {
	v := nested{Name: "no. " + strconv.FormatInt(id, 10), Of: map[string]int64{}}
	for i := range 3 + id%6 { // of different sizes
		word := strconv.FormatInt(id*i+1e6, 10)
		v.Words, v.Of[word] = append(v.Words, word), i
	}
	return v
}

var shapes = []shape{
	shapeOf("int64", 240, func(id int64) int64 { return id }),
	shapeOf("struct of 16 bytes", 256, func(id int64) pair { return pair{id, id} }).inEachRun(),
	shapeOf("string of 20", 270, func(id int64) string { return fmt.Sprintf("%020d", id) }),
	shapeOf("[]byte of 1 KiB", 1300, func(id int64) []byte { return make([]byte, 1024) }),
	shapeOf("nested", 1100, newNested).inEachRun(),
	shapeOf("pointer to 16 bytes", 264, func(id int64) *pair { return &pair{id, id} }),
}

// held returns the bytes of live objects, and those of the pages that hold them.
func held() (live, inUse int64) {
	debug.FreeOSMemory() // collects first
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.HeapInuse)
}

var budgetMiB = flag.Int64("budget", 128, "Config.Memory of TestBudget with -measure, in MiB")

// TestBudget fills Config.Memory several times over, in random order, and compares it with
// what the heap then holds. Live objects may take a tenth more. Eviction leaves holes between
// them: pages take more, which depends on the engine and on how equal the entries are.
func TestBudget(t *testing.T) {
	budget := int64(16 << 20)
	if *measure {
		budget = *budgetMiB << 20
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "engine\tvalue\tlive/budget\theap in use/budget\t")
	for _, engine := range engines {
		for _, sh := range shapes {
			if !strings.Contains(engine.String()+", "+sh.name, *only) || !*measure && !sh.always {
				continue
			}
			live, inUse := churn(t, engine, sh, budget)
			fmt.Fprintf(w, "%v\t%s\t%.2f\t%.2f\t\n", engine, sh.name, live, inUse)
			t.Logf("%v, %s: live objects take %.2f of the budget, pages %.2f", engine, sh.name, live, inUse)
			if live > 1.15 {
				t.Errorf("%v, %s: live objects take %.2f of the budget", engine, sh.name, live)
			}
		}
	}
	if *measure {
		w.Flush()
	}
}

// churn sets as many values as fill budget four times, and returns what they take of it.
func churn(t *testing.T, engine strata.Engine, sh shape, budget int64) (live, inUse float64) {
	t.Helper()
	liveBefore, before := held()
	backend, err := strata.Open(ctx, &strata.Config{Engine: engine, Memory: budget})
	fill(t, err)
	defer backend.Close()
	set := sh.cache(t, backend)
	fits := budget / sh.bytes
	random := rand.New(rand.NewPCG(1, 2))
	for range 4 * fits {
		fill(t, set(random.Int64N(2*fits)))
	}
	liveAfter, after := held()
	runtime.KeepAlive(backend)
	return float64(liveAfter-liveBefore) / float64(budget), float64(after-before) / float64(budget)
}
