package layered_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// keyed loads n for the key "kn", of any number of keys at once.
func keyed(loads *int) layered.ManyLoader[int] {
	return func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
		*loads++
		found := map[string]store.Entry[int]{}
		for _, key := range ks {
			var n int
			if _, err := fmt.Sscanf(key, "k%d", &n); err == nil {
				found[key] = store.Entry[int]{Value: n}
			}
		}
		return found, nil
	}
}

// Warm fills both tiers with one load, and does not count as reading.
func TestWarm(t *testing.T) {
	s, first, second := tiers(t, nil)
	var loads int
	left, err := s.Warm(t.Context(), []string{"k1", "k2", "none", "k2"}, layered.Source[int]{LoadMany: keyed(&loads)})
	if len(left) != 0 || err != nil || loads != 1 {
		t.Errorf("left %v, %v, with %d loads", left, err, loads)
	}
	if hot, err := s.Hottest(10); len(hot) != 0 || err != nil {
		t.Errorf("%v count as read, %v", hot, err)
	}
	for key, v := range map[string]int{"k1": 1, "k2": 2} {
		for _, tier := range []store.Store[int]{first, second} {
			if e, err := tier.Get(t.Context(), key); err != nil || e.Value != v {
				t.Errorf("%T has %v, %v under %s", tier, e.Value, err, key)
			}
		}
	}
}

// Without a load it fills L1 with what L2 has fresh, and says what that is not.
func TestWarm_withoutLoad(t *testing.T) {
	s, first, second := tiers(t, nil)
	for key, e := range map[string]store.Entry[int]{
		"fresh": {Value: 1}, "stale": {Value: 2, StaleAt: 1}, "absent": {Absent: true},
	} {
		if err := second.Set(t.Context(), key, e); err != nil {
			t.Fatal(err)
		}
	}
	left, err := s.Warm(t.Context(), []string{"fresh", "stale", "absent", "gone", "gone"}, layered.Source[int]{})
	if slices.Sort(left); err != nil || !slices.Equal(left, []string{"gone", "stale"}) {
		t.Errorf("left %v, %v", left, err)
	}
	if e, err := first.Get(t.Context(), "fresh"); err != nil || e.Value != 1 {
		t.Errorf("L1 has %v, %v", e.Value, err)
	}
}

