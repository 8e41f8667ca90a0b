package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

const (
	hold     = 400 * time.Millisecond
	longHold = time.Hour
)

// seen waits until h reads v, loading it if necessary.
func seen(t *testing.T, h *house, v int) {
	t.Helper()
	redistest.WaitFor(t, fmt.Sprint("a read to see ", v), func() bool {
		f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(v)})
		return err == nil && f.Value == v
	})
}

// R8: if a process crashes between its commit and its Delete, the old value lives for the
// hold at most. Without a write intent it lives until its TTL.
func TestBeginWrite_crashAfterTheCommit(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	want(t, b, now(1), 1, layered.Origin)
	if _, err := a.BeginWrite(t.Context(), hold, "k"); err != nil {
		t.Fatal(err)
	}
	// A reader loads the old value before the commit, and a dies right after it.
	seen(t, b, 1)
	row := 2
	f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(row)})
	if err != nil || f.Value == 1 && f.ExpiresAt.Until() > hold {
		t.Fatalf("got %d for %v, %v", f.Value, f.ExpiresAt.Until(), err)
	}
	seen(t, b, row)

	// The control: the value that was loaded just now would live for its TTL.
	want(t, b, now(3), row, layered.L1)
	if f, _ := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(3)}); f.ExpiresAt.Until() < time.Minute {
		t.Errorf("after the hold a value lives for %v", f.ExpiresAt.Until())
	}
}

// A lease taken under a hold does not fill after the hold has ended.
func TestBeginWrite_loadThatOutlivesTheHold(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	if _, err := a.BeginWrite(t.Context(), hold, "k"); err != nil {
		t.Fatal(err)
	}
	row := &source{v: 1}
	answer := begin(t, b, row)
	redistest.WaitFor(t, "the hold to run out", func() bool {
		reply, err := server.Do("EVAL", "local t=redis.call('TIME') return struct.unpack('>I8',redis.call('GETRANGE',KEYS[1],28,35))<=t[1]*1000+t[2]/1000 and 1 or 0", 1, "h:k")
		return err == nil && reply == int64(1)
	})
	close(row.done)
	<-answer
	if n := b.Counts().Refused; n != 1 {
		t.Errorf("%d fills were refused, want the one", n)
	}
	want(t, a, now(2), 2, layered.Origin)
}

func TestBeginWrite_commit(t *testing.T) {
	server := redistest.Start(t, nil)
	ctx := t.Context()
	a, b := build(t, server, nil), build(t, server, nil)
	open := func(h *house) *layered.WriteIntent[int] {
		w, err := h.BeginWrite(ctx, longHold, "k")
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	two := map[string]store.Entry[int]{"k": {Value: 2, ExpiresAt: store.In(time.Hour)}}

	// Commit removes values loaded in between.
	w := open(a)
	seen(t, b, 1)
	if err := w.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	seen(t, b, 2)
	if f, _ := b.FindFresh(ctx, "k", layered.Source[int]{}); f.ExpiresAt.Until() > longHold || f.Value != 2 {
		t.Errorf("after Done: %+v", f)
	}

	// A sole write intent may set its value.
	w = open(a)
	if err := w.CommitSet(ctx, two); err != nil {
		t.Fatal(err)
	}
	want(t, b, now(9), 2, layered.L2)

	// Of two that overlap neither may: the order of their commits is unknown.
	for name, other := range map[string]func() error{
		"another write intent": func() error { return open(b).CommitSet(ctx, two) },
		"an open write intent": func() error { open(b); return nil },
		"a Delete":             func() error { return b.Delete(ctx, "k") },
		"a MarkStale":          func() error { seen(t, b, 5); return b.MarkStale(ctx, "k") },
		"a Set":                func() error { return b.Set(ctx, "k", store.Entry[int]{Value: 5, ExpiresAt: store.In(time.Hour)}) },
	} {
		server.Do("FLUSHALL")
		w = open(a)
		if err := other(); err != nil {
			t.Fatal(err)
		}
		if err := w.CommitSet(ctx, two); err != nil {
			t.Fatal(err)
		}
		if f, err := b.FindFresh(ctx, "k", layered.Source[int]{Load: now(3)}); err != nil || f.Value != 3 {
			t.Errorf("with %s in between: got %d from %v, %v; want a load", name, f.Value, f.Tier, err)
		}
	}
}

// R5: a value loaded from a lagging replica is kept for the lag at most. The control: after
// a plain Delete it is kept for its TTL.
func TestDeleteHolding_replicaLags(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	if err := a.DeleteHolding(t.Context(), store.Hold{For: hold}, "k"); err != nil {
		t.Fatal(err)
	}
	want(t, b, now(1), 1, layered.Origin) // the replica lags
	seen(t, b, 2)
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(1)})
	if err != nil || f.ExpiresAt.Until() < time.Minute {
		t.Errorf("after a plain Delete it lives for %v, %v", f.ExpiresAt.Until(), err)
	}
}

// A Set under a hold is capped, and the hold stays.
func TestDeleteHolding_set(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	if err := a.DeleteHolding(t.Context(), store.Hold{For: hold}, "k"); err != nil {
		t.Fatal(err)
	}
	if err := b.Set(t.Context(), "k", store.Entry[int]{Value: 1}); err != nil {
		t.Fatal(err)
	}
	if d, err := b.TTL(t.Context(), "k"); err == nil && d > hold {
		t.Errorf("it lives for %v", d)
	}
	seen(t, b, 2)
}

func TestMarkStale(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	broken := func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{}, errors.New("broken")
	}
	for name, e := range map[string]store.Entry[int]{
		"with an end":    {Value: 1, ExpiresAt: store.In(time.Hour)},
		"without an end": {Value: 1},
	} {
		if err := b.Set(t.Context(), "k", e); err != nil {
			t.Fatal(err)
		}
		want(t, b, now(9), 1, layered.L2)
		if err := a.MarkStale(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: broken})
		if err != nil || f.Value != 1 || !f.Stale {
			t.Errorf("%s: with a broken source got %+v, %v; want the old value, stale", name, f, err)
		}
		if err := a.MarkStale(t.Context(), "k"); err != nil { // ends the back-off
			t.Fatal(err)
		}
		if f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(2)}); err != nil || f.Value != 2 {
			t.Errorf("%s: with a source got %d, %v", name, f.Value, err)
		}
	}
}

// Without an L2 a write intent is a Delete at both ends.
func TestBeginWrite_L1Alone(t *testing.T) {
	l1 := l1s[int]()["otterstore"](t)
	s := tiers(t, l1, store.Store[int](nil), nil)
	load := func(v int) int {
		e, err := s.GetOrLoad(t.Context(), "k", now(v))
		if err != nil {
			t.Fatal(err)
		}
		return e.Value
	}
	load(1)
	w, err := s.BeginWrite(t.Context(), hold, "k")
	if err != nil {
		t.Fatal(err)
	}
	load(1)
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := load(2); v != 2 {
		t.Errorf("got %d after Done", v)
	}
	if err := s.MarkStale(t.Context(), "k"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("MarkStale: %v", err)
	}
	if err := s.DeleteHolding(t.Context(), store.Hold{For: hold}, "k"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("DeleteHolding: %v", err)
	}
}
