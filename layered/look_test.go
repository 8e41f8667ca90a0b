package layered_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// lookedL1 counts how often it is asked for an entry.
type lookedL1 struct {
	*memstore.Store[int]
	looks atomic.Int64
}

func (s *lookedL1) Get(ctx context.Context, key string) (store.Entry[int], error) {
	s.looks.Add(1)
	return s.Store.Get(ctx, key)
}

func (s *lookedL1) GetMany(ctx context.Context, keys []string) (map[string]store.Entry[int], error) {
	s.looks.Add(int64(len(keys)))
	return s.Store.GetMany(ctx, keys)
}

// A read asks L1 once for each key, whatever comes of it.
func TestLook_onceARead(t *testing.T) {
	many := func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
		return map[string]store.Entry[int]{ks[0]: {Value: 1}}, nil
	}
	type reader func(t *testing.T, s *layered.Store[int])
	readers := map[string]reader{
		"Get":       func(t *testing.T, s *layered.Store[int]) { _, _ = s.Get(t.Context(), "k") },
		"GetOrLoad": func(t *testing.T, s *layered.Store[int]) { mustGet(t, s, "k", value(1)) },
		"Find": func(t *testing.T, s *layered.Store[int]) {
			if _, err := s.Find(t.Context(), "k", value(1)); err != nil {
				t.Error(err)
			}
		},
		"FindFresh": func(t *testing.T, s *layered.Store[int]) {
			if _, err := s.FindFresh(t.Context(), "k", value(1)); err != nil {
				t.Error(err)
			}
		},
		"GetMany": func(t *testing.T, s *layered.Store[int]) {
			if _, err := s.GetMany(t.Context(), []string{"k"}); err != nil {
				t.Error(err)
			}
		},
		"GetManyOrLoad": func(t *testing.T, s *layered.Store[int]) {
			if _, err := s.GetManyOrLoad(t.Context(), []string{"k"}, many); err != nil {
				t.Error(err)
			}
		},
	}
	for tiers, second := range map[string]func() store.Store[int]{
		"two tiers": func() store.Store[int] { return memstore.New[int](nil) }, "L1 alone": func() store.Store[int] { return nil },
	} {
		for how, o := range map[string]layered.Options[int]{"": {TTL: time.Millisecond, StaleFor: time.Hour}, ", stale while revalidate": {TTL: time.Millisecond, StaleFor: time.Hour, StaleWhileRevalidate: true}} {
			for name, read := range readers {
				t.Run(tiers+how+": "+name, func(t *testing.T) {
					l1 := &lookedL1{Store: memstore.New[int](nil)}
					s := open(t, l1, second(), &o)
					read(t, s)
					if n := l1.looks.Load(); n != 1 {
						t.Errorf("a cold read asks L1 %d times", n)
					}
					if c := s.Counts(); c.L1Hits != 0 {
						t.Errorf("it counts as %d hits of L1", c.L1Hits)
					}
				})
			}
		}
	}
}

// What is stale in L1 is found by the same question, and is a hit if it serves.
func TestLook_onceAStaleRead(t *testing.T) {
	for name, c := range map[string]struct {
		o    layered.Options[int]
		hits uint64
	}{
		"waits": {layered.Options[int]{StaleFor: time.Hour}, 0}, "does not wait": {layered.Options[int]{StaleFor: time.Hour, StaleWhileRevalidate: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l1 := &lookedL1{Store: memstore.New[int](nil)}
			s := open(t, l1, nil, &c.o)
			if err := l1.Set(t.Context(), "k", store.Entry[int]{Value: 1, StaleAt: 1}); err != nil {
				t.Fatal(err)
			}
			f, err := s.Find(t.Context(), "k", value(2))
			if err != nil || f.Stale != (c.hits == 1) {
				t.Errorf("got %+v, %v", f, err)
			}
			s.Close() // when what runs in the background has ended
			if counts := s.Counts(); counts.L1Hits != c.hits {
				t.Errorf("%d hits of L1, want %d", counts.L1Hits, c.hits)
			}
			if n := l1.looks.Load(); n != 1 && c.hits == 0 {
				t.Errorf("L1 was asked %d times", n)
			}
		})
	}
}

// A look that was overtaken by a change is not believed.
func TestLook_overtaken(t *testing.T) {
	s := open(t, memstore.New[int](nil), nil, &layered.Options[int]{StaleFor: time.Hour})
	if err := s.Set(t.Context(), "k", store.Entry[int]{Value: 1, StaleAt: 1}); err != nil {
		t.Fatal(err)
	}
	l, ok := s.Look(t.Context(), "k")
	if ok || l.Entry() == nil || l.Entry().Value != 1 {
		t.Fatalf("looked and found %+v, %v", l.Entry(), ok)
	}
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	fails := func(context.Context, string) (store.Entry[int], error) { return store.Entry[int]{}, errSource }
	if f, err := s.FindPast(t.Context(), "k", l, fails); err == nil {
		t.Errorf("what was deleted is served: %+v", f)
	}
}
