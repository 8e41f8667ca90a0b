package fleet_test

import (
	"context"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
)

// restartEmpty makes the source fail often, and repeatedly kills Redis, which has no
// persistence.
func restartEmpty(ctx context.Context, f *fleet) {
	f.pause(ctx, 500*time.Millisecond, 500*time.Millisecond)
	f.source.fails.Store(30)
	f.times(ctx, 200*time.Millisecond, 500*time.Millisecond, func() error {
		f.server.Kill()
		f.pause(ctx, 0, 100*time.Millisecond)
		return f.server.Restart()
	})
}

// failsafe checks that loads failed, and that old copies were returned instead. How many
// reads fail in spite of a copy depends on invalidations by others, which drop it even if
// they only reload the key: TestChaos counts them with one reader.
func failsafe(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	lost(t, f, r, ops)
	exercised(t, f, r, ops)
	if c := f.sum(); c.LoadErrors < 20 || r.Stale < 20 {
		t.Errorf("%d loads failed, %d answers were stale", c.LoadErrors, r.Stale)
	}
}
