package otelcache

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"github.com/lokroom/strata/ratelimit"
)

// Limiter returns l with its decisions counted. o may be nil. Peek and Reset are no decisions.
func Limiter(l ratelimit.Limiter, o *Options) (ratelimit.Limiter, error) {
	c := o.complete()
	in, err := newInstruments(&c, decisionsName)
	if err != nil {
		return nil, fmt.Errorf("otelcache: %w", err)
	}
	return &limiter{l, in}, nil
}

type limiter struct {
	ratelimit.Limiter
	in *instruments
}

func (l *limiter) Allow(ctx context.Context, key string) (ratelimit.Result, error) {
	r, err := l.Limiter.Allow(ctx, key)
	l.count(ctx, r, err)
	return r, err
}

func (l *limiter) AllowN(ctx context.Context, key string, n int) (ratelimit.Result, error) {
	r, err := l.Limiter.AllowN(ctx, key, n)
	if n != 0 { // else it is Peek
		l.count(ctx, r, err)
	}
	return r, err
}

func (l *limiter) Take(ctx context.Context, key string, n int) (int, ratelimit.Result, error) {
	taken, r, err := l.Limiter.Take(ctx, key, n)
	l.count(ctx, r, err)
	return taken, r, err
}

// Wait counts each attempt of a wait.
func (l *limiter) Wait(ctx context.Context, key string, n int) error {
	return ratelimit.Wait(ctx, l, key, n)
}

func (l *limiter) count(ctx context.Context, r ratelimit.Result, err error) {
	how := "allowed"
	switch {
	case err != nil:
		how = "error"
	case !r.Allowed:
		how = "denied"
	}
	l.in.counters[decisionsName].Add(ctx, 1, metric.WithAttributeSet(l.in.set(policy, r.Policy, decision, how, source, r.Source.String())))
}
