package fleet_test

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

// Faults that lose confirmed writes.

// lost records a failover that has ended. The writer of a lost write notices within a
// quarter of MaxDisconnected; the rest is for a busy machine.
func (f *fleet) lost(w history.Window) {
	w.To = history.Now()
	w.Until = w.To + historyMaxDisconnected + time.Second
	f.failovers = append(f.failovers, w)
}

// pair returns the primary that has a replica, and the replica.
func (f *fleet) pair() (primary, replica *redistest.Server) {
	primary, replica = f.cluster.Nodes[0], f.cluster.Replicas[0]
	if replica.IsPrimary() {
		primary, replica = replica, primary
	}
	return primary, replica
}

// changePlaces swaps primary and replica in an orderly way, and back. For a moment both are
// primaries: the old one accepts reads but no writes, and misses writes to the new one.
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

// takeOver detaches the replica, kills the primary a moment later, and makes the replica
// the primary.
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
		f.lost(history.Window{From: began})
		primary, replica = replica, primary
		return errors.Join(replica.Restart(), primary.Reattach(), replica.Follows())
	})
}

// forceOver detaches the replica and makes it the primary a moment later, while the old one
// still answers (CLUSTER FAILOVER FORCE): writes to the old one are lost.
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
		f.lost(history.Window{From: began, Own: true})
		primary, replica = replica, primary
		return errors.Join(primary.Reattach(), replica.Follows())
	})
}

// electOften lets the nodes of the cluster vote again soon: see Failover.
func (f *fleet) electOften() {
	for _, node := range slices.Concat(f.cluster.Nodes, f.cluster.Replicas) {
		if _, err := node.Do("CONFIG", "SET", "cluster-node-timeout", 1000); err != nil {
			f.t.Fatal(err)
		}
	}
}

// electedLately reports whether a failover back is too early: a node that was elected
// counts the old votes again if it asks within twice cluster-node-timeout.
func (f *fleet) electedLately() bool {
	n := len(f.failovers)
	return n > 1 && history.Now()-f.failovers[n-2].To < 4*time.Second
}

// failOver makes the sentinels promote the replica. Until they announce it, for about a
// second, all processes write to the old primary in vain.
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
		if err := f.sentinels.Other(old).CaughtUp(old); err != nil {
			return err
		}
		if _, err := f.sentinels.Sentinels[0].Do("SENTINEL", "FAILOVER", redistest.MasterSet); err != nil {
			return errNoFault // nor is it for the sentinels
		}
		if err := f.sentinels.Announced(f.sentinels.Other(old)); err != nil {
			return err
		}
		f.pause(ctx, 100*time.Millisecond, 100*time.Millisecond) // until they are notified
		f.lost(history.Window{From: began})
		return nil
	})
}

// killWatched detaches the replica, kills the primary for good, and waits until the
// sentinels have promoted the replica.
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
		f.lost(history.Window{From: began})
		return nil
	})
}

// moveAddress makes the address that all processes use lead to the replica, which becomes
// the primary, and back. Connections to the old primary stay open.
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

// restartOld kills Redis and restarts it from a file saved a moment before.
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

// swapBack swaps the database for another one, and back, before or after the processes
// notice. The other database may be as old as its last use; writes to it are lost when it
// goes.
func swapBack(ctx context.Context, f *fleet) {
	f.times(ctx, 2*historyMaxDisconnected, 3*historyMaxDisconnected, func() error { // a period without excuses
		w := history.Window{Since: history.Now(), Own: true}
		if _, err := f.server.Do("SWAPDB", 0, 1); err != nil {
			return err
		}
		f.pause(ctx, 10*time.Millisecond, historyMaxDisconnected)
		if _, err := f.server.Do("SWAPDB", 0, 1); err != nil {
			return err
		}
		w.To = history.Now()
		w.Until = w.To + historyMaxDisconnected // without a heartbeat nothing is read
		f.failovers = append(f.failovers, w)
		return nil
	})
}

// swapped checks that values were written to both databases, and that writes were replayed.
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

// replayed checks that the processes replayed their writes.
func replayed(t *testing.T, f *fleet, r *history.Report, _ []history.Op) {
	if f.sum().Replayed == 0 {
		t.Error("nothing was replayed")
	}
}
