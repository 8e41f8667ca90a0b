package redisstore

import (
	"context"
	"sync"

	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
)

// Tags are the invalidation tags of all stores that are given it, and the logical
// clock by which they know what was set before a tag was invalidated. In Redis each
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
// client: see [Store.Watch].
type Tags struct{ clock *tagclock.Clock }

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
	return t.clock.Invalidate(ctx, tags...)
}

// InvalidateSoon is Invalidate that does not wait: it is done as soon as it can be, and
// until then this client finds none of the entries. What Redis refuses for good is counted in
// [Health].
func (t *Tags) InvalidateSoon(tags ...string) { t.clock.InvalidateSoon(tags...) }

// Flush waits, until ctx is done at most, for Redis to acknowledge the tags in the retry
// queue. If there are some left, which are lost when the client is closed, it returns
// an error that is ErrUnavailable and says how many.
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
