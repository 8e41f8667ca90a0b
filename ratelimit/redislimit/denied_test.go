package redislimit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

// A key that is blocked costs no call until it may pass, and then it passes.
func TestDenied_noCall(t *testing.T) {
	s := redistest.Start(t, nil)
	l := open(t, s, redislimit.Options{}, policy(ratelimit.FixedWindow, 5, long))
	allowN(t, l, "k", 5)
	first := allowN(t, l, "k", 1)
	if first.Allowed || first.Source != ratelimit.SourceRedis {
		t.Fatalf("the first denial: %+v", first)
	}
	before := calls(t, s, "evalsha", "eval", "get", "time")
	for range 10_000 {
		r := allowN(t, l, "k", 1)
		if r.Allowed || r.Source != ratelimit.SourceDenyCache || r.RetryAfter <= 0 || r.RetryAfter >= first.RetryAfter || r.ResetAfter >= first.ResetAfter || r.Policy != "p" {
			t.Fatalf("a later denial: %+v", r)
		}
	}
	if taken, r, _ := l.Take(ctx, "k", 3); taken != 0 || r.Source != ratelimit.SourceDenyCache {
		t.Errorf("Take: %+v", r)
	}
	if n := calls(t, s, "evalsha", "eval", "get", "time") - before; n != 0 {
		t.Errorf("%d calls of Redis for a key that is blocked", n)
	}
	if r := allowN(t, l, "other", 1); !r.Allowed {
		t.Errorf("another key: %+v", r)
	}
	if err := l.Reset(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if r := allowN(t, l, "k", 1); !r.Allowed {
		t.Errorf("after Reset: %+v", r)
	}
}

// The moment to pass is not missed, and what was denied is not what is asked for now.
func TestDenied_until(t *testing.T) {
	l := open(t, server(t), redislimit.Options{}, policy(ratelimit.GCRA, 10, 500*time.Millisecond))
	allowN(t, l, "k", 10)
	r := allowN(t, l, "k", 1)
	for n := 0; !r.Allowed; n++ {
		if n > 10 {
			t.Fatalf("still denied after %d waits: %+v", n, r)
		}
		time.Sleep(r.RetryAfter)
		r = allowN(t, l, "k", 1)
	}
	slow := open(t, server(t), redislimit.Options{}, policy(ratelimit.FixedWindow, 10, long))
	allowN(t, slow, "k", 7)
	if r := allowN(t, slow, "k", 4); r.Allowed {
		t.Fatalf("4 of 3: %+v", r)
	}
	if r := allowN(t, slow, "k", 4); r.Source != ratelimit.SourceDenyCache {
		t.Errorf("4 of 3, again: %+v", r)
	}
	if r := allowN(t, slow, "k", 3); !r.Allowed {
		t.Errorf("3 of 3: %+v", r)
	}
	if r := allowN(t, slow, "new", 11); r.RetryAfter != ratelimit.Never || r.Remaining != 10 {
		t.Errorf("more than ever passes: %+v", r)
	}
}

func TestDenied_bounded(t *testing.T) {
	l := open(t, server(t), redislimit.Options{MaxDenied: 64}, policy(ratelimit.FixedWindow, 1, long))
	for i := range 500 {
		key := fmt.Sprint(i)
		allowN(t, l, key, 1)
		if r := allowN(t, l, key, 1); r.Allowed {
			t.Fatalf("%+v", r)
		}
	}
	if n := l.Denied(); n == 0 || n > 64 {
		t.Errorf("%d denials are remembered, want up to 64", n)
	}
}

// A slot comes back at any time: for want of one nobody is denied without asking.
func TestDenied_slots(t *testing.T) {
	l := open(t, server(t), redislimit.Options{}, policy(ratelimit.Concurrency, 1, long))
	lease, _, err := l.Acquire(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	if r := allowN(t, l, "k", 1); r.Allowed {
		t.Fatalf("the slot is taken: %+v", r)
	}
	if err := lease.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if r := allowN(t, l, "k", 1); !r.Allowed {
		t.Errorf("the slot is free: %+v", r)
	}
}
