package redisstore

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// Current reports from memory whether tags are known to be no newer than stamp, as
// [store.Stamper] describes it.
func (s *Store[T]) Current(tags []string, stamp uint64) (ok, known bool) {
	return s.tags.current(tags, stamp)
}

// Recall reports whether tags were no newer than stamp when they were heard of last, as
// [store.Recaller] describes it.
func (s *Store[T]) Recall(tags []string, stamp uint64) bool {
	if s.tags.pending.any(tags) {
		return false
	}
	overtaken := func(reading uint64) bool { return reading == 0 || reading > stamp }
	return len(tags) == 0 || !overtaken(s.tags.every.recall()) &&
		!slices.ContainsFunc(tags, func(tag string) bool { return overtaken(s.tags.copies.recall(tag)) })
}

// InvalidateTags is that of the [Tags] of the store, and concerns all stores that
// share them.
func (s *Store[T]) InvalidateTags(ctx context.Context, tags ...string) error {
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
func (s *Store[T]) current(ctx context.Context, l *links, tags []string, stamp uint64, expires store.Time) (bool, error) {
	if s.plain {
		return true, nil
	}
	ok, err := s.isCurrent(ctx, l, tags, stamp, expires)
	if ok && err == nil {
		s.tags.outlast(tags, expires)
	}
	return ok, err
}

func (s *Store[T]) isCurrent(ctx context.Context, l *links, tags []string, stamp uint64, expires store.Time) (bool, error) {
	if s.client.asks() {
		return s.asked(ctx, l, tags, stamp, expires)
	}
	cleared, err := s.clearedAt(ctx, l)
	if err != nil || stamp < cleared {
		return false, err
	}
	if len(tags) == 0 {
		return true, nil
	}
	ok, known := s.tags.current(tags, stamp)
	if known && (!ok || l.t.Mode() != rueidis.ClientModeCluster) {
		return ok, nil
	}
	if err := s.tags.learn(ctx, l, s.tags.asks(tags, tagNeedOf(expires, store.Now()))); err != nil {
		return false, err
	}
	ok, known = s.tags.current(tags, stamp)
	return ok && known, nil // what changes while it is read counts as changed
}

// clearedAt returns when the store was cleared last.
func (s *Store[T]) clearedAt(ctx context.Context, l *links) (uint64, error) {
	if v := s.cleared.value.Load(); v != 0 {
		return v, nil
	}
	return s.tags.complete(ctx, l, s.cleared, s.clearedKey, tagNeed{})
}

// everyAt returns when every tag was invalidated at once.
func (t *Tags) everyAt(ctx context.Context, l *links) (uint64, error) {
	if v := t.every.value.Load(); v != 0 {
		return v, nil
	}
	return t.complete(ctx, l, &t.every, t.everyKey(), tagNeed{})
}

// current reports what the copies tell.
func (t *Tags) current(tags []string, stamp uint64) (ok, known bool) {
	if len(tags) == 0 {
		return true, true
	}
	every := t.every.value.Load()
	if every > stamp {
		return false, true
	}
	known = every != 0
	for _, tag := range tags {
		switch reading := t.copies.known(tag); {
		case reading > stamp:
			return false, true
		case reading == 0:
			known = false
		}
	}
	if t.pending.any(tags) {
		return false, true
	}
	return known, known
}

// parseReading reads what Redis has for a tag or the clock: false for a marker, and
// for what is not ours.
func parseReading(text string) (uint64, bool) {
	v, err := strconv.ParseUint(text, 10, 64)
	return v, err == nil && v > 0
}

// readingOf reads the reply to a GET of a tag or a marker. It is not ok where Redis has
// none, or something that is not ours: it is to be made then.
func readingOf(r rueidis.RedisResult) (v uint64, ok bool, err error) {
	text, err := r.ToString()
	if err == nil {
		v, ok = parseReading(text)
		return v, ok, nil
	}
	if err := r.NonRedisError(); err != nil && !rueidis.IsRedisNil(err) {
		return 0, false, err
	}
	return 0, false, nil
}

// inParallel calls f for each of is, several at a time, and returns the first error.
func inParallel(is []int, f func(i int) error) error {
	if len(is) == 1 {
		return f(is[0])
	}
	errs := make([]error, len(is))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 32)
	for n, i := range is {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[n] = f(i)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
