package storetest_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
	"github.com/lokroom/strata/store/storetest"
)

func honest(*bent) {}

// bounded refuses values of more than 1000 bytes.
func bounded(b *bent) {
	b.memory.Limit(func(_ string, v value) error {
		if len(v.Bytes) > 1000 {
			return store.ErrTooLarge
		}
		return nil
	})
}

// forgetful forgets what was set now and then.
func forgetful(b *bent) {
	var n atomic.Int64
	b.set = func(key string, e entry) error {
		if n.Add(1)%100 == 0 {
			return b.memory.Delete(bg, key)
		}
		return b.memory.Set(bg, key, e)
	}
}

// Stores that keep the contract pass.
func TestRun(t *testing.T) {
	t.Run("minimal", func(t *testing.T) { storetest.Run(t, storetest.Harness{Open: openMinimal}) })
	t.Run("all", func(t *testing.T) { storetest.Run(t, harness(honest)) })
	t.Run("neighbours", func(t *testing.T) { storetest.Run(t, neighbours(in("a:"), in("b:"))) })
	t.Run("bounded", func(t *testing.T) {
		h := harness(bounded)
		h.MaxValue, h.TooLarge = 900, 2000
		storetest.Run(t, h)
	})
	t.Run("lossy", func(t *testing.T) {
		storetest.Run(t, storetest.Harness{
			Open:  func(testing.TB) store.Store[value] { return newBent(memstore.NewShared[value](nil), forgetful) },
			Lossy: true,
		})
	})
}

// mustFail fails unless all of rules fail with h, and say why.
func mustFail(t *testing.T, h storetest.Harness, rules []string) {
	t.Helper()
	for _, name := range rules {
		failures, says := storetest.Violations(t, h, name, 300*time.Millisecond)
		if len(failures) == 0 {
			t.Errorf("the rule %s did not notice", name)
		}
		for _, failure := range failures {
			if !strings.HasSuffix(failure, "\n\trule: "+says) {
				t.Errorf("the rule %s failed without its sentence: %s", name, failure)
			}
		}
	}
}

// Every rule notices when it is broken, and says which it is.
func TestRules_noticeFaults(t *testing.T) {
	var covered []string
	for _, f := range slices.Concat(coreFaults, manyFaults, expireFaults, counterFaults, removeFaults, watchFaults, reviseFaults, refreshFaults, hotFaults,
		readFaults, leaseFaults, holdFaults, stampFaults, connectionFaults) {
		covered = append(covered, f.rules...)
		t.Run(f.what, func(t *testing.T) {
			t.Parallel()
			mustFail(t, harness(f.bend), f.rules)
		})
	}
	for _, f := range neighbourFaults {
		covered = append(covered, f.rules...)
		t.Run(f.what, func(t *testing.T) {
			t.Parallel()
			mustFail(t, neighbours(f.bend, f.neighbour), f.rules)
		})
	}
	t.Run("there is no limit", func(t *testing.T) {
		h := harness(honest)
		h.TooLarge = 2000 // less than that
		mustFail(t, h, []string{"Set/too large"})
	})
	t.Run("a capability is missing", func(t *testing.T) {
		mustFail(t, storetest.Harness{Open: openMinimal, Want: []storetest.Capability{storetest.Counter}}, []string{"Capabilities"})
	})
	t.Run("a lossy store forgets everything", func(t *testing.T) {
		h := harness(func(b *bent) { b.set = func(string, entry) error { return nil } })
		h.Lossy = true
		mustFail(t, h, []string{"Set/get"})
	})
	covered = append(covered, "Set/too large", "Capabilities")

	all := harness(honest)
	all.Neighbour = neighbours(honest, honest).Neighbour
	for _, name := range storetest.RuleNames(t, all) {
		if !slices.Contains(covered, name) {
			t.Errorf("no fault shows that the rule %s notices anything", name)
		}
	}
}

func TestRules_namesAreUnique(t *testing.T) {
	all := harness(honest)
	all.Neighbour = neighbours(honest, honest).Neighbour
	seen := map[string]bool{}
	for _, name := range storetest.RuleNames(t, all) {
		if seen[name] {
			t.Errorf("two rules are called %s", name)
		}
		seen[name] = true
	}
	if len(seen) < 110 {
		t.Errorf("there are %d rules", len(seen))
	}
}

func TestValue_Equal(t *testing.T) {
	zone := time.FixedZone("east", 3600)
	at := time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC)
	full := value{Text: "t", Number: 1, Ratio: 1, Flag: true, Bytes: []byte{1}, List: []string{"l"},
		Counts: map[string]int64{"c": 1}, Inner: &value{Text: "i"}, At: at}
	same := full
	same.At, same.Inner = at.In(zone), &value{Text: "i", List: []string{}, Counts: map[string]int64{}, Bytes: []byte{}}
	if !full.Equal(same) {
		t.Error("a value with another zone and empty instead of nil is not equal")
	}
	for name, change := range map[string]func(v *value){
		"Text":   func(v *value) { v.Text = "" },
		"Number": func(v *value) { v.Number = 2 },
		"Ratio":  func(v *value) { v.Ratio = 2 },
		"Flag":   func(v *value) { v.Flag = false },
		"Bytes":  func(v *value) { v.Bytes = []byte{2} },
		"List":   func(v *value) { v.List = nil },
		"Counts": func(v *value) { v.Counts = map[string]int64{"c": 2} },
		"Inner":  func(v *value) { v.Inner = nil },
		"inside": func(v *value) { v.Inner = &value{} },
		"At":     func(v *value) { v.At = at.Add(1) },
	} {
		other := full
		change(&other)
		if full.Equal(other) || other.Equal(full) {
			t.Errorf("a value with another %s is equal", name)
		}
	}
}

// A backend runs the suite from one test.
func Example() {
	TestConformance := func(t *testing.T) {
		storetest.Run(t, storetest.Harness{
			Open: func(testing.TB) store.Store[storetest.Value] { return memstore.New[storetest.Value](nil) },
			Want: []storetest.Capability{storetest.Counter, storetest.Watcher},
		})
	}
	fmt.Printf("%T\n", TestConformance)
	// Output: func(*testing.T)
}
