package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/otelcache"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
)

// metrics are the instruments of a process, for Prometheus: docs/grafana has a dashboard and alert
// rules for them.
type metrics struct {
	handler http.Handler
	meters  *metric.MeterProvider
}

// measure returns the metrics of b.
func measure(b *strata.Backend) (m metrics, err error) {
	registry := prometheus.NewRegistry()
	e, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return m, err
	}
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	m.meters = metric.NewMeterProvider(metric.WithReader(e))
	_, err = otelcache.Instrument(b, &otelcache.Options{MeterProvider: m.meters})
	return m, err
}

func (m metrics) close() error {
	if m.meters == nil {
		return nil
	}
	return m.meters.Shutdown(context.Background())
}

// serve serves on addr until ctx ends. An empty addr: it does nothing.
func (m metrics) serve(ctx context.Context, addr string) error {
	if addr == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.handler)
	s := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: drain}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
