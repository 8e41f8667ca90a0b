package otelcache

import (
	"context"
	"errors"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/lokroom/strata/store"
)

// An observer makes spans and durations of operations.
type observer struct {
	opts   *Options
	in     *instruments
	tracer trace.Tracer
	links  links
}

func newObserver(o *Options, in *instruments) *observer {
	return &observer{opts: o, in: in, tracer: o.TracerProvider.Tracer(scopeName)}
}

// spanKey is the key of the span of an operation in its context.
type spanKey struct{ *observer }

// Begin begins a span where one is wanted.
func (o *observer) Begin(ctx context.Context, op store.Op) context.Context {
	if op.Name == store.OpWait {
		return o.links.waits(ctx, op)
	}
	load := op.Store == "source"
	if !load && (op.Store != "redis" || o.opts.NoRedisSpans || op.Name == "decode") {
		return ctx
	}
	if !o.opts.RootSpans && !trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	attrs := make([]attribute.KeyValue, 0, 4)
	if op.Cache != "" {
		attrs = append(attrs, attribute.String(o.opts.Prefix+cacheName, op.Cache))
	}
	if op.Keys > 0 {
		attrs = append(attrs, attribute.Int(o.opts.Prefix+"cache.keys", op.Keys))
	}
	name, kind := "load", trace.SpanKindInternal
	if load {
		name = strings.TrimRight("load "+op.Cache, " ")
	} else {
		name, kind = op.Name, trace.SpanKindClient
		attrs = append(attrs, attribute.String("db.system.name", "redis"), attribute.String("db.operation.name", op.Name))
	}
	ctx, span := o.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
	if load && span.IsRecording() {
		o.links.began(span, op)
	}
	return context.WithValue(ctx, spanKey{o}, span)
}

// End ends the span and records the duration. The text of an error may contain a key, and is not
// reported.
func (o *observer) End(ctx context.Context, op store.Op, r store.Result) {
	if op.Name == store.OpWait {
		o.links.waited(ctx, op)
		return
	}
	failure := errorType(r.Err)
	if span, ok := ctx.Value(spanKey{o}).(trace.Span); ok {
		if failure != "" {
			span.SetStatus(codes.Error, "")
			span.SetAttributes(attribute.String("error.type", failure))
		} else if op.Keys > 0 {
			span.SetAttributes(attribute.Int(o.opts.Prefix+"cache.found", r.Hits))
		}
		if op.Store == "source" {
			o.links.ended(span, op)
		}
		span.End()
	}
	how := "ok"
	if failure != "" {
		how = "error"
	}
	switch {
	case op.Store == "source":
		if how == "ok" && (errors.Is(r.Err, store.ErrNotFound) || op.Keys == 1 && r.Hits == 0) {
			how = "absent"
		}
		o.in.durations["cache.load.duration"].Record(ctx, r.Elapsed.Seconds(), o.in.attributes.of(o.in, op.Cache, "", how, ""))
	case op.Store == "redis" && op.Name == "decode":
		o.in.corrupt.of(op.Cache).Add(1)
	case op.Store == "redis":
		if how == "ok" && r.Hits == 0 && strings.HasPrefix(op.Name, "get") {
			how = "miss"
		}
		o.in.durations["redis.operation.duration"].Record(ctx, r.Elapsed.Seconds(), o.in.attributes.of(o.in, op.Cache, op.Name, how, ""))
	}
}

// errorType returns a word for the kind of err, or "" if err is no failure.
func errorType(err error) string {
	if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNotModified) {
		return ""
	}
	for _, kind := range []struct {
		err  error
		word string
	}{
		{context.Canceled, "canceled"}, {context.DeadlineExceeded, "deadline_exceeded"}, {store.ErrAuth, "auth"},
		{store.ErrUnavailable, "unavailable"}, {store.ErrClosed, "closed"}, {store.ErrTooLarge, "too_large"},
		{store.ErrUnstorable, "unstorable"}, {store.ErrOverload, "overload"}, {store.ErrCycle, "cycle"}, {store.ErrReplicas, "replicas"},
		{store.ErrRefused, "refused"}, {store.ErrWrongType, "wrong_type"}, {errors.ErrUnsupported, "unsupported"},
	} {
		if errors.Is(err, kind.err) {
			return kind.word
		}
	}
	return "_OTHER"
}

// attributes are the sets of attributes of durations, each made once: there are few, and making
// one takes longer than all else.
type attributes struct{ made sync.Map } // of [4]string to metric.MeasurementOption

func (a *attributes) of(in *instruments, cache, op, how, why string) metric.MeasurementOption {
	key := [4]string{cache, op, how, why}
	if o, ok := a.made.Load(key); ok {
		return o.(metric.MeasurementOption)
	}
	var pairs []string
	for i, name := range []string{cacheName, operation, result, reason} {
		if key[i] != "" {
			pairs = append(pairs, name, key[i])
		}
	}
	o, _ := a.made.LoadOrStore(key, metric.WithAttributeSet(in.set(pairs...)))
	return o.(metric.MeasurementOption)
}
