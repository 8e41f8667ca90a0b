package integration_test

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

// What happens to the nodes of a cluster and to the slots that they serve.

// slotKinds tell the keys that the protocol itself needs from records, by a part of
// their name.
var slotKinds = []struct{ name, part string }{{"clock", "!clock"}, {"tag", "!t:"}, {"clear", "!c:"}}

// slotToMove returns a slot that has keys, and what kind of key made it the choice.
// The kinds take turns, and every second slot has a record.
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

// otherNode draws a node that does not serve slot.
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

// migrateKeyByKey moves a slot the old way, and takes its time between the steps, so
// that others read and write meanwhile.
func migrateKeyByKey(ctx context.Context, f *fleet, slot int, to *redistest.Server) error {
	return f.cluster.Move(slot, to, func() { f.pause(ctx, 0, 20*time.Millisecond) })
}

// migrateAtomically moves a slot in one step, and now and then those around it with it.
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

// seizeSlots has nodes claim slots of others without their keys. Until all nodes know of
// it, two of them serve the slot, so that what is written then may be lost with the old
// owner.
func seizeSlots(ctx context.Context, f *fleet) {
	f.times(ctx, 2*historyUnheard, 3*historyUnheard, func() error { // time in which nothing is excused
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
		w.Until = w.To + f.job.TTL // of what was read from the source before
		f.failovers = append(f.failovers, w)
		return nil
	})
}

// joinShard adds a primary to the cluster and gives it slots. Then the victim's link to
// it is slow, or swallows everything for longer than it may be silent.
func joinShard(ctx context.Context, f *fleet) {
	f.pause(ctx, 300*time.Millisecond, 300*time.Millisecond) // everybody knows the cluster as it was
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
			f.pause(ctx, 2*historyUnheard, 3*historyUnheard)
			road.Hole(false)
			return nil
		}
		road.Delay(300 * time.Millisecond)
		f.pause(ctx, 2*historyUnheard, 3*historyUnheard)
		road.Delay(0)
		return nil
	})
}

// joined checks that the new shard served keys to all processes, and that the victim's L1
// had to do without it.
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

// seized checks that slots with values were taken over, and that clients were sent to the
// new owners.
func seized(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	redirected(t, f, r, ops)
	exercised(t, f, r, ops)
	if f.moved["record"] < 3 {
		t.Errorf("%d slots with records were taken over", f.moved["record"])
	}
}

// unnoticed checks that slots with all kinds of keys have moved, that clients were sent
// elsewhere, and that no write was lost.
func unnoticed(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	redirected(t, f, r, ops)
	exercised(t, f, r, ops)
	for _, kind := range slotKinds {
		if f.moved[kind.name] == 0 {
			t.Errorf("no slot moved that had a key of this kind: %s", kind.name)
		}
	}
	for _, o := range ops {
		// A write that is unavailable is made later by itself.
		if o.Err != "" && !strings.Contains(o.Err, errSourceFails.Error()) && !strings.Contains(o.Err, "unavailable") {
			t.Errorf("the move of a slot was in the way of this: %v", o)
		}
	}
}

// exercised checks that tags were invalidated and caches cleared, that writers waited for
// every L1, and that tokens were used.
func exercised(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	tagged := 0
	for _, o := range ops {
		if o.Kind == history.Delete && o.Err == "" && strings.HasPrefix(o.Key, string(histTagged)) {
			tagged++
		}
	}
	if tagged < 5 || r.Tokens < 5 || r.Waits < 2 {
		t.Errorf("%d invalidations by tag or Clear, %d reads with a token, %d writes that waited for every L1", tagged, r.Tokens, r.Waits)
	}
	t.Logf("slots moved, by their keys: %v; %d invalidations by tag or Clear", f.moved, tagged)
}

// redirected checks that clients were sent elsewhere, and that callers did not
// notice.
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
