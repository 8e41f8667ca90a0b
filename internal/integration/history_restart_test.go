package integration_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
)

// restartEmpty has the source fail often, and kills Redis, which has nothing on disk,
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

// failsafe checks that a process which once had a key that never changes could answer
// each later Get of it.
func failsafe(t *testing.T, f *fleet, r *history.Report, ops []history.Op) {
	exercised(t, f, r, ops)
	had := map[int]map[string]time.Duration{} // by process and key: since when
	slices.SortFunc(ops, func(a, b history.Op) int { return int(a.Return - b.Return) })
	for _, o := range ops {
		if o.Kind == history.Get && o.Err == "" {
			if had[o.Process] == nil {
				had[o.Process] = map[string]time.Duration{}
			}
			if _, ok := had[o.Process][o.Key]; !ok {
				had[o.Process][o.Key] = o.Return
			}
		}
	}
	failed := 0
	for _, o := range ops {
		since, ok := had[o.Process][o.Key]
		if o.Kind == history.Get && o.Tier == history.Any && o.Err != "" && ok && o.Call > since && strings.HasPrefix(o.Key, string(histStill)) {
			if failed++; failed <= 3 {
				t.Errorf("a copy was there since %v: %v", since, o)
			}
		}
	}
	if c := f.sum(); c.LoadErrors < 20 || r.Stale == 0 {
		t.Errorf("%d loads failed, %d answers were stale, %d reads failed that had a copy", c.LoadErrors, r.Stale, failed)
	}
	t.Logf("%d reads failed that had a copy", failed)
}
