package size_test

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/lokroom/strata/internal/size"
)

type flat struct {
	ID       int64
	Lat, Lng float64
	At       time.Time
	Flags    [4]bool
}

type listing struct {
	ID          int64
	Title, City string
	Tags        []string
	Prices      map[string]int
	Host        *host
	Created     time.Time
	photos      []photo // unexported fields count too
}

type host struct {
	Name string
	Bio  []byte
}

type photo struct {
	URL  string
	W, H int
}

type node struct {
	Value string
	Next  *node
	Kids  []*node
	Any   any
}

func text(n int) string { return strings.Clone(strings.Repeat("x", n)) }

func newListing(i int) *listing {
	l := &listing{
		ID: int64(i), Title: text(40 + i%20), City: text(9),
		Tags:    []string{text(5), text(12), text(30)},
		Prices:  map[string]int{text(3): 1, text(4): 2, text(5): 3},
		Host:    &host{Name: text(20), Bio: []byte(text(200))},
		Created: time.Now(),
	}
	for range 5 {
		l.photos = append(l.photos, photo{URL: text(60)})
	}
	return l
}

// measured returns the heap that one of what make makes takes.
func measured[T any](make func(i int) T) int {
	const n = 2000
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	kept := [n]T{}
	before := heap()
	for i := range kept {
		kept[i] = make(i)
	}
	after := heap()
	runtime.KeepAlive(&kept)
	return int(after-before) / n
}

func accurate[T any](t *testing.T, name string, make func(i int) *T) {
	t.Helper()
	of := size.Of[T]()
	est := 0
	for i := range 2000 {
		est += of(make(i))
	}
	est /= 2000
	got := measured(make)
	t.Logf("%s: estimated %d, measured %d", name, est, got)
	if diff := math.Abs(float64(est-got)) / float64(got); diff > 0.3 {
		t.Errorf("%s: estimated %d, measured %d: %.0f %% off", name, est, got, diff*100)
	}
}

func TestOf_agreesWithTheHeap(t *testing.T) {
	accurate(t, "flat", func(i int) *flat { return &flat{ID: int64(i)} })
	accurate(t, "listing", newListing)
	accurate(t, "string", func(i int) *string { s := text(100 + i%100); return &s })
	accurate(t, "bytes", func(i int) *[]byte { b := make([]byte, 500+i%1000); return &b })
	accurate(t, "slice of structs", func(i int) *[]photo {
		p := make([]photo, 0, 300)
		for range 200 {
			p = append(p, photo{URL: text(33)})
		}
		return &p
	})
	accurate(t, "slice of pointers", func(i int) *[]*host {
		var p []*host
		for range 100 + i%50 {
			p = append(p, &host{Name: text(24)})
		}
		return &p
	})
	accurate(t, "flat map", func(i int) *map[int]int {
		m := map[int]int{}
		for j := range 100 {
			m[j] = j
		}
		return &m
	})
	accurate(t, "map of strings", func(i int) *map[string]string {
		m := map[string]string{}
		for j := range 300 {
			m[fmt.Sprint("key", j)] = text(50)
		}
		return &m
	})
	accurate(t, "decoded JSON", func(i int) *any {
		var v any = map[string]any{"id": float64(i), "name": text(20), "list": []any{text(8), 1.5, nil, true}}
		return &v
	})
	accurate(t, "tree", func(i int) *node {
		root := &node{Value: text(10)}
		for range 20 {
			root.Kids = append(root.Kids, &node{Value: text(10), Next: &node{}})
		}
		return root
	})
}

// A thing is counted once, however many ways lead to it.
func TestOf_cyclesAndSharing(t *testing.T) {
	of := size.Of[node]()
	ring := &node{Value: "a"}
	ring.Next = &node{Value: "b", Next: ring, Any: ring}
	ring.Kids = []*node{ring, ring.Next, ring}
	if got := of(ring); got < 100 || got > 500 {
		t.Errorf("a ring of two nodes is estimated at %d bytes", got)
	}

	big := &host{Bio: make([]byte, 1<<20)}
	shared := make([]*host, 40)
	for i := range shared {
		shared[i] = big
	}
	if got := size.Of[[]*host]()(&shared); got < 1<<20 || got > 1<<20+4096 {
		t.Errorf("40 pointers to 1 MiB are estimated at %d bytes", got)
	}

	type self []self
	s := self{nil}
	s[0] = s
	size.Of[self]()(&s)
	type table map[string]table
	m := table{}
	m["m"] = m
	size.Of[table]()(&m)
	var loop any
	loop = &loop
	size.Of[any]()(&loop)
}

