package layered

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/mutant"
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

// compare asks L2 whether e, which was served at a time, is what it has. If not, e is
// dropped. Usually the push of the change is on its way; if it does not come, pushes are
// lost, and all copies are in doubt.
func (s *Store[T]) compare(key string, e store.Entry[T], served time.Time) {
	p := &s.sampler
	_, err := s.checker.Recheck(p.ctx, key, e)
	switch {
	case err == nil:
		p.current.Add(1)
		return
	case !errors.Is(err, store.ErrNotFound) || e.Expired(store.Now()) || s.outlived(&e):
		return
	}
	here := mutant.KeepSampled.Load() || s.dropCopy(key, e.Version)
	m := s.guard.mark(key)
	p.note(time.Since(served))
	if !here || s.maxStale > 0 { // the push has come, or none is to come
		return
	}
	t := time.NewTimer(max(2*s.opts.MaxUnheard, time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		if s.guard.mark(key).epoch == m.epoch && e.Epoch == s.trust.epoch.Load() {
			s.invalidated(store.Invalidation{All: true})
		}
	case <-p.ctx.Done():
	}
}

// note counts an answer that was stale, for so long until L1 had dropped the copy.
func (p *sampler) note(age time.Duration) {
	p.stale.Add(1)
	i := 0
	for i < len(StaleBounds) && age > StaleBounds[i] {
		i++
	}
	p.staleFor[i].Add(1)
}

// dropCopy removes the copy of this version from L1, and reports whether it was there. Who
// waits for a change of key goes on waiting.
func (s *Store[T]) dropCopy(key string, version uint64) (here bool) {
	ctx := context.Background()
	s.guard.overtake(key, func() {
		if now, err := s.peek(ctx, key); err == nil && now.Version == version {
			here = true
			_ = s.l1.Delete(ctx, key) // in memory
		}
	})
	return here
}
