package integration_test

import (
	"context"
	"slices"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/admin"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/otelcache"
)

// A watched cache is one of a process with or without telemetry.
type watched struct {
	name string
	get  func(id int) // a Get
	next int          // an id that was not read yet
}

// hotID is one whose text needs no memory.
const hotID = 7

// watchedCaches returns a cache without telemetry, one with otelcache and one with admin.
func watchedCaches(t *testing.T) (all []*watched) {
	t.Helper()
	server := redistest.Start(t, nil)
	for _, name := range []string{"plain", "otelcache", "admin"} {
		b, err := strata.Open(t.Context(), &strata.Config{RedisURL: server.URL(), Prefix: name + ":"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		switch name {
		case "otelcache":
			meters, tracers := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())), sdktrace.NewTracerProvider()
			stop, err := otelcache.Instrument(b, &otelcache.Options{MeterProvider: meters, TracerProvider: tracers})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				stop()
				meters.Shutdown(context.Background())
				tracers.Shutdown(context.Background())
			})
		case "admin":
			h, err := admin.New(b, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.Close)
		}
		c, err := strata.New(b, "c", func(context.Context, int) (int, error) { return 1, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		redistest.WaitFor(t, "a hit in memory", func() bool {
			before := c.Stats().L1Hits
			_, err := c.Get(ctx, hotID)
			return err == nil && c.Stats().L1Hits > before
		})
		all = append(all, &watched{name: name, next: hotID, get: func(id int) {
			if _, err := c.Get(ctx, id); err != nil {
				t.Error(err)
			}
		}})
	}
	return all
}

// TestTelemetry_hitAlloc: telemetry adds no allocation to a hit in memory. Of a miss the test
// shows what it adds.
func TestTelemetry_hitAlloc(t *testing.T) {
	for _, w := range watchedCaches(t) {
		if n := testing.AllocsPerRun(1000, func() { w.get(hotID) }); n != 0 {
			t.Errorf("%s: %v allocations on a hit", w.name, n)
		}
		misses := testing.AllocsPerRun(200, func() { w.next++; w.get(w.next) })
		t.Logf("%s: %.0f allocations on a miss, with its load, in this process", w.name, misses)
	}
}

// TestCost_telemetry measures hits and misses in turns, and shows the medians. It asserts nothing.
func TestCost_telemetry(t *testing.T) {
	all := watchedCaches(t)
	hits, misses := make([][]time.Duration, len(all)), make([][]time.Duration, len(all))
	const rounds, hitsEach, missesEach = 41, 20_000, 40
	for range rounds {
		for i, w := range all {
			start := time.Now()
			for range hitsEach {
				w.get(hotID)
			}
			hits[i] = append(hits[i], time.Since(start)/hitsEach)
			start = time.Now()
			for range missesEach {
				w.next++
				w.get(w.next)
			}
			misses[i] = append(misses[i], time.Since(start)/missesEach)
		}
	}
	median := func(ds []time.Duration) time.Duration {
		slices.Sort(ds)
		return ds[len(ds)/2]
	}
	hit, miss := median(hits[0]), median(misses[0])
	for i, w := range all {
		h, m := median(hits[i]), median(misses[i])
		t.Logf("%-9s  hit %v (%.2f)  miss %v (%.2f)", w.name, h, float64(h)/float64(hit), m, float64(m)/float64(miss))
	}
}
