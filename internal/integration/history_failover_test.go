package integration_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
)

// How Redis loses what it has confirmed.

// replicaLag is how far a replica is behind, on a machine that has more to do.
const replicaLag = 200 * time.Millisecond

// lost takes note of a failover that is over now. Who wrote what was lost notices
// within a quarter of the time that Redis may be silent; the rest is for a machine
// that has more to do.
func (f *fleet) lost(w history.Window) {
	w.To = history.Now()
	w.Until = w.To + historyUnheard + time.Second
	f.failovers = append(f.failovers, w)
}

// pair returns the primary that has a replica, and that.
func (f *fleet) pair() (primary, replica *redistest.Server) {
	primary, replica = f.cluster.Nodes[0], f.cluster.Replicas[0]
	if replica.IsPrimary() {
		primary, replica = replica, primary
	}
	return primary, replica
}

// changePlaces makes the replica the primary, and back, in an orderly way. For a
// moment both are primaries then, of which the old one takes no writes, but is read:
// what is written to the new one is missed there.
func changePlaces(ctx context.Context, f *fleet) {
	primary, replica := f.pair()
	f.electOften()
	f.times(ctx, 200*time.Millisecond, 400*time.Millisecond, func() error {
		if f.electedLately() {
			return errNoFault
		}
		began := history.Now()
		if err := errors.Join(replica.Failover(), primary.Demoted()); err != nil {
			return err
		}
		f.lost(history.Window{From: began, Own: true})
		primary, replica = replica, primary
		return replica.Follows()
	})
}

// takeOver kills the primary, and makes the replica the primary, which has lost sight
// of the other a moment before.
func takeOver(ctx context.Context, f *fleet) {
	primary, replica := f.pair()
	f.times(ctx, 200*time.Millisecond, 400*time.Millisecond, func() error {
		began := history.Now()
		if err := replica.Detach(primary); err != nil {
			return err
		}
		f.pause(ctx, 50*time.Millisecond, 150*time.Millisecond)
		primary.Kill()
		if err := replica.TakeOver(); err != nil {
			return err
		}
		f.lost(history.Window{From: began - replicaLag})
		primary, replica = replica, primary
		return errors.Join(replica.Restart(), primary.Reattach(), replica.Follows())
	})
}

// forceOver makes the replica the primary, which has lost sight of the other a moment
// before, while that one goes on answering (CLUSTER FAILOVER FORCE): what was written to
// it meanwhile is lost.
func forceOver(ctx context.Context, f *fleet) {
	primary, replica := f.pair()
	f.electOften()
	f.times(ctx, 200*time.Millisecond, 400*time.Millisecond, func() error {
		if f.electedLately() {
			return errNoFault
		}
		began := history.Now()
		if err := replica.Detach(primary); err != nil {
			return err
		}
		f.pause(ctx, 50*time.Millisecond, 150*time.Millisecond)
		if err := errors.Join(replica.ForceFailover(), primary.Demoted()); err != nil {
			return err
		}
		f.lost(history.Window{From: began - replicaLag, Own: true})
		primary, replica = replica, primary
		return errors.Join(primary.Reattach(), replica.Follows())
	})
}

// electOften has the nodes of the cluster vote again soon: see Failover.
func (f *fleet) electOften() {
	for _, node := range slices.Concat(f.cluster.Nodes, f.cluster.Replicas) {
		if _, err := node.Do("CONFIG", "SET", "cluster-node-timeout", 1000); err != nil {
			f.t.Fatal(err)
		}
	}
}

// electedLately reports whether it is too early for the node that was a primary before the
// last failover: one that was elected counts the votes once more if it asks for them again
// within twice cluster-node-timeout.
func (f *fleet) electedLately() bool {
	n := len(f.failovers)
	return n > 1 && history.Now()-f.failovers[n-2].To < 4*time.Second
}

