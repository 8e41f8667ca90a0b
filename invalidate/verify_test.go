package invalidate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/store"
)

// A shelf is a cache of strings with a source.
type shelf struct {
	mu     sync.Mutex // for the maps
	cached map[int]store.Entry[string]
	source map[int]string
	err    error
}

func (*shelf) Name() string                { return "shelf" }
func (*shelf) Text(id int) (string, error) { return strconv.Itoa(id), nil }

func (s *shelf) Peek(_ context.Context, id int) (store.Entry[string], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.cached[id]
	if !ok {
		return e, store.ErrNotFound
	}
	return e, e.MissError()
}

func (s *shelf) Get(_ context.Context, id int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.source[id]; ok || s.err != nil {
		return v, s.err
	}
	return "", store.ErrNotFound
}

// later runs f in a second.
func (s *shelf) later(f func()) {
	time.AfterFunc(time.Second, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f()
	})
}

type Restocked struct{ ID int }

func newShelf(at time.Time) *shelf {
	e := func(v string) store.Entry[string] {
		return store.Entry[string]{Value: v, Version: 7, LoadedAt: store.At(at)}
	}
	return &shelf{
		cached: map[int]store.Entry[string]{1: e("same"), 2: e("old"), 3: {Absent: true, LoadedAt: store.At(at)}, 4: e("deleted"), 5: {Absent: true}, 6: e("late")},
		source: map[int]string{1: "same", 2: "new", 3: "there now", 6: "moved", 7: "never cached"},
	}
}

// Verify reports what stays different, with the event that should have removed it, and not
// what an invalidation removes in time.
func TestVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(time.Now().Add(-time.Minute))
		rules := invalidate.NewRules()
		invalidate.On(rules, func(e Restocked) invalidate.Targets { return invalidate.Targets{invalidate.IDs(s, e.ID)} })
		bus, _ := newBus(t, rules, &invalidate.BusOptions{Remember: 2})
		if err := bus.Publish(t.Context(), Restocked{2}); err != nil {
			t.Fatal(err)
		}
		sent := time.Now()
		var called []int
		s.later(func() { delete(s.cached, 6) }) // an invalidation that was on its way
		r, err := invalidate.Verify(t.Context(), s, slices.Values([]int{1, 2, 3, 4, 5, 6, 7}), &invalidate.VerifyOptions[int, string]{
			Bus: bus, OnStale: func(s invalidate.StaleValue[int]) { called = append(called, s.ID) },
		})
		if err != nil || r.Checked != 6 || r.Missing != 1 || len(r.Stale) != 3 {
			t.Fatalf("report %+v, %v", r, err)
		}
		slices.SortFunc(r.Stale, func(a, b invalidate.StaleValue[int]) int { return a.ID - b.ID })
		want := invalidate.StaleValue[int]{ID: 2, Age: 63 * time.Second, Version: 7, Event: "Restocked", Invalidated: sent}
		if got := r.Stale[0]; !got.Invalidated.Equal(sent) || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("stale %+v, want %+v", got, want)
		}
		if r.Stale[1].ID != 3 || !r.Stale[1].Absent || r.Stale[2].ID != 4 || r.Stale[2].Event != "" || len(called) != 3 {
			t.Errorf("stale %+v; called with %v", r.Stale, called)
		}
	})
}

// A source that fails says nothing about the values.
func TestVerify_failures(t *testing.T) {
	s := newShelf(time.Now())
	s.err = errors.New("down")
	r, err := invalidate.Verify(t.Context(), s, slices.Values([]int{1, 2}), nil)
	if !errors.Is(err, s.err) || len(r.Stale) != 0 || r.Checked != 0 {
		t.Errorf("report %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := invalidate.Verify(ctx, s, slices.Values([]int{1}), nil); !errors.Is(err, context.Canceled) || r.Checked != 0 {
		t.Errorf("report %+v, %v", r, err)
	}
}

// A value that was loaded again, or a source that went back, is not stale. Equal decides.
func TestVerify_changing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(time.Now())
		s.later(func() {
			s.cached[2] = store.Entry[string]{Value: "another", Version: 8}
			s.source[6] = "late"
		})
		r, err := invalidate.Verify(t.Context(), s, slices.Values([]int{2, 6}), nil)
		if err != nil || len(r.Stale) != 0 {
			t.Errorf("report %+v, %v", r, err)
		}
		r, err = invalidate.Verify(t.Context(), s, slices.Values([]int{2}), &invalidate.VerifyOptions[int, string]{Equal: func(a, b string) bool { return len(a) > len(b) }})
		if err != nil || len(r.Stale) != 0 {
			t.Errorf("report %+v, %v", r, err)
		}
	})
}

// Of more ids than Remember some are forgotten, and clears count for all ids of a cache.
func TestBus_Remember(t *testing.T) {
	s := newShelf(time.Now())
	rules := invalidate.NewRules()
	invalidate.On(rules, func(e Restocked) invalidate.Targets {
		if e.ID == 0 {
			return invalidate.Targets{invalidate.All(s)}
		}
		return invalidate.Targets{invalidate.IDs(s, e.ID)}
	})
	bus, _ := newBus(t, rules, &invalidate.BusOptions{Remember: 3})
	known := func() (n int) {
		r, err := invalidate.Verify(t.Context(), s, slices.Values([]int{2, 4}), &invalidate.VerifyOptions[int, string]{Bus: bus, Settle: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Stale {
			if v.Event != "" {
				n++
			}
		}
		return n
	}
	if n := known(); n != 0 {
		t.Errorf("%d events before any", n)
	}
	for id := range 100 {
		if err := bus.Publish(t.Context(), Restocked{id + 1000}); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.Publish(t.Context(), Restocked{4}); err != nil {
		t.Fatal(err)
	}
	if n := known(); n != 1 {
		t.Errorf("%d events, want that of 4", n)
	}
	if err := bus.Publish(t.Context(), Restocked{0}); err != nil {
		t.Fatal(err)
	}
	if n := known(); n != 2 {
		t.Errorf("%d events after a clear, want 2", n)
	}
}
