package tagclock

import (
	"slices"

	"github.com/lokroom/strata/store"
)

// Readings are what Redis has said, just now, of when things were invalidated. They are
// asked for where it may not have pushed all changes, so that the copies in memory do
// not suffice: see crowded. (Evictions go on all the time where memory is full. It would
// double the exchanges there, for what the next heartbeat brings to light.)
type Readings struct {
	cleared, every uint64
	tags           map[string]uint64
}

// Current reports whether nothing with these tags and this stamp was invalidated.
func (r *Readings) Current(tags []string, stamp uint64) bool {
	return r.cleared <= stamp && (len(tags) == 0 || r.every <= stamp) &&
		!slices.ContainsFunc(tags, func(tag string) bool { return r.tags[tag] > stamp })
}

// ReadingsOf returns what asksAbout has asked for.
func ReadingsOf(values []uint64, names []string) *Readings {
	r := &Readings{cleared: values[0], tags: make(map[string]uint64, len(names))}
	if len(names) > 0 {
		r.every = values[1]
	}
	for i, tag := range names {
		r.tags[tag] = values[i+2]
	}
	return r
}

// NeedsOf are those of tags of an entry that expires then.
func NeedsOf(tags []string, expires store.Time) (needs Needs) {
	need := NeedOf(expires, store.Now())
	for _, tag := range tags {
		needs.Add(tag, need)
	}
	return needs
}
