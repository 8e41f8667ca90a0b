package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
)

// Faults of the nodes of a cluster and of their slots.

// slotKinds distinguish the keys of the protocol from records, by a part of their name.
var slotKinds = []struct{ name, part string }{{"clock", "!clock"}, {"tag", "!t:"}, {"clear", "!c:"}}

// slotToMove returns a slot that has keys, and the kind of key that selected it. The kinds
// alternate, and every second slot has a record.
func (f *fleet) slotToMove() (slot int, kind string, err error) {
	keys := map[string][]string{} // by kind
	for _, node := range f.cluster.Nodes {
		reply, err := node.Do("KEYS", "*")
		if err != nil {
			return 0, "", err
		}
		list, _ := reply.([]any)
		for _, key := range list {
			kind := slotKind(fmt.Sprint(key))
			keys[kind] = append(keys[kind], fmt.Sprint(key))
		}
	}
	kind = "record"
	if f.choices++; f.choices%2 == 0 {
		kind = slotKinds[f.choices/2%len(slotKinds)].name
	}
	if len(keys[kind]) == 0 {
		return 0, "", errNoFault
	}
	slot, err = f.cluster.Slot(keys[kind][f.rand.IntN(len(keys[kind]))])
	return slot, kind, err
}

// otherNode selects a random node that does not serve slot.
func (f *fleet) otherNode(slot int) *redistest.Server {
	owner := f.cluster.OwnerOf(slot)
	others := slices.DeleteFunc(slices.Clone(f.cluster.Nodes), func(s *redistest.Server) bool { return s == owner })
	return others[f.rand.IntN(len(others))]
}

func slotKind(key string) string {
	for _, kind := range slotKinds {
		if strings.Contains(key, kind.part) {
			return kind.name
		}
	}
	return "record"
}

// moveSlots moves slots that have keys from node to node.
func moveSlots(move func(context.Context, *fleet, int, *redistest.Server) error) func(context.Context, *fleet) {
	return func(ctx context.Context, f *fleet) {
		f.times(ctx, 0, 20*time.Millisecond, func() error {
			slot, kind, err := f.slotToMove()
			if err != nil {
				return err
			}
			if err := move(ctx, f, slot, f.otherNode(slot)); err != nil {
				return err
			}
			f.moved[kind]++
			return nil
		})
	}
}

// migrateKeyByKey moves a slot key by key, and pauses between the steps, so that others
// read and write meanwhile.
func migrateKeyByKey(ctx context.Context, f *fleet, slot int, to *redistest.Server) error {
	return f.cluster.Move(slot, to, func() { f.pause(ctx, 0, 20*time.Millisecond) })
}

// migrateAtomically moves a slot in one step, sometimes together with its neighbours.
func migrateAtomically(_ context.Context, f *fleet, slot int, to *redistest.Server) error {
	first, last := slot, slot
	if f.rand.IntN(2) == 0 {
		owner := f.cluster.OwnerOf(slot)
		for ; first > 0 && slot-first < 500 && f.cluster.OwnerOf(first-1) == owner; first-- {
		}
		for ; last < 16383 && last-slot < 500 && f.cluster.OwnerOf(last+1) == owner; last++ {
		}
	}
	return f.cluster.MoveAtomically(first, last, to)
}

// seizeSlots makes nodes claim slots of others without their keys. Until all nodes know of
// it, two nodes serve the slot, so writes may be lost with the old owner.
func seizeSlots(ctx context.Context, f *fleet) {
	f.times(ctx, 2*historyMaxDisconnected, 3*historyMaxDisconnected, func() error { // a period without excuses
		w := history.Window{From: history.Now(), Own: true}
		for range 8 {
			slot, kind, err := f.slotToMove()
			if err == errNoFault {
				continue
			}
			if err != nil {
				return err
			}
			if err := f.cluster.Seize(slot, f.otherNode(slot)); err != nil {
				return err
			}
			f.moved[kind]++
		}
		w.To = history.Now()
		w.Until = w.To + f.job.TTL // the longest life of values read from the source before
		f.failovers = append(f.failovers, w)
		return nil
	})
}

