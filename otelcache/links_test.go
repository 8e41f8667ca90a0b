package otelcache_test

import (
	"context"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// TestLinks: the span of a load is linked to those of callers that wait for it, at most 32, and
// the next load to none of them.
func TestLinks(t *testing.T) {
	server := redistest.Start(t, nil)
	m := newTelemetry(t)
	b := open(t, m, &strata.Config{RedisURL: server.URL()})
	begun, goOn := make(chan struct{}), make(chan struct{})
	c, err := strata.New(b, "c", func(ctx context.Context, _ string) (string, error) {
		return "v", stay(ctx, begun, goOn)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	callers := make(map[trace.SpanID]bool)
	var waiting sync.WaitGroup
	get := func() trace.Span {
		ctx, span := m.trace(t)
		waiting.Go(func() {
			if _, err := c.Get(ctx, "k"); err != nil {
				t.Error(err)
			}
			span.End()
		})
		return span
	}
	loads := func() (links [][]trace.SpanID) {
		for _, s := range m.spans.GetSpans() {
			if s.Name == "load c" {
				var of []trace.SpanID
				for _, l := range s.Links {
					of = append(of, l.SpanContext.SpanID())
				}
				links = append(links, of)
			}
		}
		return links
	}

	leader := get()
	<-begun
	for range 40 {
		callers[get().SpanContext().SpanID()] = true
	}
	waiting.Go(func() { c.Get(t.Context(), "k") }) // without a span
	redistest.WaitFor(t, "the callers to wait", func() bool { return c.Stats().Shared == 41 })
	goOn <- struct{}{}
	waiting.Wait()
	all := loads()
	if len(all) != 1 || len(all[0]) != 32 {
		t.Fatalf("links of loads: %v", all)
	}
	for _, id := range all[0] {
		if !callers[id] || id == leader.SpanContext().SpanID() {
			t.Errorf("a link to %v", id)
		}
		delete(callers, id) // each once
	}

	m.spans.Reset()
	if err := c.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	get()
	<-begun
	goOn <- struct{}{}
	waiting.Wait()
	if all := loads(); len(all) != 1 || len(all[0]) != 0 {
		t.Errorf("links of the next load: %v", all)
	}
}

// TestLinks_many: the span of a load of several ids is linked to those of callers that wait for
// any of them, each once and at most 32.
func TestLinks_many(t *testing.T) {
	server := redistest.Start(t, nil)
	m := newTelemetry(t)
	b := open(t, m, &strata.Config{RedisURL: server.URL()})
	begun, goOn := make(chan struct{}), make(chan struct{})
	c, err := strata.New(b, "c", nil, &strata.Options[int, int]{LoadMany: func(ctx context.Context, ids []int) (map[int]int, error) {
		if err := stay(ctx, begun, goOn); err != nil {
			return nil, err
		}
		all := make(map[int]int)
		for _, id := range ids {
			all[id] = id
		}
		return all, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	get := func(ids ...int) trace.SpanID {
		ctx, span := m.trace(t)
		waiting.Go(func() {
			if got, err := c.GetMany(ctx, ids); err != nil || len(got) != len(ids) {
				t.Error(got, err)
			}
			span.End()
		})
		return span.SpanContext().SpanID()
	}
	for round, callers := range []int{5, 40} {
		m.spans.Reset()
		before := c.Stats().Shared
		id := 10 * round // ids of its own: the push of a deletion would start further loads
		leader := get(id+1, id+2, id+3)
		<-begun
		want := make(map[trace.SpanID]bool)
		for i := range callers {
			want[get(id+1+i%2*2, id+2)] = true
		}
		redistest.WaitFor(t, "the callers to wait", func() bool { return c.Stats().Shared-before == uint64(callers) })
		goOn <- struct{}{}
		waiting.Wait()
		loads := 0
		for _, s := range m.spans.GetSpans() {
			if s.Name != "load c" {
				continue
			}
			if loads++; len(s.Links) != min(callers, 32) {
				t.Errorf("%d links to %d callers", len(s.Links), callers)
			}
			for _, l := range s.Links {
				id := l.SpanContext.SpanID()
				if !want[id] || id == leader {
					t.Errorf("a link to %v", id)
				}
				delete(want, id)
			}
		}
		if loads != 1 {
			t.Errorf("%d loads", loads)
		}
	}
}

// stay is a loader that stays from begun to goOn, unless ctx ends.
func stay(ctx context.Context, begun chan<- struct{}, goOn <-chan struct{}) error {
	select {
	case begun <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-goOn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
