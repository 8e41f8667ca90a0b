package redisstore

import (
	"context"
	"sync"

	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
)

// Tags are invalidation tags that several stores share, and the logical clock that orders
// invalidations and loads. In Redis each tag is one small key, whatever the number of entries
// that carry it. This process keeps the readings of the tags in use in memory, and Redis pushes
// their changes.
//
// The key of a tag is the prefix of the Tags, "t:" and the tag. It is created when an entry with
// the tag is kept or read, and lasts for twice the life of that entry in Redis: at least 10
// minutes, and 30 days for an entry without an expiry. When less than half of that is left, the
// next such entry prolongs it. Invalidating a tag keeps its key as long, and for at least 10
// minutes. Three other kinds of keys do not expire: "clock", "every" for the invalidation of all
// tags at once, and "c:" with the prefix of each store for its last Clear. If such a key is
// missing, entries may count as invalidated, and never the reverse.
//
// The clock is a hybrid logical clock (Kulkarni, Demirbas and others, Logical Physical Clocks,
// 2014): never behind the clock of the server, in microseconds, and never the same twice. It is
// one key. After any process has invalidated any tag, all processes that load read it again.
//
// If Redis drops tracked keys without a push, because there are too many, only the heartbeat
// notices, which runs while a store of the client has watchers: see [Store.Watch].
type Tags struct{ clock *tagclock.Clock }

// Invalidate makes every entry unusable, in all stores with these tags, that was set before the
// call with one of tags. It takes two exchanges, whatever the number of entries.
//
// If it fails, the error wraps ErrUnavailable, or is that of ctx, and other processes may still
// serve the entries. This client finds none of them, and retries until Redis has invalidated the
// tags, also if ctx had ended before the call. A tag that is longer than an entry can carry is
// ErrTooLarge, and is not retried. If only some tags failed, the error is a
// *[store.ManyError][string].
func (t *Tags) Invalidate(ctx context.Context, tags ...string) error {
	return t.clock.Invalidate(ctx, tags...)
}

// InvalidateSoon is Invalidate in the background: until Redis has invalidated the tags, this
// client finds none of the entries. Permanent refusals of Redis are counted in [Health].
func (t *Tags) InvalidateSoon(tags ...string) { t.clock.InvalidateSoon(tags...) }

// Flush waits until Redis has acknowledged the tags in the retry queue, or ctx ends. If tags are
// left, which are lost when the client is closed, the error wraps ErrUnavailable and states how
// many.
func (t *Tags) Flush(ctx context.Context) error { return t.clock.Flush(ctx) }

// allTags are those of a client, by prefix.
type allTags struct {
	mu  sync.Mutex
	all map[string]*Tags
}

func (a *allTags) list() (list []*tagclock.Clock) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.all {
		list = append(list, t.clock)
	}
	return list
}

// back has the retry queues tried: Redis answers again.
func (a *allTags) back() {
	for _, t := range a.list() {
		t.Retry.Wake()
	}
}
