package integration_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
)

// The next heartbeat notices a slot that leaves its node without an invalidation and is
// back: the slot map is the same, its epoch is not.
func TestToken_slotThereAndBack(t *testing.T) {
	cluster := redistest.StartCluster(t, 2)
	var source atomic.Int64
	open := func() (*strata.Backend, *strata.Cache[int, int64]) {
		b, err := strata.Open(t.Context(), &strata.Config{
			RedisURL: "redis://" + cluster.Nodes[0].Addr() + "?addr=" + cluster.Nodes[1].Addr(), MaxDisconnected: time.Hour, // no heartbeat by itself
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		c, err := strata.New(b, "n", func(context.Context, int) (int64, error) { return source.Load(), nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b, c
	}
	writer, there := open()
	_, here := open()
	read := func() (v int64, tier layered.Tier) {
		e, err := here.GetEntry(strata.WithToken(t.Context(), writer.Token()), 1)
		if err != nil {
			t.Fatal(err)
		}
		return e.Value, e.Tier
	}
	read() // a heartbeat knows the slots
	redistest.WaitFor(t, "a copy in L1", func() bool {
		e, err := here.GetEntry(t.Context(), 1)
		return err == nil && e.Tier == layered.L1
	})

	slot := slotOfKey(t, cluster)
	owner := cluster.OwnerOf(slot)
	other := cluster.Nodes[1-slices.Index(cluster.Nodes, owner)]
	for _, to := range []*redistest.Server{other, owner} {
		if err := cluster.Seize(slot, to); err != nil {
			t.Fatal(err)
		}
	}
	source.Add(1)
	if err := there.Delete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if v, tier := read(); v != source.Load() {
		t.Errorf("a read with the token of the Delete: %d from %v, want %d", v, tier, source.Load())
	}
}

// slotOfKey returns the slot of the only record.
func slotOfKey(t *testing.T, cluster *redistest.Cluster) int {
	t.Helper()
	for _, node := range cluster.Nodes {
		list, err := node.Do("KEYS", "strata:n:*")
		if err != nil {
			t.Fatal(err)
		}
		if keys, _ := list.([]any); len(keys) == 1 {
			slot, err := cluster.Slot(keys[0].(string))
			if err != nil {
				t.Fatal(err)
			}
			return slot
		}
	}
	t.Fatal("there is no record")
	return 0
}
