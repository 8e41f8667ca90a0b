package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
)

const (
	chaosRows    = 200 // loaded before the faults begin, and never changed
	chaosChanged = 16  // more rows, which one process changes all the time
)

// A chaosSource fails three times in ten.
type chaosSource struct {
	rows          [chaosRows + chaosChanged]atomic.Int64
	sound         atomic.Bool
	calls, failed atomic.Int64
}

var errChaos = errors.New("the source fails")

func (s *chaosSource) load(_ context.Context, id int) (int64, error) {
	s.calls.Add(1)
	v := s.rows[id].Load()
	if !s.sound.Load() && rand.IntN(10) < 3 {
		s.failed.Add(1)
		return 0, errChaos
	}
	return v, nil
}

// A tally is what a reader saw.
type tally struct {
	reads, stale, errs int64
	took               []time.Duration // of those that took longer than a millisecond
}

func (y *tally) add(t *testing.T, what string, began time.Time, err error) {
	y.reads++
	if d := time.Since(began); d > time.Millisecond {
		y.took = append(y.took, d)
	}
	if err != nil {
		if y.errs++; y.errs <= 3 {
			t.Logf("%s failed after %v: %v", what, time.Since(began), err)
		}
	}
}

// The source fails three times in ten, and Redis is down half of the time, killed or
// stopped. No reader gets an error for a value that was loaded before and is not older than
// StaleFor. A writer never reads a value older than its change. This holds for a Redis that
// keeps confirmed writes, and for one that is empty after each restart, which is always
// killed.
func TestChaos(t *testing.T) {
	t.Run("append-only file", func(t *testing.T) { chaos(t, true, "appendonly yes", "appendfsync always") })
	t.Run("no persistence", func(t *testing.T) { chaos(t, false) })
}

func chaos(t *testing.T, stops bool, config ...string) {
	lasts := 8 * time.Second
	if soak := os.Getenv("STRATA_SOAK"); soak != "" {
		var err error
		if lasts, err = time.ParseDuration(soak); err != nil {
			t.Fatal(err)
		}
	}
	defer watchdog(lasts + 2*time.Minute)()
	server := redistest.Start(t, &redistest.Options{Config: config})
	src := &chaosSource{}
	src.sound.Store(true)
	var backends []*strata.Backend
	var caches []*strata.Cache[int, int64]
	for range 2 {
		b, err := strata.Open(t.Context(), &strata.Config{RedisURL: server.URL()})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		c, err := strata.New(b, "row", src.load, &strata.Options[int, int64]{TTL: 200 * time.Millisecond, StaleFor: lasts + time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		backends, caches = append(backends, b), append(caches, c)
	}
	// Only the process that reads the rows loads them. A load by the other would invalidate its
	// copies, and there would be no value in reach once Redis is down.
	for id := range chaosRows {
		redistest.WaitFor(t, "the row to be in L1", func() bool {
			e, err := caches[0].GetEntry(t.Context(), id)
			return err == nil && e.Tier == layered.L1
		})
	}
	src.sound.Store(false)

	var stop atomic.Bool
	var wg sync.WaitGroup
	tallies := make([]tally, 8)
	for i := range tallies {
		wg.Go(func() { chaosReader(t, caches[0], &tallies[i], &stop) })
	}
	wg.Go(func() { chaosWriter(t, caches[1], src, &stop) })
	down, faults := chaosFaults(t, server, lasts, stops)
	stop.Store(true)
	wg.Wait()
	chaosReport(t, tallies, caches, backends, src, faults, down.Seconds()/lasts.Seconds())
}

// watchdog ends the process with the stacks of all goroutines if stop is not called within d.
func watchdog(d time.Duration) (stop func() bool) {
	return time.AfterFunc(d, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("the test hangs: it was to end within %v", d))
	}).Stop
}

// chaosReader reads single ids and batches.
func chaosReader(t *testing.T, c *strata.Cache[int, int64], y *tally, stop *atomic.Bool) {
	ids := make([]int, 20)
	for n := 0; !stop.Load(); n++ {
		began := time.Now()
		if n%50 == 0 {
			for i := range ids {
				ids[i] = rand.IntN(chaosRows)
			}
			_, err := c.GetMany(context.Background(), ids)
			y.add(t, "a batch", began, err)
		} else {
			e, err := c.GetEntry(context.Background(), rand.IntN(chaosRows))
			y.add(t, "a read", began, err)
			if e.Stale {
				y.stale++
			}
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// chaosWriter changes rows, and reads what it has changed: an error is accepted, an old
// value is not.
func chaosWriter(t *testing.T, c *strata.Cache[int, int64], src *chaosSource, stop *atomic.Bool) {
	for n := 0; !stop.Load(); n++ {
		id := chaosRows + n%chaosChanged
		v := src.rows[id].Add(1)
		_ = c.Delete(context.Background(), id)
		for range 3 {
			if got, err := c.Get(context.Background(), id); err == nil && got != v {
				t.Errorf("row %d was changed to %d, and is %d", id, v, got)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// chaosFaults has Redis down half of the time, killed or, every other time if stops,
// stopped. It returns the total down time.
func chaosFaults(t *testing.T, server *redistest.Server, lasts time.Duration, stops bool) (down time.Duration, faults int) {
	for end := time.Now().Add(lasts); time.Now().Before(end); faults++ {
		span := 300*time.Millisecond + rand.N(1700*time.Millisecond)
		time.Sleep(span)
		began := time.Now()
		if !stops || faults%2 == 0 {
			server.Kill()
			time.Sleep(span)
			if err := server.Restart(); err != nil {
				t.Error(err)
			}
		} else {
			server.Pause()
			time.Sleep(span)
			server.Resume()
		}
		down += time.Since(began)
	}
	return down, faults
}

func chaosReport(t *testing.T, tallies []tally, caches []*strata.Cache[int, int64], backends []*strata.Backend, src *chaosSource, faults int, down float64) {
	var sum tally
	for _, y := range tallies {
		sum.reads, sum.stale, sum.errs = sum.reads+y.reads, sum.stale+y.stale, sum.errs+y.errs
		sum.took = append(sum.took, y.took...)
	}
	var doubtful, served, opened uint64
	for i, c := range caches {
		st := c.Stats()
		doubtful, served = doubtful+st.Suspect, served+st.StaleServed
		opened += backends[i].Health().Redis.Opened
	}
	slices.Sort(sum.took)
	quantile := func(q float64) time.Duration { // of all reads
		if i := len(sum.took) - 1 - int((1-q)*float64(sum.reads)); i >= 0 {
			return sum.took[i].Round(time.Millisecond)
		}
		return time.Millisecond
	}
	t.Logf("%d reads, %d errors; %d answers were stale, %d of them could not be confirmed by Redis either", sum.reads, sum.errs, served, doubtful)
	t.Logf("%d loads, of which %d failed; Redis was down %d times, %.0f %% of the time; %d times it was not asked any more", src.calls.Load(), src.failed.Load(), faults, 100*down, opened)
	t.Logf("reads took less than %v at 99 %%, %v at 99.9 %%, %v at most", quantile(0.99), quantile(0.999), quantile(1))
	if sum.errs > 0 {
		t.Errorf("%d of %d reads failed, though there was a value; the counters of the process: %+v", sum.errs, sum.reads, caches[0].Tiers().Counts())
	}
	if doubtful == 0 || opened == 0 || src.failed.Load() == 0 || faults < 2 {
		t.Error("there was no chaos: the test has shown nothing: " + fmt.Sprint(doubtful, opened, src.failed.Load(), faults))
	}
}
