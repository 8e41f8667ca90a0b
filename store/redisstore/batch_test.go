package redisstore_test

import (
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
)

// Callers at the same time share packets: the server reads once for many commands.
func TestStore_batches(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dial(t, to(srv)), "p:")
	set(t, s, "k", "v")
	packets := func() int {
		t.Helper()
		info, err := srv.Info("stats")
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(info["total_reads_processed"])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// On one processor the writer of rueidis comes before the other callers. (Not under
	// the race detector, which shuffles: see the internal test.)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const callers, each = 64, 50
	before := packets()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				if _, err := s.Get(ctx, "k"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	n := packets() - before
	t.Logf("%d Gets by %d callers took %d packets", callers*each, callers, n)
	if n > callers*each/10 {
		t.Errorf("%d Gets by %d callers took %d packets", callers*each, callers, n)
	}
}
