package otelcache

import (
	"context"
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
	load    trace.Span          // nil while there is none
}

// awaitedKey is the key in the context of a caller that waits.
type awaitedKey struct{ *links }

// of returns what is known of the key of op. l.mu is held.
func (l *links) of(op store.Op) *awaited {
	key := [2]string{op.Cache, op.Key}
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
	a := l.of(op)
	a.waiting++
	if len(a.callers) < maxLinks {
		a.callers = append(a.callers, caller)
		if a.load != nil {
			a.load.AddLink(trace.Link{SpanContext: caller})
		}
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
	l.forget(a, op)
}

// began links load to the callers that wait for it now, and to those that come until it ends.
func (l *links) began(load trace.Span, op store.Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(op)
	for _, caller := range a.callers {
		load.AddLink(trace.Link{SpanContext: caller})
	}
	a.load = load
}

// ended is called before load ends.
func (l *links) ended(load trace.Span, op store.Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.loads[[2]string{op.Cache, op.Key}]; a != nil && a.load == load {
		a.load, a.callers = nil, nil
		l.forget(a, op)
	}
}

// forget removes a if nobody needs it. l.mu is held.
func (l *links) forget(a *awaited, op store.Op) {
	if a.waiting == 0 && a.load == nil {
		delete(l.loads, [2]string{op.Cache, op.Key})
	}
}
