// Command prometheus is a service with a cache whose metrics Prometheus scrapes:
//
//	go run . -addr localhost:8080
//	curl localhost:8080/listings/42
//	curl localhost:8080/metrics
//
// docs/grafana has a dashboard and alert rules for them.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/otelcache"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to serve")
	flag.Parse()
	config, err := strata.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	handler, stop, err := newService(context.Background(), config, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	log.Print("http://", *addr)
	log.Print(http.ListenAndServe(*addr, handler))
}

// newService returns the service, which verifies cached values at that interval. The caller
// calls stop at the end.
func newService(ctx context.Context, config *strata.Config, verifyEvery time.Duration) (handler http.Handler, stop func(), err error) {
	exporter, err := prometheus.New()
	if err != nil {
		return nil, nil, err
	}
	meters := metric.NewMeterProvider(metric.WithReader(exporter))
	backend, err := strata.Open(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	if _, err := otelcache.Instrument(backend, &otelcache.Options{MeterProvider: meters}); err != nil {
		return nil, nil, err
	}
	listings, err := strata.New(backend, "listing", func(_ context.Context, id int) (string, error) {
		time.Sleep(time.Millisecond) // a database
		return fmt.Sprint("listing ", id), nil
	}, nil)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var verifying sync.WaitGroup
	verifying.Go(func() {
		for ctx.Err() == nil {
			verify(ctx, listings, meters)
			select {
			case <-time.After(verifyEvery):
			case <-ctx.Done():
			}
		}
	})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.Handler())
	mux.HandleFunc("GET /listings/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		l, err := listings.Get(r.Context(), id)
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, l)
	})
	return mux, func() {
		cancel()
		verifying.Wait()
		if err := backend.Close(); err != nil {
			log.Print(err)
		}
		if err := meters.Shutdown(context.Background()); err != nil {
			log.Print(err)
		}
	}, nil
}

// verify compares the listings that are read most with their source.
func verify(ctx context.Context, listings *strata.Cache[int, string], meters *metric.MeterProvider) {
	hot, err := listings.Hottest(100)
	if err != nil {
		log.Print(err)
		return
	}
	ids := func(yield func(int) bool) {
		for _, h := range hot {
			if !yield(h.ID) {
				return
			}
		}
	}
	report, err := otelcache.Verify(ctx, listings, ids, nil, &otelcache.Options{MeterProvider: meters})
	if err != nil && ctx.Err() == nil {
		log.Print(err)
	}
	for _, s := range report.Stale {
		log.Printf("listing %d is stale, %s old", s.ID, s.Age)
	}
}
