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

// A sampler compares an answer of L1 with L2 now and then, in the background, so that the age
// of copies is measured. Polaris of Meta does this for a fleet (How Meta made cache
// consistent, 2022).
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
	s.sampler.armed.Store(s.filler != nil && s.opts.SampleEvery > 0)
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

// sample compares e, which L1 has just returned, unless it is too early for another sample.
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

// compare asks L2 whether it has e, which was served at a time. If not, e is dropped. Usually
// the push of the change is on its way. If it does not come, pushes are lost, and all copies
// are suspect.
func (s *Store[T]) compare(key string, e store.Entry[T], served time.Time) {
	p := &s.sampler
	_, err := s.filler.Revalidate(p.ctx, key, e)
	switch {
	case err == nil:
		p.current.Add(1)
		return
	case !errors.Is(err, store.ErrNotFound) || e.Expired(store.Now()) || s.lostByL2(&e):
		return
	}
	here := mutant.KeepSampled.Load() || s.dropCopy(key, e.Version)
	m := s.fence.Token(key)
	p.note(time.Since(served))
	if !here || s.maxStale > 0 { // the push has come, or L2 pushes none
		return
	}
	t := time.NewTimer(max(2*s.opts.MaxDisconnected, time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		if m.Valid() && e.Epoch == s.conn.epoch.Load() {
			s.invalidated(store.Invalidation{All: true})
		}
	case <-p.ctx.Done():
	}
}

// note counts a stale answer. age is the time until L1 dropped the copy.
func (p *sampler) note(age time.Duration) {
	p.stale.Add(1)
	i := 0
	for i < len(StaleBounds) && age > StaleBounds[i] {
		i++
	}
	p.staleFor[i].Add(1)
}