// joinShard adds a primary to the cluster and gives it slots. Then the victim's link to it
// is slow, or drops everything for longer than MaxDisconnected.
func joinShard(ctx context.Context, f *fleet) {
	f.pause(ctx, 300*time.Millisecond, 300*time.Millisecond) // all processes know the old topology
	shard := f.cluster.Join(f.t)
	road, err := f.source.roads.proxy(shard.Addr())
	if err != nil {
		f.t.Fatal(err)
	}
	for range 40 {
		slot, kind, err := f.slotToMove()
		if err == nil && f.cluster.OwnerOf(slot) != shard {
			err = f.cluster.Move(slot, shard, func() {})
			f.moved[kind]++
		}
		if err != nil && err != errNoFault {
			f.t.Fatal(err)
		}
	}
	if err := f.cluster.MoveRange(100, 120, shard, func() {}); err != nil {
		f.t.Fatal(err)
	}
	f.times(ctx, 400*time.Millisecond, 600*time.Millisecond, func() error {
		if f.faults.Load()%2 == 0 {
			road.Hole(true)
			f.pause(ctx, 2*historyMaxDisconnected, 3*historyMaxDisconnected)
			road.Hole(false)
			return nil
		}
		road.Delay(300 * time.Millisecond)
		f.pause(ctx, 2*historyMaxDisconnected, 3*historyMaxDisconnected)
		road.Delay(0)
		return nil
	})
}

// joined checks that the new shard served keys to all processes, and that the victim's L1
// was unusable.
func joined(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	older(t, f, r, ops)
	exercised(t, f, r, ops)
	info, err := f.cluster.Nodes[len(f.cluster.Nodes)-1].Info("")
	if err != nil {
		t.Fatal(err)
	}
	if hits, _ := strconv.Atoi(info["keyspace_hits"]); hits < 100 {
		t.Errorf("the new shard answered %d reads", hits)
	}
}

// seized checks that slots with values were seized, and that clients were redirected.
func seized(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	redirected(t, f, r, ops)
	exercised(t, f, r, ops)
	if f.moved["record"] < 3 {
		t.Errorf("%d slots with records were taken over", f.moved["record"])
	}
}

// unnoticed checks that slots with all kinds of keys have moved, that clients were
// redirected, and that no write was lost.
func unnoticed(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	redirected(t, f, r, ops)
	exercised(t, f, r, ops)
	for _, kind := range slotKinds {
		if f.moved[kind.name] == 0 {
			t.Errorf("no slot moved that had a key of this kind: %s", kind.name)
		}
	}
	for _, o := range ops {
		// A write that is unavailable is retried automatically.
		if o.Err != "" && !strings.Contains(o.Err, errSourceFails.Error()) && !strings.Contains(o.Err, "unavailable") {
			t.Errorf("the move of a slot was in the way of this: %v", o)
		}
	}
}

// exercised tells how often operations on several slots were done: see RowsSeen.
func exercised(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	tagged := 0
	for _, o := range ops {
		if o.Kind == history.Delete && o.Err == "" && strings.HasPrefix(o.Key, string(histTagged)) {
			tagged++
		}
	}
	t.Logf("slots moved, by their keys: %v; %d invalidations by tag or Clear", f.moved, tagged)
}

// redirected checks that clients were redirected without an effect on callers.
func redirected(t *testing.T, f *fleet, _ *history.Report, ops []history.Op) {
	redirections := 0
	for _, node := range slices.Concat(f.cluster.Nodes, f.cluster.Replicas) {
		info, err := node.Info("errorstats")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"errorstat_MOVED", "errorstat_ASK"} {
			_, n, _ := strings.Cut(info[name], "count=")
			count, _ := strconv.Atoi(n)
			redirections += count
		}
	}
	if int64(redirections) < f.faults.Load() {
		t.Errorf("%d redirections", redirections)
	}
	t.Logf("%d redirections", redirections)
}
