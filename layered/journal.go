package layered

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/mutant"
)

const (
	// mostJournal is how many keys a journal remembers; with more it is everything
	// that was changed. A key takes some 40 bytes and its text.
	mostJournal = mostPending

	// journalParts is what the time of a journal is divided into. A part is
	// forgotten as one, when the last of it is old enough.
	journalParts = 5
)

// A journal remembers which keys this process has changed lately, for the case that
// L2 turns out to have lost that. A nil journal remembers nothing.
//
// While L2 is not heard of its time stands still: what was changed just before an
// outage is not forgotten in the course of it.
type journal struct {
	part    time.Duration // so that all but one of them last as long as is asked for
	replays atomic.Uint64

	mu     sync.Mutex
	parts  [journalParts]changes // from the latest
	began  time.Time             // the latest
	silent time.Time             // since when L2 is not heard of; zero: it is
}

// changes are the keys that were changed in a part of the time.
type changes struct {
	keys map[string]struct{}
	all  bool // every key, and then keys is nil
}

func newJournal(keep time.Duration) *journal {
	return &journal{part: max(keep/(journalParts-1), 1), began: time.Now()}
}

// moment is taken before a change is sent.
func (j *journal) moment() uint64 {
	if j == nil {
		return 0
	}
	return j.replays.Load()
}

// add remembers that ks were changed, or all keys. It returns false if the journal
// was replayed since m was taken, so without them.
func (j *journal) add(m uint64, ks []string, all bool) bool {
	if j == nil {
		return true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.turn()
	size := len(ks)
	for i := range j.parts {
		size += len(j.parts[i].keys)
	}
	now := &j.parts[0]
	switch {
	case now.all:
	case all || size > mostJournal:
		*now = changes{all: true}
	case now.keys == nil:
		now.keys = make(map[string]struct{}, len(ks))
		fallthrough
	default:
		for _, key := range ks {
			now.keys[key] = struct{}{}
		}
	}
	return j.replays.Load() == m
}

// turn begins a new part where it is time, and forgets those that are too old. The
// lock is held.
func (j *journal) turn() {
	if !j.silent.IsZero() {
		return
	}
	n := int64(time.Since(j.began) / j.part)
	if n == 0 {
		return
	}
	j.began = j.began.Add(time.Duration(n) * j.part)
	n = min(n, journalParts)
	copy(j.parts[n:], j.parts[:])
	clear(j.parts[:n])
}

// hear is told whether L2 is heard of.
func (j *journal) hear(hears bool) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case !hears && j.silent.IsZero():
		j.turn()
		j.silent = time.Now()
	case hears && !j.silent.IsZero():
		j.began = j.began.Add(time.Since(j.silent))
		j.silent = time.Time{}
	}
}

// replay returns the keys that were changed, or says that it was all. They stay, for
// the next time.
func (j *journal) replay() (ks []string, all bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.turn()
	j.replays.Add(1)
	union := make(map[string]struct{})
	for i := range j.parts {
		if j.parts[i].all {
			return nil, true
		}
		maps.Copy(union, j.parts[i].keys)
	}
	return slices.Collect(maps.Keys(union)), false
}

// changed notes that ks were changed in L2 since m was taken.
func (s *Store[T]) changed(m uint64, ks []string) {
	if len(ks) > 0 && !s.journal.add(m, ks, false) {
		s.addPending(ks) // L2 may have been replaced before it took them, or after
	}
}

// changedAll is changed for all keys.
func (s *Store[T]) changedAll(m uint64) {
	if !s.journal.add(m, nil, true) {
		s.addPending(nil)
	}
}

// rewound is called when L2 may have lost what this process has changed: all that is
// deleted there once more, and read from the source until then.
func (s *Store[T]) rewound() {
	s.trust.rollBack()
	ks, all := s.journal.replay()
	switch {
	case mutant.NoReplay.Load():
	case all:
		s.addPending(nil)
		s.count.replayed.Add(1)
	case len(ks) > 0:
		s.addPending(ks)
		s.count.replayed.Add(uint64(len(ks)))
	}
}

// hear is told whether L2 is heard of.
func (s *Store[T]) hear(hears bool) {
	s.journal.hear(hears)
	s.trust.hear(hears)
	if hears {
		s.pending.back()
	}
}
