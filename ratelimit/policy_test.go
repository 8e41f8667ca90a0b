package ratelimit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/ratelimit"
)

func TestNew_allMistakesAtOnce(t *testing.T) {
	_, err := ratelimit.New(
		ratelimit.Policy{Name: "a b", Limit: 0, Window: time.Nanosecond},
		ratelimit.Policy{Name: "x", Limit: 1, Window: time.Second},
		ratelimit.Policy{Name: "x", Algorithm: 9, Limit: 1, Window: time.Second},
		ratelimit.Policy{Name: "y", Algorithm: ratelimit.FixedWindow, Limit: 1, Window: time.Second, Burst: 1, Buckets: 1},
		ratelimit.Policy{Name: "z", Limit: 1_000_003, Window: 24*time.Hour + time.Microsecond},
	)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`Name "a b"`, "Limit 0", "Window 1ns", "duplicate name", "Algorithm(9)", "Burst 1", "Buckets 1", "choose rounder ones"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if _, err := (&ratelimit.Options{MaxKeys: -1}).New(perSecond(1)); err == nil || !strings.Contains(err.Error(), "MaxKeys -1") {
		t.Errorf("MaxKeys: %v", err)
	}
	if _, err := ratelimit.New(perSecond(1), make([]ratelimit.Policy, ratelimit.MaxPolicies)...); err == nil || !strings.Contains(err.Error(), "17 policies") {
		t.Errorf("policies: %v", err)
	}
}

func TestLocal_policies(t *testing.T) {
	l := local(t, perSecond(5), ratelimit.Policy{Name: "s", Algorithm: ratelimit.StrictWindow, Limit: 100, Window: time.Minute})
	ps := l.Policies()
	if ps[0].Burst != 5 || ps[1].Buckets != ratelimit.DefaultBuckets {
		t.Errorf("without defaults: %+v", ps)
	}
	ps[0].Limit = 7
	if l.Policies()[0].Limit != 5 {
		t.Error("the policies can be changed from outside")
	}
}

// No policy makes New, or a limiter that New made, panic or contradict itself.
func FuzzPolicy(f *testing.F) {
	f.Add("api", uint8(0), 100, int64(time.Second), 0, 0, "user:1", 1)
	f.Add("x", uint8(3), 1, int64(time.Millisecond), 0, 4096, "", 2)
	f.Add("y", uint8(2), 1<<40, int64(24*time.Hour), 0, 0, "\xff{}", 1<<62)
	f.Add("z", uint8(0), 999_983, int64(time.Hour+time.Microsecond), 1<<40, 0, "k", -1)
	f.Fuzz(func(t *testing.T, name string, algorithm uint8, limit int, window int64, burst, buckets int, key string, cost int) {
		p := ratelimit.Policy{Name: name, Algorithm: ratelimit.Algorithm(algorithm), Limit: limit, Window: time.Duration(window), Burst: burst, Buckets: buckets}
		l, err := ratelimit.New(p)
		if (err == nil) != (p.Validate() == nil) {
			t.Fatalf("New: %v, Validate: %v", err, p.Validate())
		}
		if err != nil {
			return
		}
		r, err := l.AllowN(t.Context(), key, cost)
		if (err != nil) != (cost < 0) {
			t.Fatalf("%+v: %v", p, err)
		}
		if cost < 0 {
			return
		}
		if fits := cost <= r.Limit; r.Allowed != fits || (r.RetryAfter < 0) == fits || r.Remaining < 0 || r.Remaining > r.Limit || r.ResetAfter < 0 || r.NextAfter < 0 {
			t.Fatalf("%+v: a first call for %d: %+v", p, cost, r)
		}
		taken, r, err := l.Take(t.Context(), key, limit)
		if err != nil || taken < 0 || taken > limit || r.Allowed != (taken > 0) {
			t.Fatalf("%+v: took %d: %+v, %v", p, taken, r, err)
		}
	})
}
