// Package hot counts, in a bounded amount of memory, which keys are read most.
//
// Of many keys only the most read matter, so the counts of the others may be lost:
// when there is no more room, the half that was read least goes. Counts fade: after so
// many notes all are halved (as in TinyLFU; Einziger, Friedman and Manes, 2017), so that
// what was read much once does not stay for ever.
package hot

import (
	"cmp"
	"slices"
	"sync"

	"github.com/lokroom/strata/store"
)

const (
	// mostKeys is how many keys are counted at the same time: up to 400 KB, and their texts.
	mostKeys = 4096

	// notesToFade is how many notes there are between two halvings.
	notesToFade = 16 * mostKeys
)

// A Sketch counts reads. The zero Sketch is empty and ready to use. All methods may be
// called concurrently.
type Sketch struct {
	mu    sync.Mutex
	heats map[string]heat
	notes int // since the last halving
}

// A heat is what is known of a key.
type heat struct {
	reads float64
	saved float64 // of these, how many Saved was told of
}

// Note counts so many reads of key. It does not wait: while others are counting, it
// may count nothing.
func (s *Sketch) Note(key string, reads float64) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	h, ok := s.heats[key]
	if !ok {
		if s.heats == nil {
			s.heats = make(map[string]heat)
		}
		if len(s.heats) >= mostKeys {
			s.prune()
		}
	}
	h.reads += reads
	s.heats[key] = h
	if s.notes++; s.notes >= notesToFade {
		s.fade()
	}
}

// prune forgets the half of the keys that was read least. The lock is held.
func (s *Sketch) prune() {
	reads := make([]float64, 0, len(s.heats))
	for _, h := range s.heats {
		reads = append(reads, h.reads)
	}
	slices.Sort(reads)
	middle, left := reads[len(reads)/2], len(reads)/2
	s.keep(len(reads)-left, func(h heat) (heat, bool) {
		if left > 0 && h.reads <= middle {
			left--
			return h, false
		}
		return h, true
	})
}

// fade halves all counts. What has faded to less than a read is forgotten. The lock is
// held.
func (s *Sketch) fade() {
	s.notes = 0
	s.keep(len(s.heats), func(h heat) (heat, bool) { return heat{h.reads / 2, h.saved / 2}, h.reads >= 2 })
}

// keep replaces each heat by what f returns for it, and forgets those that f does not
// want: n at most are left. The map is filled again from empty: one whose keys are deleted and replaced one
// by one grows, whatever its length. The lock is held.
func (s *Sketch) keep(n int, f func(heat) (heat, bool)) {
	type known struct {
		key string
		heat
	}
	kept := make([]known, 0, n)
	for key, h := range s.heats {
		if h, ok := f(h); ok {
			kept = append(kept, known{key, h})
		}
	}
	clear(s.heats)
	for _, k := range kept {
		s.heats[k.key] = k.heat
	}
}

// Hottest returns at most n keys, those that were read most first.
func (s *Sketch) Hottest(n int) []store.Hot {
	return s.top(n, func(h heat) float64 { return h.reads })
}

// Unsaved is Hottest for the reads that Saved was not told of yet.
func (s *Sketch) Unsaved(n int) []store.Hot {
	return s.top(n, func(h heat) float64 { return h.reads - h.saved })
}

// Saved says that these reads, which Unsaved returned, were written down elsewhere.
// Only one goroutine may be between the two calls.
func (s *Sketch) Saved(hot []store.Hot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range hot {
		if h, ok := s.heats[k.Key]; ok {
			h.saved = min(h.reads, h.saved+k.Reads)
			s.heats[k.Key] = h
		}
	}
}

func (s *Sketch) top(n int, by func(heat) float64) []store.Hot {
	s.mu.Lock()
	all := make([]store.Hot, 0, len(s.heats))
	for key, h := range s.heats {
		if reads := by(h); reads > 0 {
			all = append(all, store.Hot{Key: key, Reads: reads})
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b store.Hot) int {
		return cmp.Or(cmp.Compare(b.Reads, a.Reads), cmp.Compare(a.Key, b.Key))
	})
	return all[:min(max(n, 0), len(all))]
}
