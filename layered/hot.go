package layered

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lokroom/strata/internal/hot"
	"github.com/lokroom/strata/store"
)

// A heat counts what is read through a Store: from L1 a sample, from behind it all.
type heat struct {
	sketch  hot.Sketch
	unknown bool // L1 does not tell what it is asked for
	saving  sync.Mutex
}

func (s *Store[T]) startHeat(l1 store.Store[T]) {
	if l1 == nil {
		return
	}
	var every int
	every, stop, err := store.SampleHits(l1, func(key string) { s.heat.sketch.Note(key, float64(every)) })
	if err != nil {
		s.heat.unknown = true
		return
	}
	s.stop = append(s.stop, stop)
}

// noteRead counts reads of keys that L1 does not answer.
func (s *Store[T]) noteRead(keys ...string) {
	for _, key := range keys {
		s.heat.sketch.Note(key, 1)
	}
}

// Hottest returns at most n keys that were read most of late through this Store, the
// first of them most, and about how often. What was read long ago counts less: the
// counts are halved now and then. Of some thousand keys the counts are known; of more,
// of those that are read most. An L1 that is no [store.HitSampler] is an error that is
// errors.ErrUnsupported.
func (s *Store[T]) Hottest(n int) ([]store.Hot, error) {
	if err := s.heated("hottest"); err != nil {
		return nil, err
	}
	return s.heat.sketch.Hottest(n), nil
}

// SaveHot adds what was read most through this Store since the last SaveHot, n keys at
// most, to the list that L2 keeps for all processes, with one exchange. The list has
// 2n keys at most, and what is on it counts half after [store.HotHalfLife]. How often
// SaveHot is called does not matter to the counts. An L2 that is no [store.HotKeeper],
// or none, is an error that is errors.ErrUnsupported; and so is an L1 as in Hottest.
func (s *Store[T]) SaveHot(ctx context.Context, n int) error {
	if err := s.heated("save hot"); err != nil {
		return err
	}
	if n < 1 {
		return &store.Error{Store: "layered", Op: "save hot", Err: fmt.Errorf("of %d keys", n)}
	}
	s.heat.saving.Lock()
	defer s.heat.saving.Unlock()
	hot := s.heat.sketch.Unsaved(n)
	if err := store.AddHot(ctx, s.l2, hot, 2*n); err != nil {
		return err
	}
	s.heat.sketch.Saved(hot)
	return nil
}

// SavedHot returns at most n keys of the list that L2 keeps: those that all processes
// together have read most, as far as they called SaveHot.
func (s *Store[T]) SavedHot(ctx context.Context, n int) ([]store.Hot, error) {
	if s.closed.Load() {
		return nil, s.errClosed("saved hot", "")
	}
	return store.ListHot(ctx, s.l2, n)
}

func (s *Store[T]) heated(op string) error {
	switch {
	case s.closed.Load():
		return s.errClosed(op, "")
	case s.heat.unknown:
		return &store.Error{Store: "layered", Op: op, Err: errors.ErrUnsupported}
	}
	return nil
}

// Warm is GetManyOrLoad that returns no values, only for how many of the keys there is
// an answer now, and does not count as reading. With a nil load it is GetMany, so that
// it fills L1 with what L2 has.
func (s *Store[T]) Warm(ctx context.Context, keys []string, load ManyLoader[T]) (n int, err error) {
	var found map[string]store.Entry[T]
	if load == nil {
		found, err = s.getMany(ctx, keys, false)
	} else {
		found, err = s.getManyOrLoad(ctx, keys, load, false)
	}
	return len(found), err
}
