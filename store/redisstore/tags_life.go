package redisstore

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

// The key of a tag lasts longer than the entries that carry the tag, and not much longer.
// An entry whose tag has no key is not found, unless no tag at all was invalidated since
// the entry was stamped. So an early end of the key costs a load, and is never wrong.
const (
	// leastTagLife is how long the key of a tag lasts at least.
	leastTagLife = 10 * time.Minute

	// endlessTagLife is how long it lasts for an entry without an expiry.
	endlessTagLife = 30 * 24 * time.Hour

	// mostProlonged is how many keys are prolonged at a time. A later read of an entry
	// asks for the others.
	mostProlonged = 10_000

	// prolongAgain is how long nothing is prolonged after that has failed.
	prolongAgain = time.Second
)

// A tagNeed is how long the key of a tag is to last for an entry, in milliseconds: a key
// that would end before least is made to last for life, which is twice as long. So a tag of
// which there are always new entries is prolonged once per half-life. The zero tagNeed is
// of a key without an end.
type tagNeed struct{ least, life int64 }

// tagNeedOf is that of an entry that expires then; 0: never.
func tagNeedOf(expires, now store.Time) tagNeed {
	least := (endlessTagLife / 2).Milliseconds()
	if expires != 0 {
		least = max(int64(expires-now), (leastTagLife / 2).Milliseconds())
	}
	return tagNeed{least, 2 * least}
}

func (n tagNeed) or(other tagNeed) tagNeed {
	return tagNeed{max(n.least, other.least), max(n.life, other.life)}
}

// tagNeeds are those of many tags.
type tagNeeds map[string]tagNeed

func (ns *tagNeeds) add(tag string, n tagNeed) {
	if *ns == nil {
		*ns = make(tagNeeds)
	}
	(*ns)[tag] = (*ns)[tag].or(n)
}

// neverEnds is the end of a key that has none.
const neverEnds = store.Time(math.MaxInt64)

// tagEnd is when a key ends that had left milliseconds when it was asked for at sent; -1 is
// neverEnds.
func tagEnd(sent store.Time, left int64) store.Time {
	if left < 0 {
		return neverEnds
	}
	return sent + store.Time(left)
}

// tagLives are the keys of tags that are being prolonged in the background.
type tagLives struct {
	mu      sync.Mutex
	needs   tagNeeds           // nil: nothing
	failed  store.Time         // when it has failed last
	cancel  context.CancelFunc // nil: it does not run
	closed  bool
	working sync.WaitGroup
}

// outlast has the keys of tags last longer than an entry that expires then, which was found
// or is being set. It compares times, and leaves the rest to the background.
func (t *Tags) outlast(tags []string, expires store.Time) {
	if len(tags) == 0 {
		return
	}
	now := store.Now()
	need := tagNeedOf(expires, now)
	for _, tag := range tags {
		if end := t.copies.until(tag); end != 0 && int64(end-now) < need.least {
			t.prolongSoon(tag, need)
		}
	}
}

func (t *Tags) prolongSoon(tag string, need tagNeed) {
	l := &t.lives
	l.mu.Lock()
	defer l.mu.Unlock()
	resting := l.failed != 0 && store.Now() < l.failed.Add(prolongAgain)
	if l.closed || resting || len(l.needs) >= mostProlonged || l.needs[tag].least >= need.least {
		return
	}
	l.needs.add(tag, need)
	if l.cancel == nil {
		var ctx context.Context
		ctx, l.cancel = context.WithCancel(context.Background())
		l.working.Go(func() { t.prolong(ctx) })
	}
}

// prolong prolongs what there is to prolong. When that fails, a later read asks again.
func (t *Tags) prolong(ctx context.Context) {
	l := &t.lives
	for {
		l.mu.Lock()
		needs := maps.Clone(l.needs)
		l.mu.Unlock()
		err := t.prolongAll(ctx, needs)
		l.mu.Lock()
		maps.DeleteFunc(l.needs, func(tag string, n tagNeed) bool { return err != nil || n == needs[tag] })
		if err != nil {
			l.failed = store.Now()
		}
		if done := len(l.needs) == 0; done {
			l.needs = nil
			l.cancel()
			l.cancel = nil
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

func (t *Tags) prolongAll(ctx context.Context, needs tagNeeds) error {
	for tags := range slices.Chunk(slices.Collect(maps.Keys(needs)), maxPipeline) {
		if err := t.prolongChunk(ctx, tags, needs); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tags) prolongChunk(ctx context.Context, tags []string, needs tagNeeds) error {
	call, cancel := t.client.deadlines.Begin(ctx)
	defer cancel()
	l, err := t.client.reach(call, t.tagKey(tags[0]))
	if err != nil {
		return err
	}
	which := make([]int, len(tags))
	for i := range which {
		which[i] = i
	}
	return inParallel(which, func(i int) error {
		_, err := t.complete(call, l, t.copies.of(tags[i]), t.tagKey(tags[i]), needs[tags[i]])
		return err
	})
}

func (l *tagLives) stop() {
	l.mu.Lock()
	l.closed = true
	if l.cancel != nil {
		l.cancel()
	}
	l.mu.Unlock()
	l.working.Wait()
}