// Every read counts, wherever it is answered, but for Warm.
func TestHottest(t *testing.T) {
	everyTier(t, layered.Options[int]{}, func(t *testing.T, s *layered.Store[int]) {
		var loads int
		mustGet(t, s, "before", value(1))
		if hot, err := s.Hottest(3); len(hot) != 0 || err != nil { // from here on reads are counted
			t.Errorf("at first %v, %v", hot, err)
		}
		for range 5 {
			mustGet(t, s, "a", value(1))
		}
		for range 3 {
			if _, err := s.Find(t.Context(), "b", layered.Source[int]{Load: value(1)}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.GetManyOrLoad(t.Context(), []string{"b", "c"}, keyed(&loads)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Get(t.Context(), "c"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if _, err := s.GetMany(t.Context(), []string{"c", "d"}); err != nil {
			t.Error(err)
		}
		hot, err := s.Hottest(3)
		if err != nil || len(hot) != 3 || hot[0].Key != "b" || hot[1].Key != "a" || hot[2].Key != "c" {
			t.Errorf("got %v, %v", hot, err)
		}
	})
}

// Reads are neither counted nor sampled before somebody asks.
func TestHottest_notAsked(t *testing.T) {
	sampled := &sampledL1{Store: memstore.New[int](nil)}
	s := open(t, sampled, memstore.New[int](nil), nil)
	for range 3 {
		mustGet(t, s, "a", value(1))
	}
	if n := sampled.samplers.Load(); n != 0 {
		t.Errorf("%d samplers of L1 before anybody asks", n)
	}
	for range 2 {
		if _, err := s.Hottest(1); err != nil {
			t.Error(err)
		}
	}
	mustGet(t, s, "b", value(1))
	if hot, err := s.Hottest(5); err != nil || len(hot) != 1 || hot[0].Key != "b" {
		t.Errorf("then %v, %v", hot, err)
	}
	if n := sampled.samplers.Load(); n != 1 {
		t.Errorf("%d samplers of L1", n)
	}
	s.Close()
	if n := sampled.samplers.Load(); n != 0 {
		t.Errorf("%d samplers of L1 after Close", n)
	}
}

type sampledL1 struct {
	*memstore.Store[int]
	samplers atomic.Int64
}

func (s *sampledL1) SampleHits(fn func(string)) (int, func()) {
	s.samplers.Add(1)
	every, stop := s.Store.SampleHits(fn)
	return every, func() { stop(); s.samplers.Add(-1) }
}

// unsampled is an L1 that does not tell what it is asked for.
type unsampled struct{ *plain }

func TestHottest_unsupported(t *testing.T) {
	s := open(t, &unsampled{&plain{m: memstore.New[int](nil)}}, memstore.New[int](nil), nil)
	_, err := s.Hottest(1)
	if err := s.SaveHot(t.Context(), 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SaveHot: %v", err)
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Hottest: %v", err)
	}
	_, err = layered.New[int](&plain{m: memstore.New[int](nil)}, &plain{m: memstore.New[int](nil)}, &layered.Options[int]{KeepHot: 1})
	if err == nil || !strings.Contains(err.Error(), "HotKeeper") || !strings.Contains(err.Error(), "HitSampler") {
		t.Errorf("New with KeepHot: %v", err)
	}
	if _, err = layered.New[int](nil, nil, &layered.Options[int]{KeepHot: -1}); err == nil {
		t.Error("New took a negative KeepHot")
	}
}

// What fails to be saved is saved with the next; what was saved is not saved twice.
func TestSaveHot(t *testing.T) {
	second := &hotL2{Store: memstore.New[int](nil)}
	s := open(t, memstore.New[int](nil), second, nil)
	if err := s.SaveHot(t.Context(), 5); err != nil { // from here on reads are counted
		t.Fatal(err)
	}
	for range 3 {
		mustGet(t, s, "a", value(1))
	}
	second.err = errSource
	if err := s.SaveHot(t.Context(), 5); !errors.Is(err, errSource) {
		t.Errorf("got %v", err)
	}
	second.err = nil
	for range 2 {
		if err := s.SaveHot(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
	}
	hot, err := s.SavedHot(t.Context(), 5)
	if err != nil || len(hot) != 1 || hot[0].Key != "a" || hot[0].Reads < 2.9 || hot[0].Reads > 3 {
		t.Errorf("the list is %v, %v", hot, err)
	}
	if err := s.SaveHot(t.Context(), 0); err == nil {
		t.Error("none were saved")
	}
	s.Close()
	_, err = s.SavedHot(t.Context(), 5)
	_, err1 := s.Hottest(5)
	for _, err := range []error{err, err1, s.SaveHot(t.Context(), 5)} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

type hotL2 struct {
	*memstore.Store[int]
	err error
}

func (s *hotL2) AddHot(ctx context.Context, hot []store.Hot, most int) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.AddHot(ctx, hot, most)
}

// KeepHot saves once a minute, until Close.
func TestKeepHot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := memstore.New[int](nil)
		s := open(t, memstore.New[int](nil), second, &layered.Options[int]{KeepHot: 1})
		mustGet(t, s, "a", value(1))
		saved := func() string {
			hot, err := second.ListHot(t.Context(), 5)
			if err != nil {
				t.Fatal(err)
			}
			var ks []string
			for _, h := range hot {
				ks = append(ks, h.Key)
			}
			return strings.Join(ks, " ")
		}
		if got := saved(); got != "" {
			t.Errorf("at once there is %q", got)
		}
		time.Sleep(time.Minute + time.Second)
		if got := saved(); got != "a" {
			t.Errorf("after a minute there is %q", got)
		}
		mustGet(t, s, "b", value(1))
		mustGet(t, s, "b", value(1))
		time.Sleep(time.Minute + time.Second)
		if got := saved(); got != "b a" {
			t.Errorf("after two minutes there is %q", got)
		}
		s.Close()
	})
}
