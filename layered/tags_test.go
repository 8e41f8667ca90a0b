package layered_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

func carrying(v int, tags ...string) layered.Loader[int] {
	return func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{Value: v, Tags: tags}, nil
	}
}

// Without an L2 tags are kept in the process, and stores can share them.
func TestTags_L1Alone(t *testing.T) {
	tags := &layered.Tags{}
	open := func() *layered.Store[int] {
		s, err := layered.New(memstore.New[int](nil), nil, &layered.Options[int]{Tags: tags})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	a, b := open(), open()
	get := func(s *layered.Store[int], key string, load layered.Loader[int], want int) {
		t.Helper()
		if e, err := s.GetOrLoad(t.Context(), key, load); err != nil || e.Value != want {
			t.Errorf("%s: got %d, %v; want %d", key, e.Value, err, want)
		}
	}
	for v := range 3 {
		get(a, "k", carrying(v, "x", "t"), v)
		get(a, "other", carrying(7, "u"), 7)
		get(a, "none", carrying(7), 7)
		if err := b.InvalidateTags(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Get(t.Context(), "k"); err == nil {
			t.Error("Get finds it")
		}
		if m, err := store.GetMap(t.Context(), a, []string{"k", "other"}); len(m) != 1 || err != nil {
			t.Errorf("GetMany found %v, %v", m, err)
		}
		get(a, "k", carrying(v+1, "t"), v+1)
		get(a, "other", carrying(0), 7)
		get(a, "none", carrying(0), 7)
		a.Delete(t.Context(), "k")
	}
	if err := a.Set(t.Context(), "set", store.Entry[int]{Value: 1, Tags: []string{"t"}}); err != nil {
		t.Fatal(err)
	}
	get(a, "set", carrying(0), 1)
}

// A stale value that was taken back is no answer when the source fails.
func TestTags_L1AloneStale(t *testing.T) {
	s, err := layered.New(memstore.New[int](nil), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	broken := func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{}, context.DeadlineExceeded
	}
	old := store.Entry[int]{Value: 1, Tags: []string{"t"}, StaleAt: store.Now() - 1, ExpiresAt: store.In(store.Forever)}
	if err := s.Set(t.Context(), "k", old); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: broken}); err != nil || !f.Stale {
		t.Fatalf("got %+v, %v", f, err)
	}
	if err := s.InvalidateTags(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: broken}); err == nil {
		t.Errorf("got %+v", f)
	}
}

// A value that is invalidated by its tag while it is loaded is not kept, and a read that
// begins after that neither gets it nor waits for it.
func TestTags_L1AloneLoadIsOvertaken(t *testing.T) { synctest.Test(t, tagsLoadIsOvertaken) }

func tagsLoadIsOvertaken(t *testing.T) {
	s, err := layered.New(memstore.New[int](nil), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	read, done := make(chan bool), make(chan bool)
	v := 1
	load := func(context.Context, string) (store.Entry[int], error) {
		e := store.Entry[int]{Value: v, Tags: []string{"t"}}
		if e.Value == 1 {
			read <- true
			<-done
		}
		return e, nil
	}
	answers := make(chan string, 2)
	ask := func(who string) {
		e, err := s.GetOrLoad(t.Context(), "k", load)
		answers <- fmt.Sprint(who, e.Value, err)
	}
	go ask("leader ")
	<-read
	v = 2
	if err := s.InvalidateTags(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	ask("second ")
	if got := <-answers; got != "second 2 <nil>" {
		t.Error(got)
	}
	close(done)
	if got := <-answers; got != "leader 1 <nil>" {
		t.Error(got)
	}
	if e, err := s.Get(t.Context(), "k"); err != nil || e.Value != 2 {
		t.Errorf("then got %d, %v", e.Value, err)
	}
}

// More tags than are remembered cost loads, and bring nothing back.
func TestTags_tooMany(t *testing.T) {
	tags := &layered.Tags{}
	s, err := layered.New(memstore.New[int](nil), nil, &layered.Options[int]{Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.GetOrLoad(t.Context(), "k", carrying(1, "t"))
	s.GetOrLoad(t.Context(), "none", carrying(1))
	tags.Invalidate("t")
	for i := range 100_001 {
		tags.Invalidate(fmt.Sprint(i))
	}
	if e, err := s.GetOrLoad(t.Context(), "k", carrying(2, "t")); err != nil || e.Value != 2 {
		t.Errorf("got %d, %v", e.Value, err)
	}
	if e, err := s.GetOrLoad(t.Context(), "none", carrying(2)); err != nil || e.Value != 1 {
		t.Errorf("without tags got %d, %v", e.Value, err)
	}
}

// An L1 alone counts its own changes, and copies with invalidated tags.
func TestCounts_originsOfL1Alone(t *testing.T) {
	s := open(t, memstore.New[int](nil), nil, nil)
	mustGet(t, s, "k", carrying(1, "t"))
	if err := s.InvalidateTags(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		mustGet(t, s, "k", carrying(2))
	}
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if c := s.Counts(); c.OwnChanges != 1 || c.Outdated != 1 || c.Invalidations != 0 {
		t.Errorf("%d own changes, %d outdated, %d pushed; want 1, 1, 0", c.OwnChanges, c.Outdated, c.Invalidations)
	}
}
