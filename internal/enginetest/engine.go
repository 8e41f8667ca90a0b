// Package enginetest tests stores that keep entries of several types in one memory budget
// of an in-process engine. Each engine's tests call [Run] once.
package enginetest

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/lokroom/strata/store"
)

// An Engine is what the kit needs to know of the engine under test.
type Engine struct {
	// NewBudget returns a budget of so many bytes.
	NewBudget func(bytes int64) (Budget, error)

	// Sweeps says that what was cleared leaves the budget by itself. If not, it stays until
	// the engine needs the room.
	Sweeps bool

	// The others return a view of a budget for one type. A nil cost is the default.
	Ints     func(b Budget, cost Cost[int]) View[int]
	Texts    func(b Budget, cost Cost[string]) View[string]
	Bytes    func(b Budget, cost Cost[[]byte]) View[[]byte]
	Lists    func(b Budget, cost Cost[[]int]) View[[]int]
	Listings func(b Budget, cost Cost[*Listing]) View[*Listing]
	Versions func(b Budget, cost Cost[Versioned]) View[Versioned]
}

// A Budget is memory that several views share.
type Budget interface {
	Close()
	Resize(bytes int64) error
	Stats() store.Stats
	Settle()      // has the engine do now what it does in the background
	Check() error // says what is wrong with its books; nothing may be in flight
}

// A Cost says how many bytes of the budget an entry takes.
type Cost[T any] = func(key string, e *store.Entry[T]) int64

// A View is a store in a budget.
type View[T any] interface {
	store.Store[T]
	store.Expirer
	store.PatternDeleter
	store.Clearer
	store.Reporter
	Collide(mask uint64) // has the hashes of keys keep only the bits of mask
}

// A Listing is a value with pointers.
type Listing struct {
	ID    int64
	Title string
	Price int
}

// A Versioned value says which write it is of, and under which key.
type Versioned struct {
	key string
	n   int64
}

// Run runs the kit.
func Run(t *testing.T, e *Engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *Engine)
	}{
		{"get allocates nothing", testStoreGetallocatesNothing},
		{"shares a budget with other types", testStoresharesABudgetWithOtherTypes},
		{"clear is for one store", testStoreClearisForOneStore},
		{"clear gives room", testStoreCleargivesRoom},
		{"set of what is too costly", testStoreSettooCostly},
		{"cost", testOptionsCost},
		{"get drops what has expired", testStoreGetdropsWhatExpired},
		{"hit ratio", testStorehitRatio},
		{"stress", testStress},
		{"set is found at once", testStresssetIsFoundAtOnce},
		{"close beside everything else", testBudgetCloseconcurrent},
		{"no budget", testNewBudgetrefusesNothing},
		{"the budget is kept", testBudgetisKept},
		{"a budget is resized", testResize},
		{"the budget counts what is used", testBudgetcountsWhatIsUsed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, e) })
	}
}

var ctx = context.Background()

// one is the cost of an entry where a budget counts entries.
func one[T any](string, *store.Entry[T]) int64 { return 1 }

// open returns a budget that is closed at the end of the test.
func (e *Engine) open(t testing.TB, bytes int64) Budget {
	t.Helper()
	b, err := e.NewBudget(bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func set[T any](t testing.TB, s View[T], key string, v T) {
	t.Helper()
	if err := s.Set(ctx, key, store.Entry[T]{Value: v}); err != nil {
		t.Fatal(err)
	}
}

// get returns what is under key, and false on a miss.
func get[T any](t testing.TB, s View[T], key string) (T, bool) {
	t.Helper()
	e, err := s.Get(ctx, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return e.Value, err == nil
}

func stats(t testing.TB, s store.Reporter) store.Stats {
	t.Helper()
	st, err := s.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// swept waits until what was cleared has left the budget, if it does so by itself.
func (e *Engine) swept(t *testing.T, b Budget, entries int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); e.Sweeps && b.Stats().Entries != entries; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%+v are left, want %d entries", b.Stats(), entries)
		}
	}
}
