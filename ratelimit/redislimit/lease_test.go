package redislimit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

// A slot is given back by its holder, or when a lease was not renewed; nobody else
// can take it before.
func TestLimiter_Acquire(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{OwnClock: true})
	o := redislimit.Options{Prefix: "shared:"}
	one, two := open(t, s, o, policy(ratelimit.Concurrency, 2, time.Minute)), open(t, s, o, policy(ratelimit.Concurrency, 2, time.Minute))
	a, _, errA := one.Acquire(ctx, "k")
	b, r, errB := two.Acquire(ctx, "k")
	if a == nil || b == nil || errA != nil || errB != nil || r.Remaining != 0 {
		t.Fatalf("two of two: %v, %v, %+v", errA, errB, r)
	}
	if c, r, err := one.Acquire(ctx, "k"); c != nil || err != nil || r.Allowed || r.RetryAfter <= 0 || r.RetryAfter > time.Minute {
		t.Fatalf("a third: %+v, %v", r, err)
	}
	if r := allowN(t, one, "k", 1); r.Allowed {
		t.Errorf("a call while all slots are taken: %+v", r)
	}
	if err := a.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.Release(ctx); !errors.Is(err, ratelimit.ErrLeaseLost) {
		t.Errorf("released twice: %v", err)
	}
	dead, r, err := one.Acquire(ctx, "k") // also though it was denied a moment ago
	if dead == nil || err != nil || r.Remaining != 0 {
		t.Fatalf("after a release: %+v, %v", r, err)
	}
	for i := 1; i <= 3; i++ { // b is renewed; dead is not, as if its process were gone
		if err := s.SetClock(time.Duration(i) * 50 * time.Second); err != nil {
			t.Fatal(err)
		}
		if err := b.Renew(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if r := allowN(t, two, "k", 0); r.Remaining != 1 {
		t.Errorf("with one that lives: %+v", r)
	}
	for _, err := range []error{dead.Renew(ctx), dead.Release(ctx)} {
		if !errors.Is(err, ratelimit.ErrLeaseLost) {
			t.Errorf("a lease that has ended: %v", err)
		}
	}
	if err := b.Release(ctx); err != nil {
		t.Error(err)
	}
	if n, err := s.Do("DBSIZE"); err != nil || n != int64(0) {
		t.Errorf("%v keys are left when all slots are free: %v", n, err)
	}
	if _, _, err := open(t, s, redislimit.Options{}, policy(ratelimit.GCRA, 1, long)).Acquire(ctx, "k"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without slots: %v", err)
	}
}

// A slot that Redis gives although Acquire does not wait for its answer any more is given
// back.
func TestLimiter_Acquire_lateReply(t *testing.T) {
	s := redistest.Start(t, nil)
	l := open(t, s, redislimit.Options{}, policy(ratelimit.Concurrency, 1, time.Hour))
	warm, _, err := l.Acquire(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := warm.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Pause()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	lease, _, err := l.Acquire(short, "k")
	s.Resume()
	if err == nil || lease != nil {
		t.Fatalf("Acquire returned %v, %v", lease, err)
	}
	redistest.WaitFor(t, "the slot to be free", func() bool {
		n, err := s.Do("DBSIZE")
		return err == nil && n == int64(0)
	})
}