// The work is bounded, and what was not looked at is extrapolated where it can be.
func TestOf_bounded(t *testing.T) {
	long := make([]string, 1_000_000)
	for i := range long {
		long[i] = "0123456789abcdef"
	}
	if got, want := size.Of[[]string]()(&long), 32_000_000; math.Abs(float64(got-want)) > 0.05*float64(want) {
		t.Errorf("a million strings are estimated at %d, want about %d", got, want)
	}

	var list *node
	for range 1_000_000 {
		list = &node{Next: list}
	}
	size.Of[node]()(list) // no stack overflow

	// A tree of 64^3 nodes: after some thousand steps the rest is left out.
	var tree func(depth int) *node
	tree = func(depth int) *node {
		n := &node{}
		for range min(depth, 1) * 64 {
			n.Kids = append(n.Kids, tree(depth-1))
		}
		return n
	}
	if got := size.Of[node]()(tree(3)); got < 64*64*8 || got > 64*64*64*8 {
		t.Errorf("a tree of 266,305 nodes is estimated at %d", got)
	}
}

func TestOf_edges(t *testing.T) {
	zero := struct {
		S  string
		B  []byte
		P  *node
		M  map[string]string
		A  any
		F  func()
		C  chan int
		E  error
		No [0]string
	}{}
	if got := size.Of[struct{}]()(&struct{}{}); got != 0 {
		t.Errorf("struct{} is estimated at %d", got)
	}
	of := sizeOf(zero)
	if got := of(&zero); got != int(unsafe.Sizeof(zero)) {
		t.Errorf("a struct of nils is estimated at %d", got)
	}
	now := time.Now()
	if got := size.Of[time.Time]()(&now); got != 24 {
		t.Errorf("time.Time is estimated at %d", got)
	}
	i := 5
	if got := size.Of[int]()(&i); got != 8 {
		t.Errorf("int is estimated at %d", got)
	}
	type name string // a named string has no fast path, and the same size
	n, s := name(text(100)), text(100)
	if a, b := size.Of[name]()(&n), size.Of[string]()(&s); a != b {
		t.Errorf("a named string is estimated at %d, a string at %d", a, b)
	}
}

func sizeOf[T any](T) func(*T) int { return size.Of[T]() }

func TestOf_concurrent(t *testing.T) {
	var wg sync.WaitGroup
	l := newListing(1)
	var v any = *l
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if a, b := size.Of[listing]()(l), size.Of[any]()(&v); a <= 0 || b <= a {
					t.Errorf("estimated %d and %d", a, b)
				}
			}
		})
	}
	wg.Wait()
}

func TestOf_allocatesNothing(t *testing.T) {
	str, bytes, num, fl, l := text(100), make([]byte, 100), 1, &flat{}, newListing(1)
	ofs, ofb, ofi, off, ofl := size.Of[string](), size.Of[[]byte](), size.Of[int](), size.Of[flat](), size.Of[listing]()
	for name, f := range map[string]func(){
		"string": func() { ofs(&str) }, "bytes": func() { ofb(&bytes) }, "int": func() { ofi(&num) },
		"flat struct": func() { off(fl) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	l.Prices = nil // walking a map of strings copies its keys
	if n := testing.AllocsPerRun(100, func() { ofl(l) }); n != 0 {
		t.Errorf("listing: %v allocations", n)
	}
}

func BenchmarkOf(b *testing.B) {
	b.Run("string", func(b *testing.B) {
		of, s := size.Of[string](), text(100)
		b.ReportAllocs()
		for b.Loop() {
			of(&s)
		}
	})
	b.Run("flat", func(b *testing.B) {
		of, v := size.Of[flat](), &flat{}
		b.ReportAllocs()
		for b.Loop() {
			of(v)
		}
	})
	b.Run("listing", func(b *testing.B) {
		of, v := size.Of[listing](), newListing(1)
		b.ReportAllocs()
		for b.Loop() {
			of(v)
		}
	})
	b.Run("slice of 10k structs", func(b *testing.B) {
		v := make([]photo, 10_000)
		of := size.Of[[]photo]()
		b.ReportAllocs()
		for b.Loop() {
			of(&v)
		}
	})
}
