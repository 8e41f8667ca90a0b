package ratelimit_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/ratelimit"
)

func slotsOf(n int, lease time.Duration) ratelimit.Policy {
	return ratelimit.Policy{Name: "slots", Algorithm: ratelimit.Concurrency, Limit: n, Window: lease}
}

func TestLocal_Acquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := local(t, slotsOf(2, 10*time.Second))
		a, _, errA := l.Acquire(ctx, "k")
		b, r, errB := l.Acquire(ctx, "k")
		if a == nil || b == nil || errA != nil || errB != nil || r.Remaining != 0 {
			t.Fatalf("two of two: %v %v, %+v", errA, errB, r)
		}
		if c, r, err := l.Acquire(ctx, "k"); c != nil || err != nil || r.Allowed || r.RetryAfter != 10*time.Second {
			t.Fatalf("a third: %v, %+v, %v", c, r, err)
		}
		if err := a.Release(ctx); err != nil {
			t.Fatal(err)
		}
		if err := a.Release(ctx); !errors.Is(err, ratelimit.ErrLeaseLost) {
			t.Errorf("released twice: %v", err)
		}
		if r := allowN(t, l, "k", 0); r.Remaining != 1 {
			t.Errorf("after one was released twice: %+v", r)
		}

		// One that is renewed lives; one whose holder died does not.
		dead, _, _ := l.Acquire(ctx, "k")
		for range 5 {
			time.Sleep(9 * time.Second)
			if err := b.Renew(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := dead.Renew(ctx); !errors.Is(err, ratelimit.ErrLeaseLost) {
			t.Errorf("renewed after its end: %v", err)
		}
		if r := allowN(t, l, "k", 0); r.Remaining != 1 || r.ResetAfter != 10*time.Second {
			t.Errorf("with one that lives: %+v", r)
		}
		time.Sleep(10 * time.Second)
		if err := b.Release(ctx); !errors.Is(err, ratelimit.ErrLeaseLost) {
			t.Errorf("released after its end: %v", err)
		}
	})
}

// What a lease gives back are slots, not what was charged to other policies.
func TestLocal_Acquire_withRate(t *testing.T) {
	l := local(t, slotsOf(1, time.Hour), ratelimit.Policy{Name: "rate", Limit: 3, Window: time.Hour})
	for i := range 4 {
		lease, r, err := l.Acquire(ctx, "k")
		if err != nil || (lease != nil) != (i < 3) || i == 3 && r.Policy != "rate" {
			t.Fatalf("%d: %v, %+v, %v", i, lease, r, err)
		}
		if lease == nil {
			continue
		}
		if _, r, _ := l.Acquire(ctx, "k"); r.Allowed || r.Policy != "slots" {
			t.Fatalf("%d, while it is held: %+v", i, r)
		}
		if err := lease.Release(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := local(t, perSecond(1)).Acquire(ctx, "k"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without slots: %v", err)
	}
}

func TestLocal_Reset_endsLeases(t *testing.T) {
	l := local(t, slotsOf(1, time.Hour))
	lease, _, _ := l.Acquire(ctx, "k")
	if err := l.Reset(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if _, r, _ := l.Acquire(ctx, "k"); !r.Allowed {
		t.Errorf("after Reset: %+v", r)
	}
	if err := lease.Renew(ctx); !errors.Is(err, ratelimit.ErrLeaseLost) {
		t.Errorf("a lease from before: %v", err)
	}
}
