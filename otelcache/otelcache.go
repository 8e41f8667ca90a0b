// Package otelcache reports the caches of a [strata.Backend] to OpenTelemetry: metrics of all
// that happens, and spans for loads and Redis operations.
//
//	stop, err := otelcache.Instrument(backend, nil)
//
// A hit in memory has no span and no event: collectors read the counters that the cache has
// anyway. Keys, values, tags, errors and credentials are never reported. docs/metrics.md lists
// the metrics.
package otelcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/lokroom/strata"
)

// scopeName identifies this package to the SDK.
const scopeName = "github.com/lokroom/strata/otelcache"

// defaultPrefix is that of names of metrics and attributes. OpenTelemetry has no convention for
// caches.
const defaultPrefix = "strata."

// Options configure [Instrument], [Limiter] and [Verify]. Nil and the zero value select the defaults.
type Options struct {
	// MeterProvider receives the metrics. nil: the global one.
	MeterProvider metric.MeterProvider

	// TracerProvider receives the spans. nil: the global one.
	TracerProvider trace.TracerProvider

	// Prefix begins the names of metrics and attributes. Empty: "strata.".
	Prefix string

	// NoRedisSpans omits spans of Redis operations, for programs with a Redis client that has
	// its own. False: there are such spans.
	NoRedisSpans bool

	// RootSpans begins a trace for a load or Redis operation outside of a trace. False: there
	// are spans only where the context has a span that is sampled.
	RootSpans bool
}

func (o *Options) complete() Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	return c
}

// Instrument reports b until stop is called or b is closed. Caches that are opened later are
// reported too. o may be nil. Call it once for a backend and a MeterProvider.
func Instrument(b *strata.Backend, o *Options) (stop func() error, err error) {
	if b == nil {
		return nil, errors.New("otelcache: the backend is nil")
	}
	c := o.complete()
	in, err := newInstruments(&c)
	if err != nil {
		return nil, fmt.Errorf("otelcache: %w", err)
	}
	registration, err := in.meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		in.collect(b, to)
		return nil
	}, in.observables()...)
	if err != nil {
		return nil, fmt.Errorf("otelcache: %w", err)
	}
	remove := b.Observe(newObserver(&c, in))
	stopAges := b.SampleRemovals(func(cache, cause string, age time.Duration) {
		in.durations[entryAgeName].Record(context.Background(), age.Seconds(), in.attributes.of(in, cache, "", "", cause))
	})
	return func() error {
		stopAges()
		remove()
		return registration.Unregister()
	}, nil
}

// instruments are the instruments by their names without a prefix.
type instruments struct {
	meter      metric.Meter
	prefix     string
	observed   map[string]metric.Int64Observable // read by collect
	gauges     map[string]metric.Float64Observable
	counters   map[string]metric.Int64Counter
	durations  map[string]metric.Float64Histogram
	attributes attributes
	corrupt    corrupt
}

// corrupt counts values that cannot be decoded, by cache. A counter of the SDK would begin with
// the first one, and Prometheus sees no increase in the first sample of a series.
type corrupt struct{ counts sync.Map } // of a name to *atomic.Uint64

func (c *corrupt) of(cache string) *atomic.Uint64 {
	if n, ok := c.counts.Load(cache); ok {
		return n.(*atomic.Uint64)
	}
	n, _ := c.counts.LoadOrStore(cache, new(atomic.Uint64))
	return n.(*atomic.Uint64)
}

// newInstruments makes the instruments with these names; none: those of Instrument.
func newInstruments(o *Options, names ...string) (*instruments, error) {
	in := &instruments{
		meter: o.MeterProvider.Meter(scopeName), prefix: o.Prefix,
		observed: make(map[string]metric.Int64Observable), gauges: make(map[string]metric.Float64Observable),
		counters: make(map[string]metric.Int64Counter), durations: make(map[string]metric.Float64Histogram),
	}
	var errs []error
	for _, m := range metrics {
		if len(names) > 0 && slices.Contains(names, m.Name) || len(names) == 0 && !slices.Contains(elsewhere, m.Name) {
			errs = append(errs, in.add(m))
		}
	}
	return in, errors.Join(errs...)
}

// add makes the instrument of m.
func (in *instruments) add(m instrument) (err error) {
	name, unit, text := in.prefix+m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Description)
	switch {
	case slices.Contains(synchronous, m.Name):
		in.counters[m.Name], err = in.meter.Int64Counter(name, unit, text)
	case m.Kind == counter:
		in.observed[m.Name], err = in.meter.Int64ObservableCounter(name, unit, text)
	case m.Kind == upDownCounter:
		in.observed[m.Name], err = in.meter.Int64ObservableUpDownCounter(name, unit, text)
	case m.Kind == gauge:
		in.gauges[m.Name], err = in.meter.Float64ObservableGauge(name, unit, text)
	case m.Name == verifiedAgeName, m.Name == entryAgeName:
		in.durations[m.Name], err = in.meter.Float64Histogram(name, unit, text, metric.WithExplicitBucketBoundaries(ages...))
	case m.Kind == histogram:
		in.durations[m.Name], err = in.meter.Float64Histogram(name, unit, text, metric.WithExplicitBucketBoundaries(bounds...))
	}
	return err
}

func (in *instruments) observables() (all []metric.Observable) {
	for _, o := range in.observed {
		all = append(all, o)
	}
	for _, o := range in.gauges {
		all = append(all, o)
	}
	return all
}

// set returns the attributes with these names and values, in pairs.
func (in *instruments) set(pairs ...string) attribute.Set {
	kvs := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		kvs = append(kvs, attribute.String(in.prefix+pairs[i], pairs[i+1]))
	}
	return attribute.NewSet(kvs...)
}
