package layered

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

// StaleBounds are the upper bounds of the first buckets of [Counts].StaleFor; the
// last bucket has none.
var StaleBounds = [4]time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second}

// A sampler compares now and then what L1 answers with what L2 has, in the
// background: the promise that copies are hardly ever old is measured, not believed.
// Meta's Polaris does the like for a fleet (How Meta made cache consistent, 2022).
type sampler struct {
	armed atomic.Bool // the next hit is compared

	current, stale atomic.Uint64
	staleFor       [len(StaleBounds) + 1]atomic.Uint64

	mu     sync.Mutex
	closed bool
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func (s *Store[T]) startSampler() {
	s.sampler.ctx, s.sampler.cancel = context.WithCancel(context.Background())
	s.sampler.armed.Store(s.checker != nil && s.opts.SampleEvery > 0)
}

func (p *sampler) stop() {
	p.mu.Lock()
	p.closed = true
	p.armed.Store(false)
	p.cancel()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	p.work.Wait()
}

// sample compares e, which L1 has just answered with, unless it is too early for
// another sample.
func (s *Store[T]) sample(key string, e *store.Entry[T]) {
	p := &s.sampler
	if e.Epoch == noEpoch || e.Version == 0 || !p.armed.CompareAndSwap(true, false) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.timer = time.AfterFunc(s.opts.SampleEvery, func() { p.armed.Store(true) })
	served := time.Now()
	p.work.Go(func() { s.compare(key, *e, served) })
}

// compare asks L2 whether e, which was served at a time, is what it has. If not, e
// is stale until L1 drops it: usually the push is on its way.
func (s *Store[T]) compare(key string, e store.Entry[T], served time.Time) {
	p := &s.sampler
	changed, stop := s.guard.await(key)
	defer stop()
	_, err := s.checker.Recheck(p.ctx, key, e)
	switch {
	case err == nil:
		p.current.Add(1)
		return
	case !errors.Is(err, store.ErrNotFound) || e.Expired(store.Now()):
		return
	}
	if now, err := s.peek(p.ctx, key); err == nil && now.Version == e.Version { // else it is gone already
		t := time.NewTimer(max(2*s.opts.MaxUnheard, time.Second))
		defer t.Stop()
		select {
		case <-changed:
		case <-t.C:
		case <-p.ctx.Done():
			return
		}
	}
	age := time.Since(served)
	p.stale.Add(1)
	i := 0
	for i < len(StaleBounds) && age > StaleBounds[i] {
		i++
	}
	p.staleFor[i].Add(1)
}