// failOver has the sentinels make the replica the primary. For a second or so, until
// they announce it, everybody writes to the old one, in vain.
func failOver(ctx context.Context, f *fleet) {
	f.times(ctx, 200*time.Millisecond, 400*time.Millisecond, func() error {
		old, err := f.sentinels.Current()
		if err != nil {
			return err
		}
		if !f.sentinels.Other(old).IsFollowing() { // the last one is not over
			return errNoFault
		}
		began := history.Now()
		if _, err := f.sentinels.Sentinels[0].Do("SENTINEL", "FAILOVER", redistest.MasterSet); err != nil {
			return errNoFault // nor is it, as the sentinels see it
		}
		if err := f.sentinels.Announced(f.sentinels.Other(old)); err != nil {
			return err
		}
		f.pause(ctx, 100*time.Millisecond, 100*time.Millisecond) // until they have heard
		f.lost(history.Window{From: began - replicaLag})
		return nil
	})
}

// killWatched kills the primary for good, and waits until the sentinels have made the
// replica the primary, which has lost sight of the other a moment before.
func killWatched(ctx context.Context, f *fleet) {
	f.times(ctx, 200*time.Millisecond, 400*time.Millisecond, func() error {
		if len(f.failovers) > 0 {
			return errNoFault
		}
		old, err := f.sentinels.Current()
		if err != nil {
			return err
		}
		replica := f.sentinels.Other(old)
		began := history.Now()
		if err := replica.Detach(old); err != nil {
			return err
		}
		f.pause(ctx, 50*time.Millisecond, 150*time.Millisecond)
		old.Kill()
		if err := replica.Promoted(); err != nil {
			return err
		}
		f.lost(history.Window{From: began - replicaLag})
		return nil
	})
}

// moveAddress makes the address that all processes know lead to the replica, which
// becomes the primary, and back. Connections to the old primary stay open.
func moveAddress(ctx context.Context, f *fleet) {
	f.times(ctx, 200*time.Millisecond, 400*time.Millisecond, func() error {
		began := history.Now()
		if err := f.address.Failover(); err != nil {
			return err
		}
		f.lost(history.Window{From: began, Own: true})
		redistest.WaitFor(f.t, "all processes to listen to the new primary", func() bool {
			list, err := f.address.Primary().Do("CLIENT", "LIST")
			text, _ := list.(string)
			listening := 0
			for line := range strings.Lines(text) {
				if _, flags := clientFlags(line); strings.Contains(flags, "t") {
					listening++
				}
			}
			return err == nil && listening >= historySize
		})
		return nil
	})
}

// restartOld kills Redis and starts it from the file that it had saved a moment
// before.
func restartOld(ctx context.Context, f *fleet) {
	f.times(ctx, 200*time.Millisecond, 400*time.Millisecond, func() error {
		began := history.Now()
		if _, err := f.server.Do("SAVE"); err != nil {
			return err
		}
		f.pause(ctx, 50*time.Millisecond, 150*time.Millisecond)
		f.server.Kill()
		if err := f.server.Restart(); err != nil {
			return err
		}
		f.lost(history.Window{From: began})
		return nil
	})
}

// swapBack swaps the database for another one, and back, before the processes notice or
// after. What the other one has may be as old as the last time that it was there; what is
// written to it is lost when it goes.
func swapBack(ctx context.Context, f *fleet) {
	f.times(ctx, 2*historyUnheard, 3*historyUnheard, func() error { // time in which nothing is excused
		w := history.Window{Since: history.Now(), Own: true}
		if _, err := f.server.Do("SWAPDB", 0, 1); err != nil {
			return err
		}
		f.pause(ctx, 10*time.Millisecond, historyUnheard)
		if _, err := f.server.Do("SWAPDB", 0, 1); err != nil {
			return err
		}
		w.To = history.Now()
		w.Until = w.To + historyUnheard // without a heartbeat nothing is read
		f.failovers = append(f.failovers, w)
		return nil
	})
}

// swapped checks that values were written to both databases, and that writes were made
// again.
func swapped(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	replayed(t, f, r, ops)
	info, err := f.server.Info("keyspace")
	if err != nil {
		t.Fatal(err)
	}
	if r.Lost == 0 || info["db0"] == "" || info["db1"] == "" {
		t.Errorf("%d answers missed something, the databases have %v", r.Lost, info)
	}
}

// replayed checks that the processes wrote again what they had written.
func replayed(t *testing.T, f *fleet, r *history.Report, _ []history.Op) {
	if f.sum().Replayed == 0 {
		t.Error("nothing was replayed")
	}
}
