package redislimit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
)

// What was not made by a constructor answers with errors.
func TestZeroValues(t *testing.T) {
	if l, err := redislimit.New(nil, nil, policy(ratelimit.GCRA, 1, long)); l != nil || err == nil || !strings.Contains(err.Error(), "client is nil") {
		t.Errorf("New without a client: %v, %v", l, err)
	}
	for name, l := range map[string]*redislimit.Limiter{"nil": nil, "zero": {}} {
		for call, f := range map[string]func() error{
			"Allow":   func() error { _, err := l.Allow(ctx, "k"); return err },
			"AllowN":  func() error { _, err := l.AllowN(ctx, "k", 2); return err },
			"Take":    func() error { _, _, err := l.Take(ctx, "k", 1); return err },
			"Peek":    func() error { _, err := l.Peek(ctx, "k"); return err },
			"Reset":   func() error { return l.Reset(ctx, "k") },
			"Wait":    func() error { return l.Wait(ctx, "k", 1) },
			"Acquire": func() error { _, _, err := l.Acquire(ctx, "k"); return err },
		} {
			var e *store.Error
			if err := f(); !errors.As(err, &e) || !strings.Contains(err.Error(), "not made by New") {
				t.Errorf("%s of the %s limiter: %v", call, name, err)
			}
		}
		if len(l.Policies()) != 0 {
			t.Errorf("the %s limiter has policies %v", name, l.Policies())
		}
	}
	for name, lease := range map[string]*redislimit.Lease{"nil": nil, "zero": {}} {
		for _, err := range []error{lease.Renew(ctx), lease.Release(ctx)} {
			if !errors.Is(err, ratelimit.ErrLeaseLost) {
				t.Errorf("the %s lease: %v", name, err)
			}
		}
	}
}

// A lease that was denied is nil; what a caller does with it anyway is an error.
func TestLease_denied(t *testing.T) {
	l := open(t, server(t), redislimit.Options{}, policy(ratelimit.Concurrency, 1, long))
	held, _, err := l.Acquire(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	denied, r, err := l.Acquire(ctx, "k")
	if denied != nil || r.Allowed || err != nil {
		t.Fatalf("%v, %+v, %v", denied, r, err)
	}
	if err := denied.Release(ctx); !errors.Is(err, ratelimit.ErrLeaseLost) {
		t.Errorf("Release: %v", err)
	}
	if err := held.Release(ctx); err != nil {
		t.Error(err)
	}
}

// What Redis refuses is store.ErrAuth, by Dial and by limiters, as for redisstore.
func TestAuth(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{Password: "right"})
	for _, c := range []struct{ user, password string }{{"", "wrong"}, {"", ""}, {"nobody", "right"}} {
		client, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{s.Addr()}, Username: c.user, Password: c.password})
		if client != nil || !errors.Is(err, store.ErrAuth) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%q: %v, %v", c.user, client, err)
		}
	}
	if _, err := s.Do("ACL", "SETUSER", "poor", "on", ">secret", "~*", "+@connection"); err != nil {
		t.Fatal(err)
	}
	client, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{s.Addr()}, Username: "poor", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l, err := redislimit.New(client, &redislimit.Options{OnFailure: redislimit.FailClosed, Timeout: patience}, policy(ratelimit.GCRA, 1, long))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Allow(ctx, "k"); !errors.Is(err, store.ErrAuth) || !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("Allow without the right to run scripts: %v", err)
	}
}

// A client that was closed is store.ErrClosed.
func TestClosedClient(t *testing.T) {
	s := server(t)
	client, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{s.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := redislimit.New(client, &redislimit.Options{OnFailure: redislimit.FailClosed, Timeout: patience, Pause: -1}, policy(ratelimit.GCRA, 1, long))
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	if _, err := l.Allow(ctx, "k"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Allow: %v", err)
	}
	if err := l.Reset(ctx, "k"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Reset: %v", err)
	}
}
