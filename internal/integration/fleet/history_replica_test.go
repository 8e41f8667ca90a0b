package fleet_test

import (
	"context"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
)

// Faults of a replica that processes read from.

// lagReplica detaches the replica, which then has old values, and attaches it again.
func lagReplica(ctx context.Context, f *fleet) {
	f.times(ctx, 100*time.Millisecond, 300*time.Millisecond, func() error {
		if err := f.replica.Detach(f.server); err != nil {
			return err
		}
		f.pause(ctx, 100*time.Millisecond, 500*time.Millisecond)
		return f.replica.Attach(f.server)
	})
}

func stallReplica(ctx context.Context, f *fleet) {
	f.times(ctx, 150*time.Millisecond, 400*time.Millisecond, func() error {
		if err := f.replica.Pause(); err != nil {
			return err
		}
		f.pause(ctx, 100*time.Millisecond, time.Second)
		return f.replica.Resume()
	})
}

func killReplica(ctx context.Context, f *fleet) {
	f.times(ctx, 300*time.Millisecond, 600*time.Millisecond, func() error {
		f.asked = f.asked || f.replicaAsked() // it will not remember
		f.replica.Kill()
		f.pause(ctx, 0, 300*time.Millisecond)
		return f.replica.Restart()
	})
}

// byReplica checks that the replica was asked for values.
func byReplica(t *testing.T, f *fleet, _ *history.Report, _ []history.Op) {
	if !f.asked && !f.replicaAsked() {
		t.Error("the replica was asked for nothing")
	}
}

func (f *fleet) replicaAsked() bool {
	info, err := f.replica.Info("commandstats")
	if err != nil {
		f.t.Fatal(err)
	}
	return info["cmdstat_get"] != ""
}
