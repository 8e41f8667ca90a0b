package redisstore

import (
	"context"
	"maps"
	"slices"

	"github.com/lokroom/strata/store"
)

// Readings are what Redis has said, just now, of when things were invalidated. They are
// asked for where it may not have told of all changes, so that the copies in memory do
// not suffice: see crowded. (Evictions go on all the time where memory is full. It would
// double the exchanges there, for what the next beat brings to light.)
type readings struct {
	cleared, every uint64
	tags           map[string]uint64
}

// current reports whether nothing with these tags and this stamp was invalidated.
func (r *readings) current(tags []string, stamp uint64) bool {
	return r.cleared <= stamp && (len(tags) == 0 || r.every <= stamp) &&
		!slices.ContainsFunc(tags, func(tag string) bool { return r.tags[tag] > stamp })
}

// ask reads when the store was cleared, and tags were invalidated, with one exchange
// where Redis has it all.
func (s *Store[T]) ask(ctx context.Context, l *links, needs tagNeeds) (*readings, error) {
	asks, names := s.asksAbout(needs)
	values, err := s.tags.read(ctx, l, asks, s.client.maxStale > 0)
	if err != nil {
		return nil, err
	}
	return readingsOf(values, names), nil
}

// asksAbout returns what is to be asked about entries whose tags have these needs, and the
// tags in the order of what is asked behind the markers.
func (s *Store[T]) asksAbout(needs tagNeeds) (asks []tagAsk, names []string) {
	t := s.tags
	asks = []tagAsk{{key: s.clearedKey, copy: s.cleared}}
	if len(needs) == 0 {
		return asks, nil
	}
	asks = append(asks, tagAsk{key: t.everyKey(), copy: &t.every})
	names = slices.Collect(maps.Keys(needs))
	for _, tag := range names {
		asks = append(asks, t.asks([]string{tag}, needs[tag])...)
	}
	return asks, names
}

// readingsOf returns what asksAbout has asked for.
func readingsOf(values []uint64, names []string) *readings {
	r := &readings{cleared: values[0], tags: make(map[string]uint64, len(names))}
	if len(names) > 0 {
		r.every = values[1]
	}
	for i, tag := range names {
		r.tags[tag] = values[i+2]
	}
	return r
}

// asked is current where the copies do not suffice.
func (s *Store[T]) asked(ctx context.Context, l *links, tags []string, stamp uint64, expires store.Time) (bool, error) {
	if s.tags.pending.any(tags) { // Redis has not been asked yet, so it cannot have been done meanwhile
		return false, nil
	}
	r, err := s.ask(ctx, l, tagNeedsOf(tags, expires))
	if err != nil {
		return false, err
	}
	return r.current(tags, stamp), nil
}

// tagNeedsOf are those of tags of an entry that expires then.
func tagNeedsOf(tags []string, expires store.Time) (needs tagNeeds) {
	need := tagNeedOf(expires, store.Now())
	for _, tag := range tags {
		needs.add(tag, need)
	}
	return needs
}

// dropAsked is dropOld where the copies do not suffice.
func (s *Store[T]) dropAsked(ctx context.Context, l *links, got []fetched[T]) {
	var needs tagNeeds
	found, now := false, store.Now()
	for i := range got {
		if got[i].found && s.tags.pending.any(got[i].entry.Tags) { // see asked
			got[i] = fetched[T]{}
		}
		found = found || got[i].found
		if got[i].found {
			need := tagNeedOf(got[i].entry.ExpiresAt, now)
			for _, tag := range got[i].entry.Tags {
				needs.add(tag, need)
			}
		}
	}
	if !found {
		return
	}
	r, err := s.ask(ctx, l, needs)
	for i := range got {
		if g := &got[i]; g.found && (err != nil || !r.current(g.entry.Tags, g.entry.Stamp)) {
			*g = fetched[T]{err: err}
		} else if g.found {
			s.tags.outlast(g.entry.Tags, g.entry.ExpiresAt)
		}
	}
}
