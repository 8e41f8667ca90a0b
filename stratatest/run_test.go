package stratatest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/stratatest"
)

// play runs a fleet of two processes with faults, and returns what was seen in which order.
func play(t *testing.T, seed uint64) (seen []string) {
	t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
		stratatest.Run(t, seed, 200, func(t *testing.T) []stratatest.Step {
			s := &source{}
			fleet := stratatest.Fleet(t, 2, nil)
			cs := caches(t, fleet, s, strata.Options[string, int64]{TTL: time.Hour})
			read := func(i int) func() {
				return func() {
					v, err := cs[i].Get(t.Context(), "k")
					seen = append(seen, fmt.Sprintf("%d: %d %v, %d loads", i, v, err, s.loads.Load()))
				}
			}
			change := func() {
				s.value.Add(1)
				if err := cs[0].Delete(t.Context(), "k"); err != nil {
					seen = append(seen, "not deleted")
				}
			}
			return []stratatest.Step{
				{"read in 0", read(0)}, {"read in 1", read(1)}, {"change", change},
				{"away", fleet.Disconnect}, {"back", fleet.Reconnect}, {"cut off", fleet[1].Disconnect},
				{"a second", func() { time.Sleep(time.Second) }}, {"an hour", func() { time.Sleep(time.Hour) }},
			}
		})
	})
	return seen
}

// TestRun: the same seed has the same result, another one another result.
func TestRun(t *testing.T) {
	for seed := range uint64(3) {
		first, again, other := play(t, seed), play(t, seed), play(t, seed+100)
		if len(first) == 0 || !slices.Equal(first, again) {
			t.Errorf("seed %d: %s\nand again: %s", seed, strings.Join(first, "; "), strings.Join(again, "; "))
		}
		if slices.Equal(first, other) {
			t.Errorf("seeds %d and %d have the same result", seed, seed+100)
		}
	}
}

// A test finds an order of events in which a promise of a program does not hold, and its log has
// the seed with which it fails again.
func ExampleRun() {
	test := func(t *testing.T) {
		for seed := range uint64(100) {
			stratatest.Run(t, seed, 50, func(t *testing.T) []stratatest.Step {
				fleet := stratatest.Fleet(t, 2, nil)
				return []stratatest.Step{
					{"outage", fleet.Disconnect},
					{"end of the outage", fleet.Reconnect},
					{"a minute", func() { time.Sleep(time.Minute) }},
					// reads and changes of the program
				}
			})
		}
	}
	_ = test
	// Output:
}
