package flight_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/lokroom/strata/internal/flight"
)

func TestBeginMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		one, _ := g.Begin(t.Context(), "one")
		keys := []string{"zero", "one", "two", "two", "not asked for"}
		b := g.BeginMany(t.Context(), keys, []int{0, 1, 2, 3})
		calls, lead := b.Calls, b.Leads
		if !lead[0] || lead[1] || !lead[2] || lead[3] || calls[1] != one || calls[3] != calls[2] {
			t.Fatalf("leads %v: want to join what is under way, and what is there twice", lead)
		}
		if other, lead := g.Begin(t.Context(), "zero"); lead || other != calls[0] {
			t.Error("a call of a batch was not joined")
		} else if calls[0].Settle(nil) {
			t.Error("a call that another one waits for was settled")
		}
		calls[0].Finish(7, nil)
		if v, err := calls[0].Wait(t.Context()); v != 7 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
		alone := g.BeginMany(t.Context(), []string{"alone"}, []int{0}).Calls
		keeping := alone[0].Context()
		if !alone[0].Settle(nil) || keeping.Err() == nil {
			t.Error("a call that nobody else waits for was not settled")
		}
		if alone[0].Settle(nil) {
			t.Error("a call was settled twice")
		}
		if next, lead := g.Begin(t.Context(), "alone"); !lead {
			t.Error("a call that was settled is joined")
		} else {
			next.Finish(0, nil)
		}
		g.Forget("two")
		if calls[2].Keep(func() {}) {
			t.Error("a call of a batch was not forgotten")
		}
		calls[2].Finish(0, nil)
		one.Finish(0, nil)
		g.Close()
		b = g.BeginMany(t.Context(), keys, []int{0})
		calls, lead = b.Calls, b.Leads
		if _, err := calls[0].Wait(t.Context()); lead[0] || !errors.Is(err, flight.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// The calls of a batch have the values of its context, and end each on its own.
func TestBeginMany_contexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		defer g.Close()
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "kept"))
		calls := g.BeginMany(ctx, []string{"a", "b"}, []int{0, 1}).Calls
		stays := make(chan int)
		go func() {
			c, _ := g.Begin(t.Context(), "b")
			v, _ := c.Wait(t.Context())
			stays <- v
		}()
		synctest.Wait()
		cancel()
		for _, c := range calls {
			if _, err := c.Wait(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		if calls[0].Context().Err() == nil || calls[1].Context().Err() != nil || calls[1].Context().Value(ctxKey{}) != "kept" {
			t.Error("a call goes on as long as somebody waits for it")
		}
		calls[0].Finish(0, nil)
		calls[1].Finish(1, nil)
		if v := <-stays; v != 1 {
			t.Errorf("who stayed got %d", v)
		}
	})
}
