package otelcache_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/otelcache"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store"
)

// A telemetry is what exporters in memory receive.
type telemetry struct {
	reader *sdkmetric.ManualReader
	spans  *tracetest.InMemoryExporter
	opts   otelcache.Options
}

func newTelemetry(t *testing.T) *telemetry {
	t.Helper()
	m := &telemetry{reader: sdkmetric.NewManualReader(), spans: tracetest.NewInMemoryExporter()}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(m.reader))
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(m.spans))
	m.opts = otelcache.Options{MeterProvider: meters, TracerProvider: tracers}
	t.Cleanup(func() {
		if err := errors.Join(meters.Shutdown(context.Background()), tracers.Shutdown(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return m
}

// trace begins a sampled span.
func (m *telemetry) trace(t *testing.T) (context.Context, trace.Span) {
	return m.opts.TracerProvider.Tracer("test").Start(t.Context(), "request")
}

// series returns the values of all series, like `strata.cache.loads{strata.cache.name=c}`. Of a
// histogram it is the number of values.
func (m *telemetry) series(t *testing.T) map[string]float64 {
	t.Helper()
	all := make(map[string]float64)
	add := func(name string, set attribute.Set, v float64) {
		all[name+"{"+set.Encoded(attribute.DefaultEncoder())+"}"] = v
	}
	for _, s := range m.collect(t).ScopeMetrics {
		for _, metric := range s.Metrics {
			switch d := metric.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					add(metric.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					add(metric.Name, p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					first, last := 1e-6, 10.
					if metric.Name == "strata.cache.verified.age" || metric.Name == "strata.cache.entry.age" {
						first, last = .01, 7*24*3600
					}
					if p.Bounds[0] != first || p.Bounds[len(p.Bounds)-1] != last {
						t.Errorf("%s has the bounds %v", metric.Name, p.Bounds)
					}
					add(metric.Name, p.Attributes, float64(p.Count))
				}
			default:
				t.Errorf("%s is a %T", metric.Name, d)
			}
		}
	}
	return all
}

func (m *telemetry) collect(t *testing.T) (data metricdata.ResourceMetrics) {
	t.Helper()
	if err := m.reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t *testing.T, m *telemetry, c *strata.Config) *strata.Backend {
	t.Helper()
	b, err := strata.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := otelcache.Instrument(b, &m.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(stop(), b.Close()); err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
	})
	return b
}

func TestInstrument(t *testing.T) {
	server := redistest.Start(t, nil)
	m := newTelemetry(t)
	b := open(t, m, &strata.Config{RedisURL: server.URL()})
	users, err := strata.New(b, "users", func(_ context.Context, id string) (string, error) {
		switch id {
		case "absent":
			return "", store.ErrNotFound
		case "fails":
			return "", errors.New("the source fails")
		}
		return "v", nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "a", "a", "b", "absent", "fails"} {
		users.Get(t.Context(), id) // errors are expected
	}
	got := m.series(t)
	for name, want := range map[string]float64{
		"cache.requests{strata.cache.name=users,strata.cache.result=hit,strata.cache.tier=l1}":    2,
		"cache.requests{strata.cache.name=users,strata.cache.result=hit,strata.cache.tier=l2}":    0,
		"cache.requests{strata.cache.name=users,strata.cache.result=miss,strata.cache.tier=none}": 4,
		"cache.loads{strata.cache.name=users,strata.cache.result=ok}":                             3,
		"cache.loads{strata.cache.name=users,strata.cache.result=error}":                          1,
		"cache.load.duration{strata.cache.name=users,strata.cache.result=ok}":                     2,
		"cache.load.duration{strata.cache.name=users,strata.cache.result=absent}":                 1,
		"cache.load.duration{strata.cache.name=users,strata.cache.result=error}":                  1,
		"cache.corrupt{strata.cache.name=users}":                                                  0,
		"redis.connected{}":                                                                       1,
		"redis.breaker.state{strata.redis.breaker.state=closed}":                                  1,
		"redis.breaker.state{strata.redis.breaker.state=open}":                                    0,
	} {
		if v, ok := got["strata."+name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	if got["strata.cache.size.limit{strata.cache.tier=l1}"] != 64<<20 || got["strata.cache.invalidation.lag{}"] <= 0 {
		t.Errorf("%v", got)
	}
	if len(got) > 60 {
		t.Errorf("%d series for one cache: %v", len(got), slices.Sorted(maps.Keys(got)))
	}
}

// TestInstrument_replicas: reads of large values are counted by what sent them.
func TestInstrument_replicas(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	m := newTelemetry(t)
	b := open(t, m, &strata.Config{RedisURL: primary.URL() + "?replica=" + replica.Addr(), ReadReplicas: true, Memory: -1})
	c, err := strata.New(b, "large", func(context.Context, int) (string, error) { return strings.Repeat("x", 10<<10), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	sent := func(result string) float64 {
		if _, err := c.Get(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		return m.series(t)["strata.redis.replica.reads{strata.cache.result="+result+"}"]
	}
	redistest.WaitFor(t, "a value of the replica", func() bool { return sent("hit") > 0 })
	replica.Kill()
	before := sent("miss")
	redistest.WaitFor(t, "a value of the primary", func() bool { return sent("miss") > before })
}

// TestMetrics: the table has what is exported, with kinds, units and attributes.
func TestMetrics(t *testing.T) {
	server := redistest.Start(t, nil)
	m := newTelemetry(t)
	b := open(t, m, &strata.Config{RedisURL: server.URL()})
	c, err := strata.New(b, "c", func(context.Context, string) (string, error) { return "v", nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	local, err := ratelimit.New(ratelimit.Policy{Name: "p", Limit: 1, Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	l, err := otelcache.Limiter(local, &m.opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Allow(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if err := corrupt(server); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetFresh(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	verify(t, m)
	exported := make(map[string]metricdata.Metrics)
	for _, s := range m.collect(t).ScopeMetrics {
		for _, metric := range s.Metrics {
			exported[strings.TrimPrefix(metric.Name, "strata.")] = metric
		}
	}
	for _, d := range otelcache.Metrics() {
		e, ok := exported[d.Name]
		if !ok || e.Unit != d.Unit || e.Description != d.Description {
			t.Errorf("%s: exported is %v, %q %q", d.Name, ok, e.Unit, e.Description)
			continue
		}
		delete(exported, d.Name)
		kind, attrs := describe(e.Data)
		want := slices.Sorted(slices.Values(d.Attributes))
		if kind != d.Kind || !slices.Equal(attrs, want) {
			t.Errorf("%s is a %s with %q, want a %s with %q", d.Name, kind, attrs, d.Kind, want)
		}
	}
	if len(exported) > 0 {
		t.Errorf("not in the table: %v", slices.Sorted(maps.Keys(exported)))
	}
}

// corrupt overwrites the values in Redis.
func corrupt(server *redistest.Server) error {
	keys, err := server.Do("KEYS", "strata:c:*")
	if err != nil {
		return err
	}
	list, ok := keys.([]any)
	if !ok || len(list) == 0 {
		return fmt.Errorf("no keys: %v", keys)
	}
	for _, k := range list {
		if _, err := server.Do("SET", k, "no record"); err != nil {
			return err
		}
	}
	return nil
}

// describe returns the kind of data, and the attributes of its first series.
func describe(data metricdata.Aggregation) (otelcache.Kind, []string) {
	names := func(set attribute.Set) (all []string) {
		for _, kv := range set.ToSlice() {
			all = append(all, strings.TrimPrefix(string(kv.Key), "strata."))
		}
		slices.Sort(all)
		return all
	}
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		if d.IsMonotonic {
			return otelcache.Counter, names(d.DataPoints[0].Attributes)
		}
		return otelcache.UpDownCounter, names(d.DataPoints[0].Attributes)
	case metricdata.Gauge[float64]:
		return otelcache.Gauge, names(d.DataPoints[0].Attributes)
	case metricdata.Histogram[float64]:
		return otelcache.Histogram, names(d.DataPoints[0].Attributes)
	}
	return "", nil
}

// TestSpans: a load and its Redis operations are spans of the request, a hit in memory is none,
// and neither a miss nor an absent value is an error.
func TestSpans(t *testing.T) {
	server := redistest.Start(t, nil)
	m := newTelemetry(t)
	b := open(t, m, &strata.Config{RedisURL: server.URL()})
	c, err := strata.New(b, "c", func(_ context.Context, id string) (string, error) {
		switch id {
		case "absent":
			return "", store.ErrNotFound
		case "fails":
			return "", errors.New("the source fails")
		}
		return "v", nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	spans := func(id string) tracetest.SpanStubs {
		ctx, request := m.trace(t)
		c.Get(ctx, id) // errors are expected
		request.End()
		all := m.spans.GetSpans()
		m.spans.Reset()
		for _, s := range all {
			if s.SpanContext.TraceID() != request.SpanContext().TraceID() {
				t.Errorf("%s: span %q is in another trace", id, s.Name)
			}
		}
		return all
	}
	failed := func(all tracetest.SpanStubs) (names []string) {
		for _, s := range all {
			if s.Status.Code == codes.Error {
				names = append(names, s.Name)
			}
		}
		return names
	}
	kinds := make(map[string]trace.SpanKind)
	for _, s := range spans("v") {
		kinds[s.Name] = s.SpanKind
	}
	if kinds["load c"] != trace.SpanKindInternal || len(kinds) < 3 {
		t.Errorf("spans of a miss: %v", kinds)
	}
	for name, kind := range kinds {
		if name != "load c" && name != "request" && kind != trace.SpanKindClient {
			t.Errorf("span %q is of kind %v", name, kind)
		}
	}
	if all := spans("v"); len(all) != 1 {
		t.Errorf("spans of a hit: %v", all)
	}
	if f := failed(spans("absent")); len(f) != 0 {
		t.Errorf("an absent value makes errors: %v", f)
	}
	if f := failed(spans("fails")); !slices.Equal(f, []string{"load c"}) {
		t.Errorf("a failed load makes the errors %v", f)
	}
	if _, err := c.Get(t.Context(), "untraced"); err != nil || len(m.spans.GetSpans()) != 0 {
		t.Errorf("spans outside of a trace: %v, %v", m.spans.GetSpans(), err)
	}
}

// TestSecrets: keys, values, tags, errors and credentials are in no attribute, name or
// description.
func TestSecrets(t *testing.T) {
	const secret = "planted-secret"
	server := redistest.Start(t, &redistest.Options{Password: secret + "-password"})
	m := newTelemetry(t)
	b := open(t, m, &strata.Config{RedisURL: server.URL()})
	c, err := strata.New(b, "c", func(_ context.Context, id string) (string, error) {
		if strings.HasSuffix(id, "fails") {
			return "", errors.New("cannot log in as " + secret)
		}
		return secret + "-value", nil
	}, &strata.Options[string, string]{Tags: func(string, string) []string { return []string{secret + "-tag"} }})
	if err != nil {
		t.Fatal(err)
	}
	local, err := ratelimit.New(ratelimit.Policy{Name: "p", Limit: 1, Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	l, err := otelcache.Limiter(local, &m.opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, request := m.trace(t)
	use := func() {
		c.Get(ctx, secret)           // after the end of the server it fails
		c.Get(ctx, secret+"-fails")  // fails
		c.Set(ctx, secret, secret)   //
		c.Delete(ctx, secret)        //
		c.GetFresh(ctx, secret)      //
		l.Allow(ctx, secret)         //
		c.Get(ctx, secret+"\x00big") //
		b.InvalidateTags(ctx, secret+"-tag")
	}
	use()
	server.Kill()
	use()
	request.End()
	data := m.collect(t)
	spans := m.spans.GetSpans()
	if len(spans) < 10 {
		t.Fatalf("only %d spans", len(spans))
	}
	text := fmt.Sprintf("%+v", data)
	for _, s := range spans {
		text += fmt.Sprintf("%s %+v %+v %+v\n", s.Name, s.Attributes, s.Events, s.Status)
	}
	if j, err := json.Marshal(spans.Snapshots()); err == nil {
		text += string(j)
	}
	if i := strings.Index(text, secret); i >= 0 {
		t.Errorf("the secret is in %q", text[max(i-200, 0):i+50])
	}
}

// TestInstrument_stop: after stop nothing is reported.
func TestInstrument_stop(t *testing.T) {
	m := newTelemetry(t)
	b, err := strata.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	stop, err := otelcache.Instrument(b, &m.opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strata.New(b, "c", func(context.Context, string) (string, error) { return "v", nil }, nil); err != nil {
		t.Fatal(err)
	}
	if got := m.series(t); len(got) == 0 {
		t.Fatal("nothing is reported")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := m.series(t); len(got) != 0 {
		t.Errorf("after stop: %v", got)
	}
}

func TestLimiter(t *testing.T) {
	m := newTelemetry(t)
	local, err := ratelimit.New(ratelimit.Policy{Name: "api", Limit: 2, Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	l, err := otelcache.Limiter(local, &m.opts)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := l.Allow(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.AllowN(t.Context(), "k", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Peek(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	got := m.series(t)
	allowed := got["strata.ratelimit.decisions{strata.ratelimit.policy=api,strata.ratelimit.result=allowed,strata.ratelimit.source=local}"]
	denied := got["strata.ratelimit.decisions{strata.ratelimit.policy=api,strata.ratelimit.result=denied,strata.ratelimit.source=local}"]
	if allowed != 2 || denied != 1 {
		t.Errorf("%v", got)
	}
}
