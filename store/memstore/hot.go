package memstore

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/lokroom/strata/store"
)

// errMost is the cause where AddHot is to keep no key at all.
var errMost = errors.New("fewer than one key")

// SampleHits implements [store.HitSampler]: fn is called for every hit.
func (s *Store[T]) SampleHits(fn func(key string)) (every int, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samplers = append(s.samplers, &fn)
	return 1, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.samplers = slices.DeleteFunc(s.samplers, func(f *func(string)) bool { return f == &fn })
	}
}

// AddHot implements [store.HotKeeper].
func (s *Store[T]) AddHot(_ context.Context, hot []store.Hot, most int) error {
	if most < 1 {
		return failure("add hot", "", errMost)
	}
	if err := s.begin("add hot", ""); err != nil {
		return err
	}
	defer s.mu.Unlock()
	now := time.Now()
	faded := math.Exp2(-float64(now.Sub(s.hotAt)) / float64(store.HotHalfLife))
	s.hotAt = now
	reads := make(map[string]float64, len(s.hot)+len(hot))
	for _, h := range s.hot {
		reads[h.Key] = h.Reads * faded
	}
	for _, h := range hot {
		reads[h.Key] += h.Reads
	}
	s.hot = s.hot[:0]
	for key, n := range reads {
		s.hot = append(s.hot, store.Hot{Key: key, Reads: n})
	}
	slices.SortFunc(s.hot, func(a, b store.Hot) int { return cmp.Compare(b.Reads, a.Reads) })
	s.hot = s.hot[:min(most, len(s.hot))]
	return nil
}

// ListHot implements [store.HotKeeper].
func (s *Store[T]) ListHot(_ context.Context, n int) ([]store.Hot, error) {
	if err := s.begin("list hot", ""); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return slices.Clone(s.hot[:min(max(n, 0), len(s.hot))]), nil
}
