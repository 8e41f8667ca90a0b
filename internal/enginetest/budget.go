package enginetest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func testNewBudgetrefusesNothing(t *testing.T, e *Engine) {
	for _, bytes := range []int64{0, -1} {
		if b, err := e.NewBudget(bytes); err == nil {
			t.Errorf("NewBudget(%d) returned %v, %v", bytes, b, err)
		}
	}
}

// A budget that was resized is kept, smaller and larger.
func testResize(t *testing.T, e *Engine) {
	const large, small = 4 << 20, 1 << 20
	b := e.open(t, large)
	texts := e.Texts(b, nil)
	n := 0
	fill := func() {
		for range 8000 { // about 8 MB
			n++
			set(t, texts, fmt.Sprint(n), strings.Repeat("x", 1000))
			if n%100 == 0 {
				b.Settle()
			}
		}
		b.Settle()
		if err := b.Check(); err != nil {
			t.Error(err)
		}
	}
	for _, bytes := range []int64{large, small, large} {
		if err := b.Resize(bytes); err != nil {
			t.Fatal(err)
		}
		// An engine that admits new entries only where they seem worth more than those that
		// they would replace shrinks slowly.
		for range 10 {
			if fill(); b.Stats().Bytes <= bytes+bytes/8 {
				break
			}
		}
		if st := b.Stats(); st.MaxBytes != bytes || st.Bytes > bytes+bytes/8 || st.Bytes < bytes/2 {
			t.Errorf("%d bytes of %d after Resize(%d)", st.Bytes, st.MaxBytes, bytes)
		}
	}
	for _, bytes := range []int64{0, -1} {
		if err := b.Resize(bytes); err == nil {
			t.Errorf("Resize(%d) is no error", bytes)
		}
	}
}

// Bytes stays within the budget, whatever is thrown at it.
func testBudgetisKept(t *testing.T, e *Engine) {
	const limit = 2 << 20
	b := e.open(t, limit)
	texts, lists := e.Texts(b, nil), e.Lists(b, nil)
	rounds := 20_000
	if raceEnabled {
		rounds = 3000
	}
	var worst int64
	var mu sync.Mutex
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			most := int64(0)
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for i := range rounds {
				key := fmt.Sprint(r.IntN(5000))
				if i%2 == 0 {
					// Entries grow and shrink under the same key.
					set(t, texts, key, strings.Repeat("x", r.IntN(3000)))
				} else {
					set(t, lists, key, make([]int, r.IntN(200)))
				}
				if i%8 == 0 {
					_ = texts.Delete(ctx, key)
				}
				most = max(most, b.Stats().Bytes)
			}
			mu.Lock()
			worst = max(worst, most)
			mu.Unlock()
		})
	}
	all.Wait()
	b.Settle()
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	st := b.Stats()
	t.Logf("%d bytes in %d entries, at worst %d, of %d", st.Bytes, st.Entries, worst, limit)
	if st.Bytes > limit+limit/16 || st.Bytes < limit/2 {
		t.Errorf("the budget of %d holds %d", limit, st.Bytes)
	}
	if a, c := stats(t, texts), stats(t, lists); a.Entries+c.Entries != st.Entries || a.Bytes+c.Bytes > st.Bytes ||
		a.Evictions+c.Evictions == 0 || a.MaxBytes != limit {
		t.Errorf("the stores say %+v and %+v, the budget %+v", a, c, st)
	}
}

// What the budget counts is about what the process needs.
func testBudgetcountsWhatIsUsed(t *testing.T, e *Engine) {
	if raceEnabled {
		return // it needs memory of its own
	}
	const entries = 50_000
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	b := e.open(t, 256<<20)
	s := e.Listings(b, nil)
	before := heap()
	for i := range entries {
		set(t, s, strings.Clone(fmt.Sprintf("listing:%06d", i)), &Listing{Title: strings.Repeat("t", 50+i%100)})
		if i%1000 == 0 {
			b.Settle()
		}
	}
	b.Settle()
	used, counted := heap()-before, b.Stats().Bytes
	t.Logf("%d bytes are counted for an entry, %d are used", counted/entries, used/entries)
	if st := b.Stats(); st.Entries != entries {
		t.Fatalf("%d entries", st.Entries)
	}
	if ratio := float64(counted) / float64(used); ratio < 0.7 || ratio > 1.4 {
		t.Errorf("%d bytes are counted where %d are used", counted, used)
	}
	runtime.KeepAlive(s)
}
