package redisstore

import (
	"context"
	"maps"
	"slices"

	"github.com/redis/rueidis"
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
func (s *Store[T]) ask(ctx context.Context, l *links, tags map[string]struct{}) (*readings, error) {
	t := s.tags
	names := slices.Collect(maps.Keys(tags))
	keys, copies := []string{t.clearedKey(s.prefix), t.everyKey()}, []*copied{s.cleared, &t.every}
	for _, tag := range names {
		keys, copies = append(keys, t.tagKey(tag)), append(copies, t.copies.of(tag))
	}
	var replies []rueidis.RedisResult
	for range maxTries {
		cmds := make([]rueidis.Completed, len(keys))
		for i, key := range keys {
			cmds[i] = l.t.B().Get().Key(key).Build()
		}
		if replies = l.t.DoMulti(ctx, cmds...); !isBroken(ctx, replies[0].Error()) {
			break
		}
	}
	values := make([]uint64, len(keys))
	for i, r := range replies {
		v, ok, err := readingOf(r)
		if err != nil {
			return nil, err
		}
		if !ok {
			life := tagLife
			if i < 2 {
				life = 0
			}
			if v, err = t.complete(ctx, l, copies[i], keys[i], life); err != nil {
				return nil, err
			}
		}
		values[i] = v
	}
	out := &readings{cleared: values[0], every: values[1], tags: make(map[string]uint64, len(names))}
	for i, tag := range names {
		out.tags[tag] = values[i+2]
	}
	return out, nil
}

// asked is current where the copies do not suffice.
func (s *Store[T]) asked(ctx context.Context, l *links, tags []string, stamp uint64) (bool, error) {
	set := make(map[string]struct{}, len(tags))
	for _, tag := range tags {
		set[tag] = struct{}{}
	}
	r, err := s.ask(ctx, l, set)
	if err != nil {
		return false, err
	}
	return r.current(tags, stamp), nil
}

// dropAsked is dropOld where the copies do not suffice.
func (s *Store[T]) dropAsked(ctx context.Context, l *links, got []fetched[T]) {
	tags := make(map[string]struct{})
	found := false
	for i := range got {
		found = found || got[i].found
		if got[i].found {
			for _, tag := range got[i].entry.Tags {
				tags[tag] = struct{}{}
			}
		}
	}
	if !found {
		return
	}
	r, err := s.ask(ctx, l, tags)
	for i := range got {
		if g := &got[i]; g.found && (err != nil || !r.current(g.entry.Tags, g.entry.Stamp)) {
			*g = fetched[T]{err: err}
		}
	}
}
