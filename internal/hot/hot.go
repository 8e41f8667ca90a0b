// Package hot finds the most-read keys in bounded memory.
//
// Only the most-read of many keys matter, so the counts of others may be lost: when the
// sketch is full, the less-read half is dropped. Counts decay: after a number of notes, all
// are halved (as in TinyLFU; Einziger, Friedman and Manes, 2017), so that keys that were
// popular once do not stay.
package hot

import (
	"cmp"
	"slices"
	"sync"

	"github.com/lokroom/strata/store"
)

const (
	// mostKeys is the maximum number of keys: up to 400 KB, and their texts.
	mostKeys = 4096

	// notesToFade is the number of notes between two halvings.
	notesToFade = 16 * mostKeys
)

// A Sketch counts reads. The zero Sketch is empty and ready to use. All methods are safe
// for concurrent use.
type Sketch struct {
	mu     sync.Mutex
	counts map[string]keyCount
	notes  int // since the last halving
}

// A keyCount counts the reads of a key.
type keyCount struct {
	reads float64
	saved float64 // of these, the part passed to Saved
}

// Note counts reads of key. It does not block: during contention it may count nothing.
func (s *Sketch) Note(key string, reads float64) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	h, ok := s.counts[key]
	if !ok {
		if s.counts == nil {
			s.counts = make(map[string]keyCount)
		}
		if len(s.counts) >= mostKeys {
			s.prune()
		}
	}
	h.reads += reads
	s.counts[key] = h
	if s.notes++; s.notes >= notesToFade {
		s.fade()
	}
}

// prune drops the less-read half of the keys. The lock is held.
func (s *Sketch) prune() {
	reads := make([]float64, 0, len(s.counts))
	for _, h := range s.counts {
		reads = append(reads, h.reads)
	}
	slices.Sort(reads)
	middle, left := reads[len(reads)/2], len(reads)/2
	s.keep(len(reads)-left, func(h keyCount) (keyCount, bool) {
		if left > 0 && h.reads <= middle {
			left--
			return h, false
		}
		return h, true
	})
}

// fade halves all counts and drops those below one read. The lock is held.
func (s *Sketch) fade() {
	s.notes = 0
	s.keep(len(s.counts), func(h keyCount) (keyCount, bool) { return keyCount{h.reads / 2, h.saved / 2}, h.reads >= 2 })
}

// keep replaces each count by the result of f, and drops those that f rejects; at most n
// remain. The map is refilled from empty: a map with keys that are deleted and replaced one
// by one grows, whatever its length. The lock is held.
func (s *Sketch) keep(n int, f func(keyCount) (keyCount, bool)) {
	type known struct {
		key string
		keyCount
	}
	kept := make([]known, 0, n)
	for key, h := range s.counts {
		if h, ok := f(h); ok {
			kept = append(kept, known{key, h})
		}
	}
	clear(s.counts)
	for _, k := range kept {
		s.counts[k.key] = k.keyCount
	}
}

// Hottest returns at most n keys, the most-read first.
func (s *Sketch) Hottest(n int) []store.Hot {
	return s.top(n, func(h keyCount) float64 { return h.reads })
}

// Unsaved is Hottest for the reads that were not passed to Saved yet.
func (s *Sketch) Unsaved(n int) []store.Hot {
	return s.top(n, func(h keyCount) float64 { return h.reads - h.saved })
}

// Saved records that reads returned by Unsaved were saved elsewhere. Only one goroutine may
// be between the two calls.
func (s *Sketch) Saved(hot []store.Hot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range hot {
		if h, ok := s.counts[k.Key]; ok {
			h.saved = min(h.reads, h.saved+k.Reads)
			s.counts[k.Key] = h
		}
	}
}

func (s *Sketch) top(n int, by func(keyCount) float64) []store.Hot {
	s.mu.Lock()
	all := make([]store.Hot, 0, len(s.counts))
	for key, h := range s.counts {
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
