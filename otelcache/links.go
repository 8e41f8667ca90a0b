package otelcache

import (
	"context"
	"iter"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/lokroom/strata/store"
)

// maxLinks bounds the links of a load to the callers that wait for it.
const maxLinks = 32

// links links the spans of loads to those of the callers that wait for them. Callers may come
// before the load begins, while the cache asks Redis.
type links struct {
	mu    sync.Mutex
	loads map[[2]string]*awaited // by cache and key
}

// An awaited is a key that callers wait for.
type awaited struct {
	waiting int
	callers []trace.SpanContext // at most maxLinks, since the last load
	load    *load               // nil while there is none
}

// A load is one of some keys that is in flight.
type load struct {
	span   trace.Span
	linked []trace.SpanID // at most maxLinks
}

// link links the span to that of caller, once.
func (l *load) link(caller trace.SpanContext) {
	if len(l.linked) < maxLinks && !slices.Contains(l.linked, caller.SpanID()) {
		l.linked = append(l.linked, caller.SpanID())
		l.span.AddLink(trace.Link{SpanContext: caller})
	}
}

// awaitedKey is the key in the context of a caller that waits.
type awaitedKey struct{ *links }

// of returns what is known of a key. l.mu is held.
func (l *links) of(key [2]string) *awaited {
	a := l.loads[key]
	if a == nil {
		a = &awaited{}
		if l.loads == nil {
			l.loads = make(map[[2]string]*awaited)
		}
		l.loads[key] = a
	}
	return a
}

// waits notes that a caller with a sampled span waits.
func (l *links) waits(ctx context.Context, op store.Op) context.Context {
	caller := trace.SpanContextFromContext(ctx)
	if !caller.IsSampled() {
		return ctx
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of([2]string{op.Cache, op.Key})
	a.waiting++
	if a.load != nil {
		a.load.link(caller)
	} else if len(a.callers) < maxLinks {
		a.callers = append(a.callers, caller)
	}
	return context.WithValue(ctx, awaitedKey{l}, a)
}

// waited notes that a caller waits no more.
func (l *links) waited(ctx context.Context, op store.Op) {
	a, ok := ctx.Value(awaitedKey{l}).(*awaited)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a.waiting--
	l.forget(a, [2]string{op.Cache, op.Key})
}

// began links the span of a load to the callers that wait for any of its keys now, and to those
// that come until it ends.
func (l *links) began(span trace.Span, op store.Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := &load{span: span}
	for key := range keysOf(op) {
		a := l.of(key)
		for _, caller := range a.callers {
			now.link(caller)
		}
		a.load = now
	}
}

// ended is called before the span of a load ends.
func (l *links) ended(span trace.Span, op store.Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range keysOf(op) {
		if a := l.loads[key]; a != nil && a.load != nil && a.load.span == span {
			a.load, a.callers = nil, nil
			l.forget(a, key)
		}
	}
}

// keysOf returns the keys of op, with the cache.
func keysOf(op store.Op) iter.Seq[[2]string] {
	return func(yield func([2]string) bool) {
		if op.AllKeys == nil {
			yield([2]string{op.Cache, op.Key})
			return
		}
		for _, key := range *op.AllKeys {
			if !yield([2]string{op.Cache, key}) {
				return
			}
		}
	}
}

// forget removes a if nobody needs it. l.mu is held.
func (l *links) forget(a *awaited, key [2]string) {
	if a.waiting == 0 && a.load == nil {
		delete(l.loads, key)
	}
}
