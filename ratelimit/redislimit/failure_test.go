package redislimit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
)

// While Redis is away the configured choice decides, and says that it did; when it is
// back, Redis does.
func TestFailure_modes(t *testing.T) {
	s := redistest.Start(t, nil)
	o := redislimit.Options{Pause: time.Millisecond, Fleet: 4}
	p, slots := policy(ratelimit.FixedWindow, 100, long), ratelimit.Policy{Name: "slots", Algorithm: ratelimit.Concurrency, Limit: 100, Window: long}
	o.OnFailure = redislimit.FailLocal
	local := open(t, s, o, p, slots)
	o.OnFailure = redislimit.FailOpen
	opened := open(t, s, o, p, slots)
	o.OnFailure = redislimit.FailClosed
	closed := open(t, s, o, p, slots)
	all := []*redislimit.Limiter{local, opened, closed}
	for _, l := range all {
		if r := allowN(t, l, "k", 10); r.Source != ratelimit.SourceRedis {
			t.Fatalf("while Redis is there: %+v", r)
		}
	}
	s.Kill()
	if taken, r, err := local.Take(ctx, "k", 50); taken != 25 || err != nil || r.Source != ratelimit.SourceFallback || r.Limit != 25 {
		t.Errorf("the share of a fleet of four: %d, %+v, %v", taken, r, err)
	}
	if r := allowN(t, local, "k", 1); r.Allowed || r.RetryAfter <= 0 {
		t.Errorf("more than the share: %+v", r)
	}
	if r := allowN(t, local, "other", 26); r.Allowed || r.RetryAfter < 0 {
		t.Errorf("more than a share ever has, but not too much for Redis: %+v", r)
	}
	if r := allowN(t, local, "other", 101); r.Allowed || r.RetryAfter != ratelimit.Never {
		t.Errorf("too much for Redis: %+v", r)
	}
	lease, r, err := local.Acquire(ctx, "lease")
	if lease == nil || err != nil || r.Source != ratelimit.SourceFallback {
		t.Fatalf("a lease: %+v, %v", r, err)
	}
	if err := errors.Join(lease.Renew(ctx), lease.Release(ctx)); err != nil {
		t.Error(err)
	}
	if r := allowN(t, opened, "k", 1000); !r.Allowed || r.Source != ratelimit.SourceOpen {
		t.Errorf("open: %+v", r)
	}
	if lease, _, err := opened.Acquire(ctx, "k"); err != nil || lease.Renew(ctx) != nil || lease.Release(ctx) != nil {
		t.Errorf("a lease, open: %v", err)
	}
	for range 2 {
		if r, err := closed.Allow(ctx, "k"); !errors.Is(err, store.ErrUnavailable) || r.Allowed || r.Source != ratelimit.SourceClosed || r.RetryAfter <= 0 {
			t.Errorf("closed: %+v, %v", r, err)
		}
	}
	if err := local.Reset(ctx, "k"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Reset: %v", err)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		redistest.WaitFor(t, "Redis to decide again", func() bool {
			r, _ := l.Peek(ctx, "k")
			return r.Source == ratelimit.SourceRedis
		})
	}
}

// A Redis that hangs is waited for once in a pause, by one call.
func TestFailure_hangs(t *testing.T) {
	s := redistest.Start(t, nil)
	o := redislimit.Options{Timeout: 50 * time.Millisecond, Pause: time.Hour}
	l := open(t, s, o, policy(ratelimit.GCRA, 1_000_000, time.Second))
	redistest.WaitFor(t, "Redis to decide in time", func() bool {
		l = open(t, s, o, policy(ratelimit.GCRA, 1_000_000, time.Second))
		return allowN(t, l, "k", 1).Source == ratelimit.SourceRedis
	})
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	defer s.Resume()
	if r := allowN(t, l, "k", 1); r.Source != ratelimit.SourceFallback {
		t.Fatalf("Redis hangs: %+v", r)
	}
	start := time.Now()
	for range 10_000 {
		if r := allowN(t, l, "k", 1); r.Source != ratelimit.SourceFallback {
			t.Fatalf("Redis is left alone: %+v", r)
		}
	}
	if took := time.Since(start); took > 10_000*50*time.Millisecond/10 {
		t.Errorf("10,000 calls took %v: they waited for Redis", took)
	}
}
