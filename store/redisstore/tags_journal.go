package redisstore

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/mutant"
)

const (
	// tagJournalFor is how long the invalidation of a tag is remembered, counted
	// back from the last one that Redis confirmed: what came just before an
	// outage is not forgotten in the course of it. mostJournalTags is how many
	// are; with more, it counts as the invalidation of every tag.
	tagJournalFor   = time.Minute
	mostJournalTags = 100_000
)

// A tagJournal remembers which tags this client has invalidated lately, for the case
// that Redis turns out to have lost that: then they are invalidated once more, and
// until that is done no entry that carries one is found.
type tagJournal struct {
	listens sync.Once

	mu      sync.Mutex
	replays uint64
	last    time.Time
	tags    map[string]time.Time
	every   time.Time // when all were; zero: they were not
}

// moment is taken before tags are invalidated.
func (t *Tags) moment() uint64 {
	j := &t.journal
	j.listens.Do(func() {
		t.client.pulse.listen(&ear{rewound: t.rewound}, t.prefix) // until the client is closed
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.replays
}

// invalidatedAt remembers that tags, or all there are, were invalidated. It returns false if the journal
// was replayed since the moment m, so without them.
func (t *Tags) invalidatedAt(m uint64, tags []string, every bool) bool {
	j := &t.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.tags == nil {
		j.tags = make(map[string]time.Time)
	}
	j.forget(j.last.Add(-tagJournalFor))
	j.last = time.Now()
	for _, tag := range tags {
		j.tags[tag] = j.last
	}
	if every || len(j.tags) > mostJournalTags {
		j.every = j.last
		clear(j.tags)
	}
	return j.replays == m
}

// forget forgets what is not younger. The lock is held.
func (j *tagJournal) forget(than time.Time) {
	if !j.every.After(than) {
		j.every = time.Time{}
	}
	maps.DeleteFunc(j.tags, func(_ string, at time.Time) bool { return !at.After(than) })
}

// rewound is called when Redis may have lost what was confirmed.
func (t *Tags) rewound() {
	if mutant.NoReplay.Load() {
		return
	}
	j := &t.journal
	j.mu.Lock()
	j.replays++
	tags, every := slices.Collect(maps.Keys(j.tags)), !j.every.IsZero()
	j.mu.Unlock()
	if every || len(tags) > 0 {
		t.pend(tags, every)
	}
}
