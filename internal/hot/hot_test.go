package hot_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/lokroom/strata/internal/hot"
	"github.com/lokroom/strata/store"
)

func TestSketch_countsFew(t *testing.T) {
	var s hot.Sketch
	if got := s.Hottest(3); len(got) != 0 {
		t.Errorf("an empty one has %v", got)
	}
	for key, n := range map[string]int{"a": 1, "b": 3, "c": 2} {
		for range n {
			s.Note(key, 1)
		}
	}
	s.Note("d", 10)
	if got, want := fmt.Sprint(s.Hottest(3)), "[{d 10} {b 3} {c 2}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := len(s.Hottest(100)); n != 4 {
		t.Errorf("there are %d", n)
	}
	if n := len(s.Hottest(-1)); n != 0 {
		t.Errorf("of less than none it returned %d", n)
	}
}

// A thousand keys that are read again and again are found among many that are
// read once, whatever comes first.
func TestSketch_hotAmongMany(t *testing.T) {
	var s hot.Sketch
	r := rand.New(rand.NewPCG(1, 2))
	const hotKeys = 1000
	for i := range 200_000 {
		if i%4 == 0 {
			s.Note(fmt.Sprint("hot", r.IntN(hotKeys)), 1)
		} else {
			s.Note(fmt.Sprint("cold", i), 1)
		}
	}
	found := 0
	for _, h := range s.Hottest(hotKeys) {
		if h.Key[:3] == "hot" {
			found++
		}
	}
	if found < hotKeys*9/10 {
		t.Errorf("%d of %d hot keys were found", found, hotKeys)
	}
	if n := len(s.Hottest(1 << 30)); n > 4096 {
		t.Errorf("%d keys are counted", n)
	}
}

// What was hot once makes room for what is now.
func TestSketch_fades(t *testing.T) {
	var s hot.Sketch
	for _, age := range []string{"old", "new"} {
		for i := range 200_000 {
			s.Note(fmt.Sprint(age, i%100), 1)
		}
	}
	for i, h := range s.Hottest(100) {
		if h.Key[:3] != "new" {
			t.Errorf("%d is %v", i, h)
		}
	}
	if top := s.Hottest(1); top[0].Reads > 4000 {
		t.Errorf("the first has %v reads: they do not fade", top[0].Reads)
	}
}

func TestSketch_saved(t *testing.T) {
	var s hot.Sketch
	s.Note("a", 3)
	s.Note("b", 2)
	got := s.Unsaved(1)
	if want := "[{a 3}]"; fmt.Sprint(got) != want {
		t.Fatalf("got %v, want %s", got, want)
	}
	s.Note("a", 1) // meanwhile
	s.Saved(got)
	s.Saved([]store.Hot{{Key: "forgotten", Reads: 1}})
	if got, want := fmt.Sprint(s.Unsaved(5)), "[{b 2} {a 1}]"; got != want {
		t.Errorf("then got %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(s.Hottest(5)), "[{a 4} {b 2}]"; got != want {
		t.Errorf("the hottest are %s, want %s", got, want)
	}
}

func TestSketch_concurrently(t *testing.T) {
	var s hot.Sketch
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 20_000 {
				s.Note(fmt.Sprint(g, i%5000), 1)
				if i%1000 == 0 {
					s.Saved(s.Unsaved(10))
				}
			}
		})
	}
	wg.Wait()
	if len(s.Hottest(1)) != 1 {
		t.Error("nothing was counted")
	}
}

func TestSketch_noteAlloc(t *testing.T) {
	var s hot.Sketch
	s.Note("k", 1)
	if n := testing.AllocsPerRun(1000, func() { s.Note("k", 1) }); n != 0 {
		t.Errorf("a note of a key that is known allocates %v times", n)
	}
}

func BenchmarkSketch_Note(b *testing.B) {
	for name, keys := range map[string]int{"known": 1000, "new": 1_000_000} {
		b.Run(name, func(b *testing.B) {
			var s hot.Sketch
			ks := make([]string, keys)
			for i := range ks {
				ks[i] = fmt.Sprint("listing:", i)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Note(ks[i%len(ks)], 1)
				i++
			}
		})
	}
}
