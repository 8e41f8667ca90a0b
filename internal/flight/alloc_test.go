//go:build !race

package flight_test

import (
	"context"
	"testing"

	"github.com/lokroom/strata/internal/flight"
)

// What only its leader knew costs no allocation: a hit in L2 takes its call from the one before.
func TestAlloc_callsOfOneReader(t *testing.T) {
	var g flight.Group[[100]int64]
	defer g.Close()
	if n := testing.AllocsPerRun(1000, func() {
		c, _ := g.Begin(context.Background(), "k")
		c.Settle(nil)
		c.Free()
	}); n > 0.5 {
		t.Errorf("a call allocates %v times", n)
	}
	keys, which := make([]string, 100), make([]int, 100)
	for i := range keys {
		keys[i], which[i] = string(rune('a'+i)), i
	}
	if n := testing.AllocsPerRun(1000, func() {
		b := g.BeginMany(context.Background(), keys, which)
		for _, c := range b.Calls {
			c.Settle(nil)
		}
		b.End()
	}); n > 0.5 {
		t.Errorf("a batch allocates %v times", n)
	}
}
