package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
)

// restartEmpty makes the source fail often, and kills Redis, which has nothing on disk,
// again and again.
func restartEmpty(ctx context.Context, f *fleet) {
	f.pause(ctx, 500*time.Millisecond, 500*time.Millisecond)
	f.source.fails.Store(30)
	f.times(ctx, 200*time.Millisecond, 500*time.Millisecond, func() error {
		f.server.Kill()
		f.pause(ctx, 0, 100*time.Millisecond)
		return f.server.Restart()
	})
}

// failsafe checks that loads failed, and that old copies answered instead. How many reads
// fail although a copy was there depends on the pushes of others, which drop it when
// they only reload the key: TestChaos counts them where one process reads.
func failsafe(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	lost(t, f, r, ops)
	exercised(t, f, r, ops)
	if c := f.sum(); c.LoadErrors < 20 || r.Stale < 20 {
		t.Errorf("%d loads failed, %d answers were stale", c.LoadErrors, r.Stale)
	}
}
