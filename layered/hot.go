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
	"github.com/lokroom/strata/layered/internal/lazy"
	"github.com/lokroom/strata/store"
)

// hotKeys is the hot-key sketch of a Store: a sample of the reads that L1 answers, and all
// other reads. Counting starts with Options.KeepHot, or the first call of Hottest or SaveHot.
type hotKeys struct {
	sketch  lazy.Value[hot.Sketch] // allocated when counting begins
	unknown bool                   // L1 is no HitSampler
	saving  sync.Mutex
	work    sync.WaitGroup // of Options.KeepHot

	mu    sync.Mutex
	ended bool
	stop  func() // ends the sampling of L1; nil: there is none
}

// saveHotEvery is the interval of saving with Options.KeepHot.
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

// startHotKeys begins to count with Options.KeepHot. l1 may be nil.
func (s *Store[T]) startHotKeys(l1 store.Store[T]) {
	if _, samples := l1.(store.HitSampler); l1 != nil && !samples {
		s.hotKeys.unknown = true
		return
	}
	if s.opts.KeepHot <= 0 {
		return
	}
	s.countReads()
	if s.hasL2 {
		ctx, cancel := context.WithCancel(context.Background())
		s.hotKeys.work.Go(func() { s.keepHot(ctx) })
		s.stop = append(s.stop, func() { cancel(); s.hotKeys.work.Wait() })
	}
}

// countReads begins to count, unless it has begun, and returns the sketch.
func (s *Store[T]) countReads() *hot.Sketch {
	h := &s.hotKeys
	if sketch := h.sketch.Peek(); sketch != nil {
		return sketch
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	sketch := h.sketch.Get()
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
func (h *hotKeys) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended = true; h.stop != nil {
		h.stop()
	}
}

// keepHot saves hot keys until ctx ends. After a failure they are saved the next time.
func (s *Store[T]) keepHot(ctx context.Context) {
	for {
		t := time.NewTimer(keys.Jitter(saveHotEvery, 0.1)) // so that processes do not do it at the same time
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
	sketch := s.hotKeys.sketch.Peek()
	if sketch == nil { // counting has not begun
		return
	}
	for _, key := range keys {
		sketch.Note(key, 1)
	}
}

// Hottest returns at most n keys that were read most through this Store recently, hottest
// first, with approximate counts. Counts are halved from time to time, so old reads count
// less. They cover some thousand keys; of more keys, those that are read most. Counting
// starts with the first call of Hottest or SaveHot, or with Options.KeepHot. It takes up to
// 400 KB and the texts of the keys, outside the memory budget of L1. An L1 that is no
// [store.HitSampler] is an error that is errors.ErrUnsupported.
func (s *Store[T]) Hottest(n int) ([]store.Hot, error) {
	if err := s.canCount("hottest"); err != nil {
		return nil, err
	}
	return s.countReads().Hottest(n), nil
}

// SaveHot adds the keys read most through this Store since the last SaveHot, at most n, to
// the list that L2 keeps for all processes, with one exchange. The list has at most 2n keys,
// and their counts halve every [store.HotHalfLife]. The frequency of calls does not change the
// counts. Counting starts as in Hottest. An L2 that is no [store.HotKeeper], or none, or an
// L1 that is no [store.HitSampler], is an error that is errors.ErrUnsupported.
func (s *Store[T]) SaveHot(ctx context.Context, n int) error {
	if err := s.canCount("save hot"); err != nil {
		return err
	}
	if n < 1 {
		return s.failed("save hot", "", fmt.Errorf("of %d keys", n))
	}
	s.hotKeys.saving.Lock()
	defer s.hotKeys.saving.Unlock()
	sketch := s.countReads()
	hot := sketch.Unsaved(n)
	if err := store.AddHot(ctx, s.l2, hot, 2*n); err != nil {
		return s.named(err)
	}
	sketch.Saved(hot)
	return nil
}

// SavedHot returns at most n keys of the list that L2 keeps: those that all processes that
// call SaveHot read most.
func (s *Store[T]) SavedHot(ctx context.Context, n int) ([]store.Hot, error) {
	if s.closed.Load() {
		return nil, s.errClosed("saved hot", "")
	}
	hot, err := store.ListHot(ctx, s.l2, n)
	return hot, s.named(err)
}

func (s *Store[T]) canCount(op string) error {
	switch {
	case s.closed.Load():
		return s.errClosed(op, "")
	case s.hotKeys.unknown:
		return s.failed(op, "", errors.ErrUnsupported)
	}
	return nil
}
