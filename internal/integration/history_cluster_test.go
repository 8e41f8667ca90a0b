package integration_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
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
