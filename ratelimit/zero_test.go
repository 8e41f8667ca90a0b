package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store"
)

// What was not made by a constructor answers with errors.
func TestZeroValues(t *testing.T) {
	ctx := t.Context()
	for name, l := range map[string]*ratelimit.Local{"nil": nil, "zero": {}} {
		calls := map[string]func() error{
			"Allow":  func() error { _, err := l.Allow(ctx, "k"); return err },
			"AllowN": func() error { _, err := l.AllowN(ctx, "k", 2); return err },
			"zero":   func() error { _, err := l.AllowN(ctx, "k", 0); return err },
			"Take":   func() error { _, _, err := l.Take(ctx, "k", 1); return err },
			"Peek":   func() error { _, err := l.Peek(ctx, "k"); return err },
			"Reset":  func() error { return l.Reset(ctx, "k") },
			"Wait":   func() error { return l.Wait(ctx, "k", 1) },
			"Acquire": func() error {
				lease, _, err := l.Acquire(ctx, "k")
				if lease != nil {
					t.Errorf("%s: a lease", name)
				}
				return err
			},
		}
		for call, f := range calls {
			var e *store.Error
			if err := f(); !errors.As(err, &e) || !strings.Contains(err.Error(), "not made by New") {
				t.Errorf("%s of the %s limiter: %v", call, name, err)
			}
		}
		if l.Len() != 0 || len(l.Policies()) != 0 {
			t.Errorf("the %s limiter has %d keys and policies %v", name, l.Len(), l.Policies())
		}
	}
	for name, lease := range map[string]*ratelimit.Lease{"nil": nil, "zero": {}} {
		for _, err := range []error{lease.Renew(ctx), lease.Release(ctx)} {
			if !errors.Is(err, ratelimit.ErrLeaseLost) {
				t.Errorf("the %s lease: %v", name, err)
			}
		}
	}
	if err := ratelimit.Wait(ctx, nil, "k", 1); err == nil {
		t.Error("Wait of no limiter")
	}
	var o *ratelimit.Options
	if l, err := o.New(ratelimit.Policy{Name: "p", Limit: 1, Window: time.Hour}); err != nil || l == nil {
		t.Errorf("nil options: %v", err)
	}
}

func TestZeroChecker(t *testing.T) {
	var c ratelimit.Checker
	for _, want := range []bool{true, false} {
		if ok, _, _, err := c.Check(t.Context(), "203.0.113.9", "/", 1, 24*time.Hour); ok != want || err != nil {
			t.Errorf("%v, %v; want %v", ok, err, want)
		}
	}
	none := ratelimit.NewChecker(func(ratelimit.Policy) (ratelimit.Limiter, error) { return nil, nil })
	if ok, _, _, err := none.Check(context.Background(), "203.0.113.9", "/", 1, time.Hour); ok || err == nil {
		t.Errorf("a nil limiter: %v, %v", ok, err)
	}
}

func TestZeroHTTP(t *testing.T) {
	hello := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request has passed") })
	for _, h := range []*ratelimit.HTTP{{}, {Limiter: failing{}}, {Key: ratelimit.ByIP()}} {
		if r := get(h.Middleware(hello), nil); r.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%+v: %d", h, r.StatusCode)
		}
	}
}
