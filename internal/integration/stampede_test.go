package integration_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

const (
	stampedeCallers = 1000
	stampedeLoad    = 20 * time.Millisecond
)

// stampede has many callers want key at the same time and returns how many loads
// they caused, how many got something wrong, and how long the slowest 1 % took.
func stampede(ctx context.Context, b *strata.Backend, key string) string {
	var loads, wrong atomic.Int64
	c, err := strata.New(b, "stampede", func(context.Context, string) (int, error) {
		loads.Add(1)
		time.Sleep(stampedeLoad)
		return 42, nil
	}, nil)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	took := make([]time.Duration, stampedeCallers)
	var wg sync.WaitGroup
	for i := range took {
		wg.Go(func() {
			began := time.Now()
			if v, err := c.Get(ctx, key); v != 42 || err != nil {
				wrong.Add(1)
			}
			took[i] = time.Since(began)
		})
	}
	wg.Wait()
	slices.Sort(took)
	return fmt.Sprint(loads.Load(), wrong.Load(), took[len(took)*99/100].Milliseconds())
}

// G9: one load in the fleet for a key, however many want it.
func TestStampede_fourProcesses(t *testing.T) {
	server := redistest.Start(t, nil)
	var peers [4]*peer
	for i := range peers {
		peers[i] = startPeer(t, server.URL())
		peers[i].do("get warm") // is connected then
	}
	for round := range 5 {
		var answers [4]string
		var wg sync.WaitGroup
		for i, p := range peers {
			wg.Go(func() { answers[i] = p.do("stampede k%d", round) })
		}
		wg.Wait()
		var loads int
		for _, a := range answers {
			var n, wrong, p99 int
			if _, err := fmt.Sscan(a, &n, &wrong, &p99); err != nil || wrong != 0 {
				t.Fatalf("a peer says %q", a)
			}
			loads += n
			t.Logf("round %d: %d loads, p99 %d ms", round, n, p99)
		}
		if loads != 1 {
			t.Errorf("round %d: %d loads by 4 processes of %d callers, want 1", round, loads, stampedeCallers)
		}
	}
}
