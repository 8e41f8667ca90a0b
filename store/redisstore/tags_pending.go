package redisstore

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

const (
	// mostPendingTags is how many tags may wait for Redis; with more, every tag does.
	// What carries any then counts as invalidated, here and, once Redis has heard of it,
	// wherever the tags are used.
	mostPendingTags = 100_000

	firstTagRetry = 50 * time.Millisecond
	lastTagRetry  = 2 * time.Second
)

// pendingTags are those that this client has invalidated and that Redis, as far as
// is known, has not heard of. Until it has, no entry that carries one is found.
type pendingTags struct {
	some atomic.Bool // the usual answer is no, and costs a load

	mu    sync.Mutex
	tags  map[string]pendingTag
	every pendingTag // zero: not all of them
	calls uint64
	wake  chan struct{} // Redis is back

	refused    uint64 // those that Redis refuses for good
	refusedErr error  // the last of them

	cancel context.CancelFunc // of the retrying; nil: it does not run
	closed bool
	work   sync.WaitGroup
}

// A pendingTag is known by the number of the call that failed last.
type pendingTag struct {
	call  uint64
	since time.Time // the first call that failed
}

// again is p after another call that failed.
func (p pendingTag) again(call uint64) pendingTag {
	if p.call == 0 {
		p.since = time.Now()
	}
	p.call = call
	return p
}

func (p *pendingTags) any(tags []string) bool {
	if !p.some.Load() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.every.call > 0 && len(tags) > 0 || slices.ContainsFunc(tags, func(tag string) bool { _, ok := p.tags[tag]; return ok })
}

// last returns the number of the last call that failed.
func (p *pendingTags) last() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// forget takes out tags that were invalidated by a call that began when before was the
// last one that had failed.
func (p *pendingTags) forget(tags []string, before uint64) {
	if !p.some.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, tag := range tags {
		if p.tags[tag].call <= before {
			delete(p.tags, tag)
		}
	}
	p.some.Store(len(p.tags) > 0 || p.every.call > 0)
}

// pend has tags, or all there are, invalidated as soon as that can be done.
func (t *Tags) pend(tags []string, every bool) {
	p := &t.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if p.tags == nil {
		p.tags, p.wake = make(map[string]pendingTag), make(chan struct{}, 1)
	}
	p.calls++
	for _, tag := range tags {
		p.tags[tag] = p.tags[tag].again(p.calls)
	}
	if every || len(p.tags) > mostPendingTags {
		p.every = p.every.again(p.calls)
		clear(p.tags)
	}
	p.some.Store(true)
	if p.cancel == nil {
		var ctx context.Context
		ctx, p.cancel = context.WithCancel(context.Background())
		p.work.Go(func() { t.retry(ctx) })
	}
}

// retry invalidates what is pending until nothing is.
func (t *Tags) retry(ctx context.Context) {
	p := &t.pending
	for wait := firstTagRetry; ; wait = min(2*wait, lastTagRetry) {
		timer := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-timer.C:
		case <-p.wake:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
		done, err := t.tryPending(ctx)
		switch {
		case done:
			return
		case err == nil:
			wait = firstTagRetry
		}
	}
}

// tryPending invalidates what is pending, and reports whether nothing is left. What Redis
// does not take stays, and nothing else does: what Redis refuses for good is counted. err is
// the first of those that stay.
func (t *Tags) tryPending(ctx context.Context) (done bool, err error) {
	p := &t.pending
	p.mu.Lock()
	tags, every := maps.Clone(p.tags), p.every
	p.mu.Unlock()
	m := t.moment()
	if every.call > 0 { // which covers the others
		err = t.raise(ctx, 0, t.everyKey())[0]
		known := slices.Collect(maps.Keys(tags))
		switch cause := t.tagOutcome(ctx, err); store.OutcomeOf(cause) {
		case store.Open:
			return false, err
		case store.Refused:
			t.refuse("", cause)
			return t.done(tags, every), nil
		}
		if !t.invalidatedAt(m, known, true) {
			t.pend(known, true) // see made
		}
		return t.done(tags, every), nil
	}
	known := slices.Collect(maps.Keys(tags))
	var made []string
	for i, e := range t.raiseTags(ctx, known) {
		switch cause := t.tagOutcome(ctx, e); store.OutcomeOf(cause) {
		case store.Open:
			delete(tags, known[i])
			err = firstOf(err, e)
		case store.Refused:
			t.refuse(known[i], cause)
		default:
			made = append(made, known[i])
		}
	}
	if len(made) > 0 && !t.invalidatedAt(m, made, false) {
		t.pend(made, false)
	}
	return t.done(tags, every), err
}

// tagOutcome returns err, of raise, as it tells its outcome.
func (t *Tags) tagOutcome(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return openCause(err, t.client.cause(ctx, err))
}

// Flush waits, until ctx is done at most, for Redis to hear of the tags that it could not
// be told of. If there are some left, which are lost when the client is closed, it returns
// an error that is ErrUnavailable and says how many.
func (t *Tags) Flush(ctx context.Context) error {
	p := &t.pending
	p.back()
	for wait := time.Millisecond; p.some.Load() && ctx.Err() == nil; wait = min(2*wait, firstTagRetry) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		p.back()
	}
	n, _ := p.counts()
	if n == 0 {
		return nil
	}
	what := fmt.Sprintf("%d invalidated tags", n)
	if n < 0 {
		what = "the invalidation of every tag"
	}
	return &store.Error{Store: storeName, Op: "flush", Err: fmt.Errorf("%w: Redis has not heard of %s", store.ErrUnavailable, what)}
}

// back says that Redis can be told.
func (p *pendingTags) back() {
	if !p.some.Load() {
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// counts returns how many tags are pending, -1 for all, and for how long the oldest.
func (p *pendingTags) counts() (n int, oldest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, tag := range p.tags {
		oldest = max(oldest, time.Since(tag.since))
	}
	if p.every.call > 0 {
		return -1, max(oldest, time.Since(p.every.since))
	}
	return len(p.tags), oldest
}

// done takes out what was invalidated, and reports whether nothing is left.
func (t *Tags) done(tags map[string]pendingTag, every pendingTag) bool {
	p := &t.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	for tag, was := range tags {
		t.copies.drop(tag)                // before it counts as not pending
		if p.tags[tag].call == was.call { // else it failed again meanwhile
			delete(p.tags, tag)
		}
	}
	if every.call > 0 {
		t.every.drop()
		if p.every.call == every.call {
			p.every = pendingTag{}
		}
	}
	if len(p.tags) > 0 || p.every.call > 0 {
		return false
	}
	p.some.Store(false)
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	return true
}

func (p *pendingTags) stop() {
	p.mu.Lock()
	p.closed = true
	if p.cancel != nil {
		p.cancel()
	}
	p.mu.Unlock()
	p.work.Wait()
}
