package redisstore

import (
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// Tags are the invalidation tags of all stores that are given it, and the logical
// clock by which they tell what was set before a tag was invalidated. In Redis each
// tag is one small key, whatever the number of entries that carry it; here the
// readings of those in use are kept in memory, and Redis pushes their changes.
//
// The key of a tag begins with the prefix of the Tags and "t:". It is made when an entry
// that carries the tag is kept or read, and lasts for twice the life of that entry in Redis:
// at least 10 minutes, and 30 days for an entry without an expiry. While less than half of
// that is left, the next such entry prolongs it. A tag that is invalidated keeps its key for
// as long, and for at least 10 minutes. Three more kinds of keys have no end: "clock",
// "every" for the invalidation of all tags at once, and "c:" with the prefix of each store
// for its last Clear. Where such a key is missing, entries may count as invalidated, and
// never the other way round.
//
// The clock is a hybrid one (Kulkarni, Demirbas and others, Logical Physical Clocks,
// 2014): never behind the clock of the server, in microseconds, and never the same
// twice. It is one key, and all processes that load read it again after an
// invalidation, anywhere, of any tag.
//
// That Redis may have dropped keys that it tracks without a word, because there were too
// many, is noticed by the heartbeat, so only while somebody listens to a store of the
// client: see [Store.Hear].
type Tags struct {
	client *Client
	prefix string
	clock  copied
	every  copied // when all tags were invalidated at once: see mostPendingTags
	copies copies

	mu      sync.Mutex
	cleared map[string]*copied // by the prefix of a store: when it was cleared last
	lives   tagLives
	pending pendingTags
	journal tagJournal
}

// NewTags returns the tags of c whose keys begin with prefix. Called again with
// the same prefix it returns the same ones. They end with the client.
func NewTags(c *Client, prefix string) *Tags {
	c.pulse.offer(prefix)
	c.tags.mu.Lock()
	defer c.tags.mu.Unlock()
	if t := c.tags.all[prefix]; t != nil {
		return t
	}
	t := &Tags{client: c, prefix: prefix, cleared: make(map[string]*copied)}
	t.copies.seed = maphash.MakeSeed()
	if c.tags.all == nil {
		c.tags.all = make(map[string]*Tags)
	}
	c.tags.all[prefix] = t
	c.rights.use(prefix)
	// Before any store that uses them: its watchers are told when the copies
	// here have been dropped.
	c.watchers.add(&watcher{prefix: prefix, owner: t, fn: t.invalidated})
	return t
}

// allTags are those of a client, by prefix.
type allTags struct {
	mu  sync.Mutex
	all map[string]*Tags
}

func (a *allTags) list() (list []*Tags) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.all {
		list = append(list, t)
	}
	return list
}

func (t *Tags) clockKey() string               { return t.prefix + "clock" }
func (t *Tags) everyKey() string               { return t.prefix + "every" }
func (t *Tags) tagKey(tag string) string       { return t.prefix + "t:" + tag }
func (t *Tags) clearedKey(space string) string { return t.prefix + "c:" + space }

// invalidated is told of changes of keys of t, on the goroutine that reads from Redis.
func (t *Tags) invalidated(iv store.Invalidation) {
	if iv.Released {
		return
	}
	if iv.All {
		t.clock.drop()
		t.every.doubt()
		t.copies.doubtAll()
		t.mu.Lock()
		for _, c := range t.cleared {
			c.lose() // copies are in doubt now: a marker that is made again does not clear them
		}
		t.mu.Unlock()
		return
	}
	for _, key := range iv.Keys {
		if tag, ok := strings.CutPrefix(key, "t:"); ok {
			t.copies.drop(tag)
		} else if space, ok := strings.CutPrefix(key, "c:"); ok {
			if t.clearedOf(space).changed() { // else it has been made, not changed
				t.client.watchers.tellCleared(space)
			}
		} else if key == "clock" {
			t.clock.drop()
		} else if key == "every" {
			t.every.drop()
		}
	}
}

// clearedOf returns the copy of when the store with the prefix space was cleared.
func (t *Tags) clearedOf(space string) *copied {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.cleared[space]
	if c == nil {
		c = &copied{}
		t.cleared[space] = c
	}
	return c
}

// maxTag is the length of the longest tag that an entry can carry, in bytes.
const maxTag = 1<<16 - 3

