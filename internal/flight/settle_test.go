package flight_test

import (
	"context"
	"testing"

	"github.com/lokroom/strata/internal/flight"
)

// The memory of a call is used again only if nobody but its leader has ever known it: a
// caller that joined and left may still hold it.
func TestCall_Free_notIfJoined(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // under the race detector a pool drops at random
		var g flight.Group[int]
		c, _ := g.Begin(t.Context(), "a")
		joined, _ := g.Begin(t.Context(), "a")
		joined.Wait(gone)
		if !c.Settle(nil) {
			t.Fatal("a call that nobody waits for any more was not settled")
		}
		c.Free()
		next, _ := g.Begin(t.Context(), "b")
		if next == joined {
			t.Fatal("a call that another caller had joined is used again")
		}
		next.Finish(1, nil)
		next.Free() // it was not settled
		if last, _ := g.Begin(t.Context(), "c"); last == next {
			t.Fatal("a call that was finished is used again")
		} else {
			last.Finish(2, nil)
		}
		if v, err := next.Wait(t.Context()); v != 1 || err != nil {
			t.Fatalf("got %d, %v", v, err)
		}
		g.Close()
	}
}

func TestBatch_End_notIfJoined(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	keys, which := []string{"a", "b"}, []int{0, 1}
	for range 100 {
		var g flight.Group[int]
		b := g.BeginMany(t.Context(), keys, which)
		first := b.Calls[0]
		joined, _ := g.Begin(t.Context(), "b")
		joined.Wait(gone)
		for _, c := range b.Calls {
			if !c.Settle(nil) {
				t.Fatal("a call that nobody waits for any more was not settled")
			}
		}
		b.End()
		next := g.BeginMany(t.Context(), keys, which)
		if next.Calls[0] == first || next.Calls[1] == joined {
			t.Fatal("a batch with a call that another caller had joined is used again")
		}
		for _, c := range next.Calls {
			c.Finish(1, nil)
		}
		next.End() // they were not settled
		if last := g.BeginMany(t.Context(), keys, which); last.Calls[0] == next.Calls[0] {
			t.Fatal("a batch with a call that was finished is used again")
		} else {
			for _, c := range last.Calls {
				c.Settle(nil)
			}
			last.End()
		}
		g.Close()
	}
}
