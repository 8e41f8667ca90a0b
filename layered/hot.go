package layered

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/hot"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// A heat counts what is read through a Store: from L1 a sample, from behind it all. It
// does so from when somebody asks for it, by Options.KeepHot, Hottest or SaveHot.
type heat struct {
	sketch  lazy[hot.Sketch] // made when counting begins
	unknown bool             // L1 does not tell what it is asked for
	saving  sync.Mutex
	work    sync.WaitGroup // of Options.KeepHot

	mu    sync.Mutex
	ended bool
	stop  func() // ends the sampling of L1; nil: there is none
}

// saveHotEvery is how often Options.KeepHot has keys saved.
const saveHotEvery = time.Minute

// keepsHot returns what is wrong with Options.KeepHot for these tiers, which may be nil.
func (o *Options[T]) keepsHot(l1, l2 store.Store[T]) (errs []error) {
	if o.KeepHot <= 0 || l2 == nil {
		return nil
	}
	if _, ok := l2.(store.HotKeeper); !ok {
		errs = append(errs, fmt.Errorf("L2 %T must be a store.HotKeeper for KeepHot", l2))
	}
	if _, ok := l1.(store.HitSampler); !ok && l1 != nil {
		errs = append(errs, fmt.Errorf("L1 %T must be a store.HitSampler for KeepHot", l1))
	}
	return errs
}

// startHeat begins to count if Options.KeepHot says so. l1 may be nil.
func (s *Store[T]) startHeat(l1 store.Store[T]) {
	if _, samples := l1.(store.HitSampler); l1 != nil && !samples {
		s.heat.unknown = true
		return
	}
	if s.opts.KeepHot <= 0 {
		return
	}
	s.countReads()
	if s.hasL2 {
		ctx, cancel := context.WithCancel(context.Background())
		s.heat.work.Go(func() { s.keepHot(ctx) })
		s.stop = append(s.stop, func() { cancel(); s.heat.work.Wait() })
	}
}

// countReads begins to count, unless that has begun, and returns the counts.
func (s *Store[T]) countReads() *hot.Sketch {
	h := &s.heat
	if sketch := h.sketch.peek(); sketch != nil {
		return sketch
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	sketch := h.sketch.get()
	if h.ended || h.stop != nil {
		return sketch
	}
	var every atomic.Int64
	n, stop, err := store.SampleHits(s.l1, func(key string) { sketch.Note(key, float64(every.Load())) })
	if err == nil { // else there is no L1
		every.Store(int64(n))
		h.stop = stop
	}
	return sketch
}

// end ends the counting.
func (h *heat) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended = true; h.stop != nil {
		h.stop()
	}
}

// keepHot saves what is hot until ctx ends. What fails is saved with the next.
func (s *Store[T]) keepHot(ctx context.Context) {
	for {
		t := time.NewTimer(keys.Jitter(saveHotEvery, 0.1)) // so that a fleet does not do it in step
		select {
		case <-t.C:
			_ = s.SaveHot(ctx, s.opts.KeepHot)
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// noteRead counts reads of keys that L1 does not answer.
func (s *Store[T]) noteRead(keys ...string) {
	sketch := s.heat.sketch.peek()
	if sketch == nil { // nobody has asked
		return
	}
	for _, key := range keys {
		sketch.Note(key, 1)
	}
}

// Hottest returns at most n keys that were read most of late through this Store, the
// first of them most, and about how often. What was read long ago counts less: the
// counts are halved now and then. Of some thousand keys the counts are known; of more,
// of those that are read most. Reads are counted from the first call of Hottest or
// SaveHot, or from the beginning with Options.KeepHot. The counts take up to 400 KB and
// the texts of the keys, beside the memory of L1. An L1 that is no [store.HitSampler] is
// an error that is errors.ErrUnsupported.
func (s *Store[T]) Hottest(n int) ([]store.Hot, error) {
	if err := s.heated("hottest"); err != nil {
		return nil, err
	}
	return s.countReads().Hottest(n), nil
}

// SaveHot adds what was read most through this Store since the last SaveHot, n keys at
// most, to the list that L2 keeps for all processes, with one exchange. The list has
// 2n keys at most, and what is on it counts half after [store.HotHalfLife]. How often
// SaveHot is called does not matter to the counts, which begin as with Hottest. An L2 that is no [store.HotKeeper],
// or none, is an error that is errors.ErrUnsupported; and so is an L1 as in Hottest.
func (s *Store[T]) SaveHot(ctx context.Context, n int) error {
	if err := s.heated("save hot"); err != nil {
		return err
	}
	if n < 1 {
		return s.failed("save hot", "", fmt.Errorf("of %d keys", n))
	}
	s.heat.saving.Lock()
	defer s.heat.saving.Unlock()
	sketch := s.countReads()
	hot := sketch.Unsaved(n)
	if err := store.AddHot(ctx, s.l2, hot, 2*n); err != nil {
		return s.named(err)
	}
	sketch.Saved(hot)
	return nil
}

// SavedHot returns at most n keys of the list that L2 keeps: those that all processes
// together have read most, as far as they called SaveHot.
func (s *Store[T]) SavedHot(ctx context.Context, n int) ([]store.Hot, error) {
	if s.closed.Load() {
		return nil, s.errClosed("saved hot", "")
	}
	hot, err := store.ListHot(ctx, s.l2, n)
	return hot, s.named(err)
}

func (s *Store[T]) heated(op string) error {
	switch {
	case s.closed.Load():
		return s.errClosed(op, "")
	case s.heat.unknown:
		return s.failed(op, "", errors.ErrUnsupported)
	}
	return nil
}
