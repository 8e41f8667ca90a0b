package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/mutant"
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
		stamp, err = s.stamp(call, l, nil)
	}
	if err != nil {
		return 0, s.fail(ctx, "stamp", "", err)
	}
	return stamp, nil
}

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
// invalidated, or cleared, by a call that had returned before the entry was read.
//
// The copies suffice where there is one server: the pushes of what had happened
// there came before the reply. In a cluster tags may be on other nodes than the
// entry, and are asked for; and so is everything where pushes may be missing.
func (s *Store[T]) current(ctx context.Context, l *links, tags []string, stamp uint64) (bool, error) {
	if s.plain {
		return true, nil
	}
	if s.client.pulse.leaks.Load() {
		return s.asked(ctx, l, tags, stamp)
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
	if err := s.tags.learn(ctx, l, tags); err != nil {
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
	return s.tags.complete(ctx, l, s.cleared, s.tags.clearedKey(s.prefix), 0)
}

// everyAt returns when every tag was invalidated at once.
func (t *Tags) everyAt(ctx context.Context, l *links) (uint64, error) {
	if v := t.every.value.Load(); v != 0 {
		return v, nil
	}
	return t.complete(ctx, l, &t.every, t.everyKey(), 0)
}

// stamp returns a reading of the clock for what comes into being after the call. What
// it is compared with is looked at first: if that is not there, it is made, and what
// had been stamped before would count as invalidated. tags may be nil where they are
// not known yet.
func (s *Store[T]) stamp(ctx context.Context, l *links, tags []string) (uint64, error) {
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
		if err := s.tags.learn(ctx, l, tags); err != nil {
			return 0, err
		}
	}
	return s.tags.stamp(ctx, l)
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

// stamp returns a reading of the clock, from memory where it has one.
func (t *Tags) stamp(ctx context.Context, l *links) (uint64, error) {
	if v := t.clock.value.Load(); v != 0 && !t.client.pulse.leaks.Load() {
		return v, nil
	}
	return t.readClock(ctx, l)
}

// readClock asks Redis for the reading of the clock. One that was lost is made anew,
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

// learn reads tags from Redis, with one exchange where it has them all.
func (t *Tags) learn(ctx context.Context, l *links, tags []string) error {
	if _, err := t.everyAt(ctx, l); err != nil {
		return err
	}
	cs := make([]*copied, len(tags))
	marks := make([]uint64, len(tags))
	var replies []rueidis.RedisResult
	for range maxTries {
		cmds := make([]rueidis.Completed, len(tags))
		for i, tag := range tags {
			cs[i] = t.copies.of(tag)
			marks[i] = cs[i].mark()
			cmds[i] = l.t.B().Get().Key(t.tagKey(tag)).Build()
		}
		replies = l.t.DoMulti(ctx, cmds...)
		if !isBroken(ctx, replies[0].Error()) {
			break
		}
	}
	var missing []int
	for i, r := range replies {
		v, ok, err := readingOf(r)
		if err != nil {
			return err
		}
		if ok {
			cs[i].keep(marks[i], v)
		} else {
			missing = append(missing, i)
		}
	}
	return inParallel(missing, func(i int) error {
		_, err := t.complete(ctx, l, cs[i], t.tagKey(tags[i]), tagLife)
		return err
	})
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

// errRestless says that a tag changed again and again while it was read.
var errRestless = fmt.Errorf("%w: a tag does not come to rest", store.ErrUnavailable)

// complete reads the tag, or marker, under key, and makes it where there is none. It
// was evicted, perhaps right after somebody raised it: so it counts as raised now.
// The clock must be read after the mark "pending" was seen, or what is raised and
// evicted in between would be lost.
func (t *Tags) complete(ctx context.Context, l *links, c *copied, key string, life time.Duration) (uint64, error) {
	if mutant.OldTag.Load() {
		v, err := retried(ctx, func() rueidis.RedisResult { return l.t.Do(ctx, l.t.B().Get().Key(key).Build()) }).AsUint64()
		if rueidis.IsRedisNil(err) {
			v, err = 1, nil
		}
		return v, err
	}
	nonce := decimal(int64(newID()))
	told := len(t.client.broadcast) > 0 // of what is written here, too: it is read again, behind that
	for try := range 5 {
		mark := c.mark()
		seen, err := retried(ctx, func() rueidis.RedisResult { return taggetScript.run(ctx, l.t, key, nonce) }).ToString()
		if err != nil {
			return 0, err
		}
		if v, ok := parseReading(seen); ok {
			if c.keep(mark, v) || try == 4 || !told {
				return v, nil
			}
			continue
		}
		if !strings.HasPrefix(seen, "P") {
			return 0, errBadReply
		}
		now, err := t.readClock(ctx, l)
		if err != nil {
			return 0, err
		}
		mark = c.mark()
		text, err := retried(ctx, func() rueidis.RedisResult {
			return tagdoneScript.run(ctx, l.t, key, seen, strconv.FormatUint(now, 10), decimal(life.Milliseconds()))
		}).ToString()
		if err != nil {
			return 0, err
		}
		if v, ok := parseReading(text); ok && !told {
			c.keep(mark, v)
			return v, nil
		}
	}
	return 0, errRestless
}
