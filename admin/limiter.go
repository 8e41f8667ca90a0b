package admin

import (
	"cmp"
	"context"

	"github.com/lokroom/strata/ratelimit"
)

// Limiter returns l with its decisions counted on the page, by policy. Peek and Reset are no
// decisions.
func (h *Handler) Limiter(l ratelimit.Limiter) ratelimit.Limiter { return &limiter{l, &h.recorder} }

type limiter struct {
	ratelimit.Limiter
	to *recorder
}

func (l *limiter) Allow(ctx context.Context, key string) (ratelimit.Result, error) {
	r, err := l.Limiter.Allow(ctx, key)
	l.to.decided(r, err)
	return r, err
}

func (l *limiter) AllowN(ctx context.Context, key string, n int) (ratelimit.Result, error) {
	r, err := l.Limiter.AllowN(ctx, key, n)
	if n != 0 { // else it is Peek
		l.to.decided(r, err)
	}
	return r, err
}

func (l *limiter) Take(ctx context.Context, key string, n int) (int, ratelimit.Result, error) {
	taken, r, err := l.Limiter.Take(ctx, key, n)
	l.to.decided(r, err)
	return taken, r, err
}

// Wait counts each attempt of a wait.
func (l *limiter) Wait(ctx context.Context, key string, n int) error {
	return ratelimit.Wait(ctx, l, key, n)
}

// decided counts a decision.
func (r *recorder) decided(result ratelimit.Result, err error) {
	how := 0
	switch {
	case err != nil:
		how = 2
	case !result.Allowed:
		how = 1
	}
	r.limits.of(cmp.Or(result.Policy, "unknown")).now[how].Add(1)
}
