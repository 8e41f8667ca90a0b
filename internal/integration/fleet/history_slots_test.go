package fleet_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lokroom/strata/internal/redistest"
)

// Slots with many additional keys: their migration takes long, and so do the deletion and
// the invalidations by the old owner.

// fullSlots migrates one slot with each kind of key back and forth, in one step each time.
// Each has n additional keys.
func fullSlots(n int) func(context.Context, *fleet) {
	return func(ctx context.Context, f *fleet) {
		full := f.slotsOfAllKinds(ctx)
		for _, slot := range full {
			if err := stuff(f.cluster.OwnerOf(slot), slot, n); err != nil {
				f.t.Error(err)
				return
			}
		}
		next := 0
		f.times(ctx, 0, 20*time.Millisecond, func() error {
			kinds := slices.Sorted(maps.Keys(full))
			if len(kinds) == 0 {
				return errNoFault
			}
			kind := kinds[next%len(kinds)]
			next++
			slot := full[kind]
			if err := f.cluster.MoveAtomically(slot, slot, f.otherNode(slot)); err != nil {
				return err
			}
			f.moved[kind]++
			return nil
		})
	}
}

// slotsOfAllKinds waits until there are keys of all kinds, and returns a slot of each.
func (f *fleet) slotsOfAllKinds(ctx context.Context) map[string]int {
	found := map[string]int{}
	for len(found) <= len(slotKinds) && f.pause(ctx, 5*time.Millisecond, 10*time.Millisecond) {
		slot, kind, err := f.slotToMove()
		if err == nil {
			found[kind] = slot
		} else if err != errNoFault {
			f.t.Error(err)
			return nil
		}
	}
	return found
}

// stuff writes n keys into a slot.
func stuff(owner *redistest.Server, slot, n int) error {
	const script = `for i = ARGV[1], ARGV[2] do redis.call("SET", KEYS[1] .. i, "x") end`
	const most = 10_000 // per command, so that others are served meanwhile
	for from := 1; from <= n; from += most {
		key := fmt.Sprintf("strata:ballast:%s:", redistest.HashTag(slot))
		if _, err := owner.Do("EVAL", script, 1, key, from, min(from+most-1, n)); err != nil {
			return err
		}
	}
	return nil
}
