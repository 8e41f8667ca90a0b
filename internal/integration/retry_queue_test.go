package integration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A change that Redis has not acknowledged is sent again when Redis is reachable. Until
// then, the process that made it does not read the old value, though Redis has it.
func TestRetryQueue_failedWrites(t *testing.T) {
	server := redistest.Start(t, nil)
	ctx := t.Context()
	for name, write := range map[string]func(*house) error{
		"Delete": func(h *house) error { return h.Delete(ctx, "k") },
		"Set":    func(h *house) error { return h.Set(ctx, "k", store.Entry[int]{Value: 2}) },
		"SetNewer": func(h *house) error {
			_, err := h.SetNewer(ctx, "k", store.Entry[int]{Value: 2, Revision: 2})
			return err
		},
		"SetMany": func(h *house) error { return h.SetMany(ctx, map[string]store.Entry[int]{"k": {Value: 2}}) },
		"Clear":   func(h *house) error { return h.Clear(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := build(t, server, &layered.Options[int]{MaxDisconnected: -1}), build(t, server, nil)
			if err := b.Set(ctx, "k", store.Entry[int]{Value: 1}); err != nil {
				t.Fatal(err)
			}
			want(t, a, now(9), 1, layered.L2)
			a.link.Refuse(true)
			a.link.Cut()
			if err := write(a); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("the write returned %v", err)
			}
			want(t, a, now(2), 2, layered.Origin)
			if c := a.Counts(); c.RetryQueue == 0 || c.RetryOldest <= 0 {
				t.Errorf("%d pending for %v", c.RetryQueue, c.RetryOldest)
			}
			a.link.Refuse(false)
			for a.Counts().RetryQueue != 0 { // until acknowledged, in one way or the other
				f, err := a.Find(ctx, "k", layered.Source[int]{Load: now(2)})
				if err != nil || f.Value != 2 {
					t.Fatalf("got %d from %v, %v", f.Value, f.Tier, err)
				}
				m, err := a.GetManyOrLoad(ctx, []string{"k"}, func(context.Context, []string) (map[string]store.Entry[int], error) {
					return map[string]store.Entry[int]{"k": {Value: 2}}, nil
				})
				if err != nil || m["k"].Value != 2 {
					t.Fatalf("got %v, %v", m, err)
				}
				if e, err := a.Get(ctx, "k"); err == nil && e.Value != 2 {
					t.Fatalf("Get returned %d", e.Value)
				}
			}
			redistest.WaitFor(t, "the old value to be gone everywhere", func() bool {
				f, err := b.Find(ctx, "k", layered.Source[int]{Load: now(2)})
				return err == nil && f.Value == 2
			})
			if a.Counts().Retried == 0 {
				t.Error("nothing was tried again")
			}
		})
	}
}

// DeleteAndWait returns when even a disconnected process has stopped serving the value.
func TestDeleteAndWait(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	want(t, a, now(1), 1, layered.Origin)
	a.link.HoleReplies(true)
	defer a.link.HoleReplies(false)
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if _, ok := a.Local(t.Context(), "k"); !ok {
		t.Fatal("a has heard: the wait has nothing to show")
	}
	if err := b.DeleteAndWait(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if e, ok := a.Local(t.Context(), "k"); ok {
		t.Errorf("a still serves %d", e.Value)
	}
	done, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := b.DeleteAndWait(done, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ends it returned %v", err)
	}
}

// A value loaded under a lease before a change of this process that Redis has not
// acknowledged is not kept in L1, though the lease is still valid in Redis.
func TestRetryQueue_leaseIsStillValid(t *testing.T) {
	server := redistest.Start(t, nil)
	a := build(t, server, nil)
	row := &source{v: 1}
	answer := begin(t, a, row)
	a.link.Hole(true)
	if err := a.Delete(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("Delete: %v", err)
	}
	a.link.Hole(false)
	close(row.done)
	if got := <-answer; got != "1 source <nil>" {
		t.Errorf("who had asked before got %s", got)
	}
	if f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(2)}); err != nil || f.Value != 2 {
		t.Errorf("who had deleted it got %d from %v, %v", f.Value, f.Tier, err)
	}
}
