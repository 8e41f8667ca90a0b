package layered_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

func (s *lookedL1) GetMany(ctx context.Context, keys []string) ([]*store.Entry[int], error) {
	s.looks.Add(int64(len(keys)))
	return s.Store.GetMany(ctx, keys)
}

// A cold read looks into L1 once for each key.
func TestLook_onceARead(t *testing.T) {
	many := func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
		return map[string]store.Entry[int]{ks[0]: {Value: 1}}, nil
	}
	type reader func(t *testing.T, s *layered.Store[int])
	readers := map[string]reader{
		"Get":       func(t *testing.T, s *layered.Store[int]) { _, _ = s.Get(t.Context(), "k") },
		"GetOrLoad": func(t *testing.T, s *layered.Store[int]) { mustGet(t, s, "k", value(1)) },
		"Find": func(t *testing.T, s *layered.Store[int]) {
			if _, err := s.Find(t.Context(), "k", layered.Source[int]{Load: value(1)}); err != nil {
				t.Error(err)
			}
		},
		"FindFresh": func(t *testing.T, s *layered.Store[int]) {
			if _, err := s.FindFresh(t.Context(), "k", layered.Source[int]{Load: value(1)}); err != nil {
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

// A stale copy in L1 is found by the same look, and is a hit if it is the answer. The
// background refresh of it may look once more.
func TestLook_onceAStaleRead(t *testing.T) {
	single := func(ctx context.Context, s *layered.Store[int]) (f layered.Found[int], err error) {
		return s.Find(ctx, "k", layered.Source[int]{Load: value(2)})
	}
	many := func(ctx context.Context, s *layered.Store[int]) (f layered.Found[int], err error) {
		load := func(context.Context, []string) (map[string]store.Entry[int], error) {
			return map[string]store.Entry[int]{"k": {Value: 2}}, nil
		}
		s.FindMany(ctx, []string{"k"}, layered.Source[int]{LoadMany: load}, func(_ int, g *layered.Found[int], e error) { f, err = *g, e })
		return f, err
	}
	for tiers, second := range map[string]func() store.Store[int]{
		"two tiers": func() store.Store[int] { return &plain{m: memstore.New[int](nil)} }, "L1 alone": func() store.Store[int] { return nil },
	} {
		for how, wait := range map[string]bool{"waits": true, "does not wait": false} {
			for name, read := range map[string]func(context.Context, *layered.Store[int]) (layered.Found[int], error){"Find": single, "FindMany": many} {
				t.Run(tiers+": "+name+" "+how, func(t *testing.T) {
					l1 := &lookedL1{Store: memstore.New[int](nil)}
					s := open(t, l1, second(), &layered.Options[int]{StaleFor: time.Hour, StaleWhileRevalidate: !wait})
					if err := l1.Set(t.Context(), "k", store.Entry[int]{Value: 1, StaleAt: 1}); err != nil {
						t.Fatal(err)
					}
					f, err := read(t.Context(), s)
					if err != nil || f.Stale == wait {
						t.Errorf("got %+v, %v", f, err)
					}
					s.Close() // after the background refresh
					if counts := s.Counts(); (counts.L1Hits == 1) == wait {
						t.Errorf("%d hits of L1", counts.L1Hits)
					}
					if n := l1.looks.Load(); n != 1 && (wait || n > 2) {
						t.Errorf("%d looks into L1", n)
					}
				})
			}
		}
	}
}

// A reader that joins a load that began before it looks into L1 once more, and no more.
func TestLook_onceMoreAfterJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l1 := &lookedL1{Store: memstore.New[int](nil)}
		s := open(t, l1, nil, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			mustGet(t, s, "k", slow(time.Second, 1))
		}()
		synctest.Wait() // the load runs
		before := l1.looks.Load()
		mustGet(t, s, "k", mustNotLoad(t))
		<-done
		if n := l1.looks.Load() - before; n < 1 || n > 2 {
			t.Errorf("the reader looked into L1 %d times, want at most 2", n)
		}
		s.Close()
	})
}

// A look that was overtaken by a change is not believed.
func TestLook_overtaken(t *testing.T) {
	s := open(t, memstore.New[int](nil), nil, &layered.Options[int]{StaleFor: time.Hour})
	if err := s.Set(t.Context(), "k", store.Entry[int]{Value: 1, StaleAt: 1}); err != nil {
		t.Fatal(err)
	}
	l, ok := s.Lookup(t.Context(), "k")
	if ok || l.Entry() == nil || l.Entry().Value != 1 {
		t.Fatalf("looked and found %+v, %v", l.Entry(), ok)
	}
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	fails := func(context.Context, string) (store.Entry[int], error) { return store.Entry[int]{}, errSource }
	if f, err := s.FindAfter(t.Context(), "k", l, layered.Source[int]{Load: fails}); err == nil {
		t.Errorf("what was deleted is served: %+v", f)
	}
}
