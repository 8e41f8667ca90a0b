package redisstore

import (
	"context"
	"errors"
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
	firstTagRetry = 50 * time.Millisecond
	lastTagRetry  = 2 * time.Second
)

// pendingTags are those that this client has invalidated and that Redis, as far as
// is known, has not heard of. Until it has, no entry that carries one is found.
type pendingTags struct {
	some atomic.Bool // the usual answer is no, and costs a load

	mu     sync.Mutex
	tags   map[string]pendingTag
	calls  uint64
	wake   chan struct{}      // Redis is back
	cancel context.CancelFunc // of the retrying; nil: it does not run
	closed bool
	work   sync.WaitGroup
}

// A pendingTag is known by the number of the call that failed last.
type pendingTag struct {
	call  uint64
	since time.Time // the first call that failed
}

func (p *pendingTags) any(tags []string) bool {
	if !p.some.Load() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(tags, func(tag string) bool { _, ok := p.tags[tag]; return ok })
}

// leavesOpen reports whether err leaves open that Redis has not heard.
func leavesOpen(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// pend has tags invalidated as soon as that can be done.
func (t *Tags) pend(tags []string) {
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
		since := time.Now()
		if was, ok := p.tags[tag]; ok {
			since = was.since
		}
		p.tags[tag] = pendingTag{p.calls, since}
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

// tryPending invalidates what is pending, and reports whether nothing is left.
func (t *Tags) tryPending(ctx context.Context) (done bool, err error) {
	p := &t.pending
	p.mu.Lock()
	tags := maps.Clone(p.tags)
	p.mu.Unlock()
	keys := make([]string, 0, len(tags))
	for tag := range tags {
		keys = append(keys, t.tagKey(tag))
	}
	m := t.moment()
	if err := t.raise(ctx, tagLife, keys...); err != nil && !errors.Is(err, store.ErrReplicas) {
		return false, err
	}
	if known := slices.Collect(maps.Keys(tags)); !t.invalidatedAt(m, known) {
		t.pend(known) // see Invalidate
	}
	return t.done(tags), nil
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
	return &store.Error{Store: storeName, Op: "flush", Err: fmt.Errorf("%w: Redis has not heard of %d invalidated tags", store.ErrUnavailable, n)}
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

// counts returns how many tags are pending, and for how long the oldest.
func (p *pendingTags) counts() (n int, oldest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, tag := range p.tags {
		oldest = max(oldest, time.Since(tag.since))
	}
	return len(p.tags), oldest
}

// done takes out what was invalidated, and reports whether nothing is left.
func (t *Tags) done(tags map[string]pendingTag) bool {
	p := &t.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	for tag, was := range tags {
		t.copies.drop(tag)                // before it counts as not pending
		if p.tags[tag].call == was.call { // else it failed again meanwhile
			delete(p.tags, tag)
		}
	}
	if len(p.tags) > 0 {
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
