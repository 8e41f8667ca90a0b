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

// stampede makes many callers want key at the same time. It returns the number of loads and
// of wrong answers, and the median, 99th percentile and maximum of the times, in
// microseconds.
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
	at := func(percent int) int64 { return took[(len(took)-1)*percent/100].Microseconds() }
	return fmt.Sprint(loads.Load(), wrong.Load(), at(50), at(99), at(100))
}

// G9: one load per key in the fleet, with any number of callers.
func TestStampede_fourProcesses(t *testing.T) {
	server := redistest.Start(t, nil)
	var peers [4]*peer
	for i := range peers {
		peers[i] = startPeer(t, server.URL())
		peers[i].do("get warm") // it is then connected
	}
	for round := range 10 {
		var answers [4]string
		var wg sync.WaitGroup
		for i, p := range peers {
			wg.Go(func() { answers[i] = p.do("stampede k%d", round) })
		}
		wg.Wait()
		var loads int
		for _, a := range answers {
			var n, wrong int
			var took [3]float64
			if _, err := fmt.Sscan(a, &n, &wrong, &took[0], &took[1], &took[2]); err != nil || wrong != 0 {
				t.Fatalf("a peer says %q", a)
			}
			loads += n
			t.Logf("round %d: %d loads, p50 %.1f ms, p99 %.1f ms, max %.1f ms", round, n, took[0]/1000, took[1]/1000, took[2]/1000)
		}
		if loads != 1 {
			t.Errorf("round %d: %d loads by 4 processes of %d callers, want 1", round, loads, stampedeCallers)
		}
	}
}
