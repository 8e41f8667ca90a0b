package redisstore

import (
	"context"
	"errors"
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
	tags   map[string]uint64 // by the number of the call that failed last
	calls  uint64
	cancel context.CancelFunc // of the retrying; nil: it does not run
	closed bool
	work   sync.WaitGroup
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
		p.tags = make(map[string]uint64)
	}
	p.calls++
	for _, tag := range tags {
		p.tags[tag] = p.calls
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
		case <-ctx.Done():
			timer.Stop()
			return
		}
		p.mu.Lock()
		tags := maps.Clone(p.tags)
		p.mu.Unlock()
		keys := make([]string, 0, len(tags))
		for tag := range tags {
			keys = append(keys, t.tagKey(tag))
		}
		m := t.moment()
		if err := t.raise(ctx, tagLife, keys...); err != nil && !errors.Is(err, store.ErrReplicas) {
			continue
		}
		if known := slices.Collect(maps.Keys(tags)); !t.invalidatedAt(m, known) {
			t.pend(known) // see Invalidate
		}
		if t.done(tags) {
			return
		}
		wait = firstTagRetry
	}
}

// done takes out what was invalidated, and reports whether nothing is left.
func (t *Tags) done(tags map[string]uint64) bool {
	p := &t.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	for tag, call := range tags {
		t.copies.drop(tag)       // before it counts as not pending
		if p.tags[tag] == call { // else it failed again meanwhile
			delete(p.tags, tag)
		}
	}
	if len(p.tags) > 0 {
		return false
	}
	p.some.Store(false)
	p.cancel()
	p.cancel = nil
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
