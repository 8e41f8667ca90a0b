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
	// are; with more, those are forgotten first that are older than half of that.
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

// invalidatedAt remembers that tags were invalidated. It returns false if the journal
// was replayed since the moment m, so without them.
func (t *Tags) invalidatedAt(m uint64, tags []string) bool {
	j := &t.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.tags == nil {
		j.tags = make(map[string]time.Time)
	}
	j.forget(j.last.Add(-tagJournalFor))
	for keep := tagJournalFor / 2; len(j.tags) > mostJournalTags; keep /= 2 {
		j.forget(j.last.Add(-keep))
	}
	j.last = time.Now()
	for _, tag := range tags {
		j.tags[tag] = j.last
	}
	return j.replays == m
}

// forget forgets what is not younger. The lock is held.
func (j *tagJournal) forget(than time.Time) {
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
	tags := slices.Collect(maps.Keys(j.tags))
	j.mu.Unlock()
	if len(tags) > 0 {
		t.pend(tags)
	}
}
