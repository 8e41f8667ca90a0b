package layered_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// unreachable makes the calls of a process to L2 fail, but not its writes.
func (s *shared) unreachable() {
	s.get = func(string) (store.Entry[int], error, bool) { return store.Entry[int]{}, store.ErrUnavailable, true }
	s.lease = func(string) error { return store.ErrUnavailable }
	s.fill = s.lease
}

// A value that a process loads under its own hold while L2 is unreachable ends with the hold: also
// in L1, which is its only tier, and if the load ends after the hold.
func TestDeleteHolding_withoutL2(t *testing.T) {
	for name, c := range map[string]struct {
		hold     store.Hold
		takes    time.Duration
		revision uint64
		loads    int64 // in the 3 seconds after the first
	}{
		"hold":                     {store.Hold{For: 2 * time.Second}, time.Second, 0, 1},
		"slow load":                {store.Hold{For: 2 * time.Second}, 2500 * time.Millisecond, 0, 1},
		"a revision from before":   {store.Hold{For: 2 * time.Second, Revision: 5}, time.Second, 4, 1},
		"the revision of the hold": {store.Hold{For: 2 * time.Second, Revision: 5}, time.Second, 5, 0},
		"no hold":                  {store.Hold{}, time.Second, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, layered.Options[int]{MaxDisconnected: time.Minute, StaleFor: time.Hour}, func(f *fleet, many bool) {
				f.takes, f.entry.Revision = c.takes, c.revision
				f.ok(f.process[0].DeleteHolding(f.t.Context(), c.hold, "k"))
				f.l2[0].unreachable()
				f.reads(0, many, 1)
				f.entry = store.Entry[int]{Value: 2}
				want := 1
				if c.loads > 0 {
					want = 2
				}
				time.Sleep(max(0, 3*time.Second-c.takes))
				f.reads(0, many, want)
				f.loaded(1 + c.loads)
			})
		})
	}
}

// What a write intent holds ends with its hold as well. There is no bound for the number of holds.
func TestBeginWrite_withoutL2(t *testing.T) {
	onFleet(t, layered.Options[int]{MaxDisconnected: time.Minute}, func(f *fleet) {
		s, ctx := f.process[0], f.t.Context()
		_, err := s.BeginWrite(ctx, 2*time.Second, "k")
		f.ok(err)
		keys := make([]string, 110_000)
		for i := range keys {
			keys[i] = fmt.Sprint(i)
		}
		f.ok(s.DeleteHolding(ctx, store.Hold{For: time.Second}, keys...))
		f.l2[0].unreachable()
		f.reads(0, false, 1)
		f.entry.Value = 2
		time.Sleep(3 * time.Second)
		f.reads(0, false, 2)
	})
}
