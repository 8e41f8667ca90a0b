package tagclock

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/script"
)

// The key of a tag lasts longer than the entries that carry the tag, and not much longer.
// An entry with a tag without a key is not found, unless no tag at all was invalidated since
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

// A Need is how long the key of a tag is to last for an entry, in milliseconds: a key
// that would end before least is made to last for life, which is twice as long. So a tag of
// which there are always new entries is prolonged once per half-life. The zero Need is
// of a key without an end.
type Need struct{ least, life int64 }

// NeedOf is that of an entry that expires then; 0: never.
func NeedOf(expires, now store.Time) Need {
	least := (endlessTagLife / 2).Milliseconds()
	if expires != 0 {
		least = max(int64(expires-now), (leastTagLife / 2).Milliseconds())
	}
	return Need{least, 2 * least}
}

func (n Need) or(other Need) Need {
	return Need{max(n.least, other.least), max(n.life, other.life)}
}

// Needs are those of many tags.
type Needs map[string]Need

func (ns *Needs) Add(tag string, n Need) {
	if *ns == nil {
		*ns = make(Needs)
	}
	(*ns)[tag] = (*ns)[tag].or(n)
}

// neverEnds is the end of a key that has none.
const neverEnds = store.Time(math.MaxInt64)

// keyEnd is when a key ends that had left milliseconds when it was asked for at sent; -1 is
// neverEnds.
func keyEnd(sent store.Time, left int64) store.Time {
	if left < 0 {
		return neverEnds
	}
	return sent + store.Time(left)
}

// lifetimes are the keys of tags that are being prolonged in the background.
type lifetimes struct {
	mu      sync.Mutex
	needs   Needs              // nil: nothing
	failed  store.Time         // when it has failed last
	cancel  context.CancelFunc // nil: it does not run
	closed  bool
	working sync.WaitGroup
}

// Outlast has the keys of tags last longer than an entry that expires then, which was found
// or is being set. It compares times, and leaves the rest to the background.
func (t *Clock) Outlast(tags []string, expires store.Time) {
	if len(tags) == 0 {
		return
	}
	now := store.Now()
	need := NeedOf(expires, now)
	for _, tag := range tags {
		if end := t.Cells.until(tag); end != 0 && int64(end-now) < need.least {
			t.prolongSoon(tag, need)
		}
	}
}

func (t *Clock) prolongSoon(tag string, need Need) {
	l := &t.lifetimes
	l.mu.Lock()
	defer l.mu.Unlock()
	resting := l.failed != 0 && store.Now() < l.failed.Add(prolongAgain)
	if l.closed || resting || len(l.needs) >= mostProlonged || l.needs[tag].least >= need.least {
		return
	}
	l.needs.Add(tag, need)
	if l.cancel == nil {
		var ctx context.Context
		ctx, l.cancel = context.WithCancel(context.Background())
		l.working.Go(func() { t.prolong(ctx) })
	}
}

// prolong prolongs what there is to prolong. When that fails, a later read asks again.
func (t *Clock) prolong(ctx context.Context) {
	l := &t.lifetimes
	for {
		l.mu.Lock()
		needs := maps.Clone(l.needs)
		l.mu.Unlock()
		err := t.prolongAll(ctx, needs)
		l.mu.Lock()
		maps.DeleteFunc(l.needs, func(tag string, n Need) bool { return err != nil || n == needs[tag] })
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

func (t *Clock) prolongAll(ctx context.Context, needs Needs) error {
	for tags := range slices.Chunk(slices.Collect(maps.Keys(needs)), script.MaxPipeline) {
		if err := t.prolongChunk(ctx, tags, needs); err != nil {
			return err
		}
	}
	return nil
}

func (t *Clock) prolongChunk(ctx context.Context, tags []string, needs Needs) error {
	call, cancel := t.link.Deadlines.Begin(ctx)
	defer cancel()
	l, err := t.link.Reach(call, t.TagKey(tags[0]))
	if err != nil {
		return err
	}
	which := make([]int, len(tags))
	for i := range which {
		which[i] = i
	}
	return inParallel(which, func(i int) error {
		_, err := t.Complete(call, l, t.Cells.of(tags[i]), t.TagKey(tags[i]), needs[tags[i]])
		return err
	})
}

func (l *lifetimes) stop() {
	l.mu.Lock()
	l.closed = true
	if l.cancel != nil {
		l.cancel()
	}
	l.mu.Unlock()
	l.working.Wait()
}
