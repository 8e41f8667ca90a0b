package integration_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
)

// What happens to the nodes of a cluster.

// moveSlots moves slots that have keys, from one node to another, without a break.
func moveSlots(ctx context.Context, f *fleet) {
	f.times(ctx, 0, 5*time.Millisecond, func() error {
		nodes := f.cluster.Nodes
		key, err := nodes[f.rand.IntN(len(nodes))].Do("RANDOMKEY")
		if err != nil || key == nil {
			return errNoFault
		}
		slot, err := f.cluster.Slot(key.(string))
		if err != nil {
			return err
		}
		return f.cluster.Move(slot, nodes[f.rand.IntN(len(nodes))], func() { f.pause(ctx, 0, 2*time.Millisecond) })
	})
}

// changePlaces makes the replica the primary, and back, in an orderly way. For a
// moment both are primaries then, of which the old one takes no writes, but is read:
// what is written to the new one is missed there.
func changePlaces(ctx context.Context, f *fleet) {
	primary, replica := f.pair()
	for _, node := range slices.Concat(f.cluster.Nodes, f.cluster.Replicas) {
		if _, err := node.Do("CONFIG", "SET", "cluster-node-timeout", 1000); err != nil { // see Failover
			f.t.Fatal(err)
		}
	}
	f.times(ctx, 200*time.Millisecond, 400*time.Millisecond, func() error {
		// A node that was elected counts the votes once more if it asks for them
		// again within twice this time.
		if n := len(f.failovers); n > 1 && history.Now()-f.failovers[n-2].To < 4*time.Second {
			return errNoFault
		}
		w := history.Window{From: history.Now()}
		if err := errors.Join(replica.Failover(), primary.Demoted()); err != nil {
			return err
		}
		w.To = history.Now()
		w.Until = w.To + historyUnheard
		f.failovers = append(f.failovers, w)
		primary, replica = replica, primary
		return replica.Follows()
	})
}

// pair returns the primary that has a replica, and that.
func (f *fleet) pair() (primary, replica *redistest.Server) {
	primary, replica = f.cluster.Nodes[0], f.cluster.Replicas[0]
	if info, err := replica.Info("replication"); err != nil || info["role"] == "master" {
		primary, replica = replica, primary
	}
	return primary, replica
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