// Invalidate makes every entry unusable, in all stores with these tags, that was set
// before the call with one of tags. It takes two exchanges, however many entries there
// are.
//
// If it fails, the error is ErrUnavailable or that of ctx, and others may go on with what
// they have: this client finds none of the entries, and tries again until Redis has
// invalidated the tags, also if ctx had ended before the call. A tag that is longer than
// an entry can carry is ErrTooLarge; nothing is done about it. If only some of the tags
// failed, the error is a *store.ManyError[string].
func (t *Tags) Invalidate(ctx context.Context, tags ...string) error {
	if len(tags) == 0 {
		return nil
	}
	errs := make(map[string]error)
	m, before := t.moment(), t.pending.last()
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
		t.copies.drop(tag) // before it counts as not pending
	}
	t.made(m, before, made)
	if len(open) > 0 {
		t.pend(open, false)
	}
	if len(made) > 0 {
		if err := t.client.turn(ctx); err != nil && len(errs) == 0 {
			return &store.Error{Store: storeName, Op: "invalidate tags", Err: t.client.cause(ctx, err)}
		}
	}
	return tagErrors(errs, len(tags))
}

// raiseTags returns what went wrong with each tag.
func (t *Tags) raiseTags(ctx context.Context, tags []string) []error {
	errs := make([]error, len(tags))
	keys, at := make([]string, 0, len(tags)), make([]int, 0, len(tags))
	for i, tag := range tags {
		switch {
		case len(tag) > maxTag:
			errs[i] = fmt.Errorf("%w: a tag of %d bytes, of at most %d", store.ErrTooLarge, len(tag), maxTag)
		case ctx.Err() != nil:
			errs[i] = context.Cause(ctx)
		default:
			keys, at = append(keys, t.tagKey(tag)), append(at, i)
		}
	}
	if len(keys) > 0 {
		for j, err := range t.raise(ctx, leastTagLife, keys...) {
			errs[at[j]] = err
		}
	}
	return errs
}

// made notes that tags were invalidated. What was pending of them at the call before is
// done with that.
func (t *Tags) made(m, before uint64, tags []string) {
	if len(tags) == 0 {
		return
	}
	t.pending.forget(tags, before)
	if !t.invalidatedAt(m, tags, false) { // Redis may have been replaced before it took them, or after
		t.pend(tags, false)
	}
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
	return &store.Error{Store: storeName, Op: "invalidate tags", Err: one}
}

// InvalidateSoon is Invalidate that does not wait: it is done as soon as it can be, and
// until then this client finds none of the entries. What Redis refuses for good is counted in
// [Health].
func (t *Tags) InvalidateSoon(tags ...string) {
	if len(tags) > 0 {
		t.pend(tags, false)
	}
}

// raise gives the tags, or markers of Clear, under keys a new reading of the clock. It
// returns what went wrong with each. The keys last for life, 0 for ever, or as long as they
// would have: nothing that is there needs them now, but what is being loaded may.
func (t *Tags) raise(ctx context.Context, life time.Duration, keys ...string) []error {
	errs := make([]error, len(keys))
	call, cancel := t.client.deadlines.Begin(ctx)
	l, err := t.client.reach(call, append(keys, t.clockKey())...)
	var reading string
	if err == nil {
		defer t.clock.drop() // what is loaded from here on is to be stamped with a reading that is not older
		reading, err = retried(call, func() rueidis.RedisResult { return tickScript.run(call, l.w, t.clockKey(), "") }).ToString()
	}
	cancel()
	if err != nil {
		fillErrors(errs, err)
		return errs
	}
	for start := 0; start < len(keys); start += maxPipeline {
		end := min(start+maxPipeline, len(keys))
		t.raiseChunk(ctx, l, reading, life, keys[start:end], errs[start:end])
	}
	return errs
}

func (t *Tags) raiseChunk(ctx context.Context, l *links, reading string, life time.Duration, keys []string, errs []error) {
	call, cancel := t.client.deadlines.Begin(ctx)
	defer cancel()
	calls := make([]scriptCall, len(keys))
	for i, key := range keys {
		calls[i] = scriptCall{&tagmaxScript, key, []string{reading, decimal(life.Milliseconds())}}
	}
	for i, o := range writer(t.client.write).again(call, l, calls) {
		errs[i] = firstOf(o.reply.Error(), o.short)
	}
}

// retried sends what does no harm twice again where a connection broke.
func retried(ctx context.Context, send func() rueidis.RedisResult) (r rueidis.RedisResult) {
	for range maxTries {
		if r = send(); !isBroken(ctx, r.Error()) {
			break
		}
	}
	return r
}

// touch keeps Redis from taking the clock and the markers for long unused where it
// evicts what is: without them everything would be loaded again.
func (t *Tags) touch(ctx context.Context) error {
	l, err := t.client.connected(ctx)
	if err != nil {
		return err
	}
	keys := []string{t.clockKey(), t.everyKey()}
	t.mu.Lock()
	for space := range t.cleared {
		keys = append(keys, t.clearedKey(space))
	}
	t.mu.Unlock()
	for _, key := range keys {
		if err := l.w.Do(ctx, l.w.B().Touch().Key(key).Build()).Error(); err != nil {
			return err
		}
	}
	return nil
}
