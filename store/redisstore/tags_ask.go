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
	t := s.tags
	asks := []tagAsk{{key: t.clearedKey(s.prefix), copy: s.cleared}, {key: t.everyKey(), copy: &t.every}}
	names := slices.Collect(maps.Keys(needs))
	for _, tag := range names {
		asks = append(asks, t.asks([]string{tag}, needs[tag])...)
	}
	values, err := t.read(ctx, l, asks, false)
	if err != nil {
		return nil, err
	}
	out := &readings{cleared: values[0], every: values[1], tags: make(map[string]uint64, len(names))}
	for i, tag := range names {
		out.tags[tag] = values[i+2]
	}
	return out, nil
}

// asked is current where the copies do not suffice.
func (s *Store[T]) asked(ctx context.Context, l *links, tags []string, stamp uint64, expires store.Time) (bool, error) {
	var needs tagNeeds
	need := tagNeedOf(expires, store.Now())
	for _, tag := range tags {
		needs.add(tag, need)
	}
	r, err := s.ask(ctx, l, needs)
	if err != nil {
		return false, err
	}
	return r.current(tags, stamp), nil
}

// dropAsked is dropOld where the copies do not suffice.
func (s *Store[T]) dropAsked(ctx context.Context, l *links, got []fetched[T]) {
	var needs tagNeeds
	found, now := false, store.Now()
	for i := range got {
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
