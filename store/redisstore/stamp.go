package redisstore

import (
	"context"
	"slices"
	"sync"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
)

// Stamp returns a reading of the clock of the tags, as [store.Tagger] describes it.
func (s *view) Stamp(ctx context.Context) (uint64, error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.reading(call, s.tags.ClockKey())
	var stamp uint64
	if err == nil {
		stamp, err = s.stamp(call, l, nil, 0)
	}
	if err != nil {
		return 0, s.fail(ctx, "stamp", "", err)
	}
	return stamp, nil
}

// stamp returns a reading of the clock for what comes into being after the call. What
// it is compared with is looked at first: if that is not there, it is made, and what
// had been stamped before would count as invalidated. tags are those of an entry that
// expires then, nil where they are not known yet.
func (s *view) stamp(ctx context.Context, l *link.Pair, tags []string, expires store.Time) (uint64, error) {
	if s.plain {
		return 0, nil
	}
	if s.cleared.Value.Load() == 0 || s.tags.Every.Value.Load() == 0 {
		var errs [2]error
		var both sync.WaitGroup
		both.Go(func() { _, errs[0] = s.clearedAt(ctx, l) })
		both.Go(func() { _, errs[1] = s.tags.EveryAt(ctx, l) })
		both.Wait()
		if err := link.FirstOf(errs[0], errs[1]); err != nil {
			return 0, err
		}
	}
	if slices.ContainsFunc(tags, func(tag string) bool { return s.tags.Cells.Known(tag) == 0 }) {
		if err := s.tags.Learn(ctx, l, s.tags.Asks(tags, tagclock.NeedOf(expires, store.Now()))); err != nil {
			return 0, err
		}
	}
	s.tags.Outlast(tags, expires)
	return s.tags.Stamp(ctx, l)
}

// stampOf is stamp for e. One that is over needs no tags.
func (s *view) stampOf(ctx context.Context, l *link.Pair, e *meta) (uint64, error) {
	if e.Expired(store.Now()) {
		return s.stamp(ctx, l, nil, 0)
	}
	return s.stamp(ctx, l, e.Tags, e.ExpiresAt)
}

// stampMany returns a reading of the clock for those entries that have none.
func (s *view) stampMany(ctx context.Context, entries each) (uint64, error) {
	some := false
	entries(func(_ string, e *meta, _ encoder) bool {
		some = e.Stamp == 0
		return !some
	})
	if !some {
		return 0, nil
	}
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call, s.tags.ClockKey())
	if err != nil {
		return 0, err
	}
	if _, err := s.stamp(call, l, nil, 0); err != nil { // it makes what a stamp is compared with, as do the tags
		return 0, err
	}
	if err := s.tagsOf(call, l, entries); err != nil {
		return 0, err
	}
	return s.tags.Stamp(call, l)
}

// tagsOf makes sure that there are the tags of those entries that are to be stamped, and
// that they outlast these.
func (s *view) tagsOf(ctx context.Context, l *link.Pair, entries each) error {
	var unknown tagclock.Needs
	var tagged []meta
	now := store.Now()
	entries(func(_ string, e *meta, _ encoder) bool {
		if len(e.Tags) == 0 || e.Stamp != 0 || e.Expired(now) {
			return true
		}
		tagged = append(tagged, *e)
		for _, tag := range e.Tags {
			if s.tags.Cells.Known(tag) == 0 {
				unknown.Add(tag, tagclock.NeedOf(e.ExpiresAt, now))
			}
		}
		return true
	})
	if len(unknown) > 0 {
		if err := s.tags.Learn(ctx, l, s.tags.AsksOf(unknown)); err != nil {
			return err
		}
	}
	for _, e := range tagged {
		s.tags.Outlast(e.Tags, e.ExpiresAt)
	}
	return nil
}
