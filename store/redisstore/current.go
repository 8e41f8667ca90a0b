package redisstore

import (
	"context"
	"maps"
	"slices"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
	"github.com/redis/rueidis"
)

// ask reads when the store was cleared, and tags were invalidated, with one exchange
// where Redis has it all.
func (s *view) ask(ctx context.Context, l *link.Pair, needs tagclock.Needs) (*tagclock.Readings, error) {
	asks, names := s.asksAbout(needs)
	values, err := s.tags.Read(ctx, l, asks, s.client.link.MaxStale > 0)
	if err != nil {
		return nil, err
	}
	return tagclock.ReadingsOf(values, names), nil
}

// asksAbout returns what is to be asked about entries with tags that have these needs, and the
// tags in the order of what is asked behind the markers.
func (s *view) asksAbout(needs tagclock.Needs) (asks []tagclock.Ask, names []string) {
	t := s.tags
	asks = []tagclock.Ask{{Key: s.clearedKey, Copy: s.cleared}}
	if len(needs) == 0 {
		return asks, nil
	}
	asks = append(asks, tagclock.Ask{Key: t.EveryKey(), Copy: &t.Every})
	names = slices.Collect(maps.Keys(needs))
	for _, tag := range names {
		asks = append(asks, t.Asks([]string{tag}, needs[tag])...)
	}
	return asks, names
}

// asked is current where the copies do not suffice.
func (s *view) asked(ctx context.Context, l *link.Pair, tags []string, stamp uint64, expires store.Time) (bool, error) {
	if s.tags.Retry.Has(tags...) { // Redis has not been asked yet, so it cannot have been done meanwhile
		return false, nil
	}
	r, err := s.ask(ctx, l, tagclock.NeedsOf(tags, expires))
	if err != nil {
		return false, err
	}
	return r.Current(tags, stamp), nil
}

// Current reports from memory whether tags are known to be no newer than stamp, as
// [store.Tagger] describes it.
func (s *view) Current(tags []string, stamp uint64) (ok, known bool) {
	return s.tags.Current(tags, stamp)
}

// Recall reports whether tags were no newer than stamp when this process last read them, as
// [store.Tagger] describes it.
func (s *view) Recall(tags []string, stamp uint64) bool {
	if s.tags.Retry.Has(tags...) {
		return false
	}
	overtaken := func(reading uint64) bool { return reading == 0 || reading > stamp }
	return len(tags) == 0 || !overtaken(s.tags.Every.Recall()) &&
		!slices.ContainsFunc(tags, func(tag string) bool { return overtaken(s.tags.Cells.Recall(tag)) })
}

// InvalidateTags is that of the [Tags] of the store, and concerns all stores that
// share them.
func (s *view) InvalidateTags(ctx context.Context, tags ...string) error {
	ctx, end := store.Observe(ctx, s.observer, s.op("invalidate tags", "", len(tags)))
	err := store.InCache(s.tags.Invalidate(ctx, tags...), s.name)
	if err != nil {
		s.stats.errors.Add(1)
	}
	end(0, err)
	return err
}

// current reports whether no entry with these tags and this stamp can have been
// invalidated, or cleared, by a call that had returned before the entry was read. It has
// the keys of the tags outlast the entry, which expires then; 0: never.
//
// The copies suffice where there is one server: the pushes of what had happened
// there came before the reply. In a cluster tags may be on other nodes than the
// entry, and are asked for; and so is everything where pushes may be missing.
func (s *view) current(ctx context.Context, l *link.Pair, tags []string, stamp uint64, expires store.Time) (bool, error) {
	if s.plain {
		return true, nil
	}
	ok, err := s.isCurrent(ctx, l, tags, stamp, expires)
	if ok && err == nil {
		s.tags.Outlast(tags, expires)
	}
	return ok, err
}

func (s *view) isCurrent(ctx context.Context, l *link.Pair, tags []string, stamp uint64, expires store.Time) (bool, error) {
	if s.client.heartbeat.Asks() {
		return s.asked(ctx, l, tags, stamp, expires)
	}
	cleared, err := s.clearedAt(ctx, l)
	if err != nil || stamp < cleared {
		return false, err
	}
	if len(tags) == 0 {
		return true, nil
	}
	ok, known := s.tags.Current(tags, stamp)
	if known && (!ok || l.T.Mode() != rueidis.ClientModeCluster) {
		return ok, nil
	}
	for range 3 { // a push during the read may be no change: another process has the key last longer
		if err := s.tags.Learn(ctx, l, s.tags.Asks(tags, tagclock.NeedOf(expires, store.Now()))); err != nil {
			return false, err
		}
		if ok, known = s.tags.Current(tags, stamp); known {
			return ok, nil
		}
	}
	return false, nil // what changes again and again while it is read counts as changed
}

// clearedAt returns when the store was cleared last.
func (s *view) clearedAt(ctx context.Context, l *link.Pair) (uint64, error) {
	if v := s.cleared.Value.Load(); v != 0 {
		return v, nil
	}
	return s.tags.Complete(ctx, l, s.cleared, s.clearedKey, tagclock.Need{})
}
