// Package tagclock has the logical clock by which stores know what was set before a tag was
// invalidated, and the readings of tags.
package tagclock

import (
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/retry"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// A Clock is the logical clock by which stores know what was set before a tag was
// invalidated, with the readings of tags. All methods may be called concurrently.
type Clock struct {
	link      *link.Link
	watchers  *notify.Fanout
	heartbeat *heartbeat.Heartbeat
	writes    *script.Writer
	Prefix    string

	clock Cell
	Every Cell // when all tags were invalidated at once: see retry.MaxNames
	Cells cells

	mu        sync.Mutex
	cleared   map[string]*Cell // by the prefix of a store: when it was cleared last
	lifetimes lifetimes
	Retry     *retry.Queue
	recent    *retry.Log
	listens   sync.Once // to the heartbeat, for recent
}

// New returns a clock with keys that begin with prefix.
func New(c *link.Link, ws *notify.Fanout, p *heartbeat.Heartbeat, w *script.Writer, prefix string) *Clock {
	t := &Clock{link: c, watchers: ws, heartbeat: p, writes: w, Prefix: prefix, cleared: make(map[string]*Cell), recent: retry.NewLog(RecentWritesFor)}
	t.Retry = retry.NewQueue(t.raiseAgain)
	t.Cells.seed = maphash.MakeSeed()
	// Before any store that uses them: its watchers are notified when the copies
	// here have been dropped.
	ws.Watch(prefix, t, t.invalidated)
	return t
}

// Stop ends what goes on in the background, and waits for it.
func (t *Clock) Stop() {
	t.Retry.Stop()
	t.lifetimes.stop()
}

func (t *Clock) ClockKey() string               { return t.Prefix + "clock" }
func (t *Clock) EveryKey() string               { return t.Prefix + "every" }
func (t *Clock) TagKey(tag string) string       { return t.Prefix + "t:" + tag }
func (t *Clock) ClearedKey(space string) string { return t.Prefix + "c:" + space }

// invalidated handles changes of keys of t, on the goroutine that reads from Redis.
func (t *Clock) invalidated(iv store.Invalidation) {
	if iv.Released {
		return
	}
	if iv.All {
		t.clock.Drop()
		t.Every.suspect()
		t.Cells.each((*Cell).suspect)
		t.mu.Lock()
		for _, c := range t.cleared {
			c.forgetAll() // copies are suspect now: a marker that is made again does not clear them
		}
		t.mu.Unlock()
		return
	}
	for _, key := range iv.Keys {
		if tag, ok := strings.CutPrefix(key, "t:"); ok {
			t.Cells.with(tag, (*Cell).pushed)
		} else if space, ok := strings.CutPrefix(key, "c:"); ok {
			if t.ClearedOf(space).changed() { // else it has been made, not changed
				t.watchers.Cleared(space)
			}
		} else if key == "clock" {
			t.clock.Drop()
		} else if key == "every" {
			t.Every.pushed()
		}
	}
}

// Lost notes that Redis may have lost its data, and tags with it.
func (t *Clock) Lost() {
	t.Every.lose()
	t.Cells.each((*Cell).lose)
}

// ClearedOf returns the copy of when the store with the prefix space was cleared.
func (t *Clock) ClearedOf(space string) *Cell {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.cleared[space]
	if c == nil {
		c = &Cell{}
		t.cleared[space] = c
	}
	return c
}

// maxTag is the length of the longest tag that an entry can carry, in bytes.
const maxTag = 1<<16 - 3

// raiseTags returns what went wrong with each tag.
func (t *Clock) raiseTags(ctx context.Context, tags []string) []error {
	errs := make([]error, len(tags))
	keys, at := make([]string, 0, len(tags)), make([]int, 0, len(tags))
	for i, tag := range tags {
		switch {
		case len(tag) > maxTag:
			errs[i] = fmt.Errorf("%w: a tag of %d bytes, of at most %d", store.ErrTooLarge, len(tag), maxTag)
		case ctx.Err() != nil:
			errs[i] = context.Cause(ctx)
		default:
			keys, at = append(keys, t.TagKey(tag)), append(at, i)
		}
	}
	if len(keys) > 0 {
		for j, err := range t.Raise(ctx, leastTagLife, keys...) {
			errs[at[j]] = err
		}
	}
	return errs
}

// made notes that tags were invalidated. What was queued of them at the call before is
// done with that.
func (t *Clock) made(m, before uint64, tags []string) {
	if len(tags) == 0 {
		return
	}
	t.Retry.Forget(tags, before)
	t.invalidatedAt(m, tags, false)
}

// tagErrors makes the error of so many tags. What all of them have in common is said once.
func tagErrors(errs map[string]error, tags int) error {
	if len(errs) == 0 {
		return nil
	}
	same := len(errs) == tags
	var one error
	for _, err := range errs {
		if one == nil {
			one = err
		}
		same = same && err.Error() == one.Error()
	}
	if !same {
		one = store.NewManyError(errs)
	}
	return &store.Error{Store: link.StoreName, Op: "invalidate tags", Err: one}
}

// Raise gives the tags, or markers of Clear, under keys a new reading of the clock. It
// returns what went wrong with each. The keys last for life, 0 for ever, or as long as they
// would have: nothing that is there needs them now, but what is being loaded may.
func (t *Clock) Raise(ctx context.Context, life time.Duration, keys ...string) []error {
	errs := make([]error, len(keys))
	call, cancel := t.link.Deadlines.Begin(ctx)
	l, err := t.link.Reach(call, append(keys, t.ClockKey())...)
	var reading string
	if err == nil {
		defer t.clock.Drop() // what is loaded from here on is to be stamped with a reading that is not older
		reading, err = link.Retried(call, func() rueidis.RedisResult { return script.Tick.Run(call, l.W, t.ClockKey(), "") }).ToString()
	}
	cancel()
	if err != nil {
		link.FillErrors(errs, err)
		return errs
	}
	for start := 0; start < len(keys); start += script.MaxPipeline {
		end := min(start+script.MaxPipeline, len(keys))
		t.raiseChunk(ctx, l, reading, life, keys[start:end], errs[start:end])
	}
	return errs
}

func (t *Clock) raiseChunk(ctx context.Context, l *link.Pair, reading string, life time.Duration, keys []string, errs []error) {
	call, cancel := t.link.Deadlines.Begin(ctx)
	defer cancel()
	calls := make([]script.Call, len(keys))
	for i, key := range keys {
		calls[i] = script.TagMax.Call(key, reading, script.Decimal(life.Milliseconds()))
	}
	for i, o := range script.Sender(t.writes.Write).Again(call, l, calls) {
		errs[i] = link.FirstOf(o.Reply.Error(), o.Short)
	}
}

// Touch keeps Redis from taking the clock and the markers for long unused where it
// evicts what is: without them everything would be loaded again.
func (t *Clock) Touch(ctx context.Context) error {
	l, err := t.link.Connected(ctx)
	if err != nil {
		return err
	}
	keys := []string{t.ClockKey(), t.EveryKey()}
	t.mu.Lock()
	for space := range t.cleared {
		keys = append(keys, t.ClearedKey(space))
	}
	t.mu.Unlock()
	for _, key := range keys {
		if err := l.W.Do(ctx, l.W.B().Touch().Key(key).Build()).Error(); err != nil {
			return err
		}
	}
	return nil
}

// Invalidate makes every entry unusable that was set before the call with one of tags.
func (t *Clock) Invalidate(ctx context.Context, tags ...string) error {
	if len(tags) == 0 {
		return nil
	}
	errs := make(map[string]error)
	m, before := t.moment(), t.Retry.Last()
	var made, open []string
	for i, err := range t.raiseTags(ctx, tags) {
		tag := tags[i]
		if err != nil {
			errs[tag] = t.tagOutcome(ctx, err)
		}
		switch store.OutcomeOf(errs[tag]) {
		case store.Open:
			open = append(open, tag)
		case store.Made:
			made = append(made, tag)
		}
	}
	for _, tag := range tags {
		t.Cells.drop(tag) // before it is taken out of the queue
	}
	t.made(m, before, made)
	if len(open) > 0 {
		t.Retry.Add(retry.Batch{Names: open})
	}
	if len(made) > 0 {
		if err := t.heartbeat.Turn(ctx); err != nil && len(errs) == 0 {
			return &store.Error{Store: link.StoreName, Op: "invalidate tags", Err: t.link.Cause(ctx, err)}
		}
	}
	return tagErrors(errs, len(tags))
}

// InvalidateSoon is Invalidate that does not wait.
func (t *Clock) InvalidateSoon(tags ...string) {
	if len(tags) > 0 {
		t.Retry.Add(retry.Batch{Names: tags})
	}
}
