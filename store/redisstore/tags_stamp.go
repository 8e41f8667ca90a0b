package redisstore

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// Stamp returns a reading of the clock of the tags, as [store.Stamper] describes it.
func (s *Store[T]) Stamp(ctx context.Context) (uint64, error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.heard(call, s.tags.clockKey())
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
func (s *Store[T]) stamp(ctx context.Context, l *links, tags []string, expires store.Time) (uint64, error) {
	if s.plain {
		return 0, nil
	}
	if s.cleared.value.Load() == 0 || s.tags.every.value.Load() == 0 {
		var errs [2]error
		var both sync.WaitGroup
		both.Go(func() { _, errs[0] = s.clearedAt(ctx, l) })
		both.Go(func() { _, errs[1] = s.tags.everyAt(ctx, l) })
		both.Wait()
		if err := firstOf(errs[0], errs[1]); err != nil {
			return 0, err
		}
	}
	if slices.ContainsFunc(tags, func(tag string) bool { return s.tags.copies.known(tag) == 0 }) {
		if err := s.tags.learn(ctx, l, s.tags.asks(tags, tagNeedOf(expires, store.Now()))); err != nil {
			return 0, err
		}
	}
	s.tags.outlast(tags, expires)
	return s.tags.stamp(ctx, l)
}

// stampOf is stamp for e. One that is over needs no tags.
func (s *Store[T]) stampOf(ctx context.Context, l *links, e *store.Entry[T]) (uint64, error) {
	if e.Expired(store.Now()) {
		return s.stamp(ctx, l, nil, 0)
	}
	return s.stamp(ctx, l, e.Tags, e.ExpiresAt)
}

// stampMany returns a reading of the clock for those entries that have none.
func (s *Store[T]) stampMany(ctx context.Context, entries map[string]store.Entry[T]) (uint64, error) {
	none := true
	for _, e := range entries {
		none = none && e.Stamp != 0
	}
	if none {
		return 0, nil
	}
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.reach(call, s.tags.clockKey())
	if err != nil {
		return 0, err
	}
	if _, err := s.stamp(call, l, nil, 0); err != nil { // it makes what a stamp is compared with, as do the tags
		return 0, err
	}
	if err := s.tagsOf(call, l, entries); err != nil {
		return 0, err
	}
	return s.tags.stamp(call, l)
}

// tagsOf makes sure that there are the tags of those entries that are to be stamped, and
// that they outlast these.
func (s *Store[T]) tagsOf(ctx context.Context, l *links, entries map[string]store.Entry[T]) error {
	var unknown tagNeeds
	var tagged []store.Entry[T]
	now := store.Now()
	for _, e := range entries {
		if len(e.Tags) == 0 || e.Stamp != 0 || e.Expired(now) {
			continue
		}
		tagged = append(tagged, e)
		for _, tag := range e.Tags {
			if s.tags.copies.known(tag) == 0 {
				unknown.add(tag, tagNeedOf(e.ExpiresAt, now))
			}
		}
	}
	if len(unknown) > 0 {
		if err := s.tags.learn(ctx, l, s.tags.asksOf(unknown)); err != nil {
			return err
		}
	}
	for _, e := range tagged {
		s.tags.outlast(e.Tags, e.ExpiresAt)
	}
	return nil
}

// stamp returns a reading of the clock, from memory where it has one.
func (t *Tags) stamp(ctx context.Context, l *links) (uint64, error) {
	if v := t.clock.value.Load(); v != 0 && !t.client.asks() {
		return v, nil
	}
	return t.readClock(ctx, l)
}

// readClock asks Redis for the reading of the clock. One that was lost is created again,
// above all earlier readings, if the clock of the server was not set back.
func (t *Tags) readClock(ctx context.Context, l *links) (uint64, error) {
	mark := t.clock.mark()
	r := retried(ctx, func() rueidis.RedisResult { return l.t.Do(ctx, l.t.B().Get().Key(t.clockKey()).Build()) })
	text, err := r.ToString()
	if v, ok := parseReading(text); err == nil && ok {
		t.clock.keep(mark, v)
		return v, nil
	}
	if reply, ok := rueidis.IsRedisErr(err); err != nil && !rueidis.IsRedisNil(err) &&
		!(ok && errors.Is(replyCause(reply.Error(), err), store.ErrWrongType)) {
		return 0, err
	}
	text, err = retried(ctx, func() rueidis.RedisResult { return tickScript.run(ctx, l.w, t.clockKey(), "seed") }).ToString()
	if err != nil {
		return 0, err
	}
	v, ok := parseReading(text)
	if !ok {
		return 0, errBadReply
	}
	return v, nil
}
