package strata_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
)

var twoAnHour = ratelimit.Policy{Name: "two", Algorithm: ratelimit.StrictWindow, Limit: 2, Window: time.Hour}

// limiter returns a limiter on b that waits for Redis longer than a busy machine takes.
func limiter(t *testing.T, b redislimit.Backend, o redislimit.Options, p ratelimit.Policy) *redislimit.Limiter {
	t.Helper()
	o.Timeout = 30 * time.Second
	l, err := redislimit.On(b, &o, p)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestRedislimit_On: the same calls have the same results on every kind of backend.
func TestRedislimit_On(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		client, prefix := b.Redis()
		source := ratelimit.SourceRedis
		if client == nil {
			source = ratelimit.SourceLocal
		}
		ctx, l := t.Context(), limiter(t, b, redislimit.Options{MaxDenied: -1}, twoAnHour)
		if err := l.Ping(ctx); err != nil {
			t.Errorf("Ping: %v", err)
		}
		for i, want := range []bool{true, true, false} {
			if r, err := l.Allow(ctx, "k"); r.Allowed != want || r.Source != source || err != nil {
				t.Errorf("call %d: %+v, %v", i, r, err)
			}
		}
		if r, err := l.Peek(ctx, "k"); r.Allowed || r.Source != source || err != nil {
			t.Errorf("Peek: %+v, %v", r, err)
		}
		if err := l.Reset(ctx, "k"); err != nil {
			t.Errorf("Reset: %v", err)
		}
		if n, r, err := l.Take(ctx, "k", 5); n != 2 || r.Source != source || err != nil {
			t.Errorf("Take: %d, %+v, %v", n, r, err)
		}
		if r, err := l.AllowN(ctx, "k", 3); r.Allowed || r.RetryAfter != ratelimit.Never || err != nil {
			t.Errorf("AllowN of more than the limit: %+v, %v", r, err)
		}

		slots := limiter(t, b, redislimit.Options{}, ratelimit.Policy{Name: "jobs", Algorithm: ratelimit.Concurrency, Limit: 1, Window: time.Hour})
		lease, r, err := slots.Acquire(ctx, "k")
		if lease == nil || r.Source != source || err != nil {
			t.Fatalf("Acquire: %v, %+v, %v", lease, r, err)
		}
		if second, r, err := slots.Acquire(ctx, "k"); second != nil || r.Allowed || err != nil {
			t.Errorf("a second Acquire: %v, %+v, %v", second, r, err)
		}
		if err := errors.Join(lease.Renew(ctx), lease.Release(ctx)); err != nil {
			t.Error(err)
		}
		if again, _, err := slots.Acquire(ctx, "k"); again == nil || err != nil {
			t.Errorf("Acquire after Release: %v, %v", again, err)
		}
		if client == nil {
			return
		}
		peer := backend(t, &strata.Config{Redis: client, Prefix: prefix}) // another backend, the same keys
		if r, err := limiter(t, peer, redislimit.Options{}, twoAnHour).Allow(ctx, "k"); r.Allowed || err != nil {
			t.Errorf("Allow of another backend: %+v, %v", r, err)
		}
	})
}

// TestRedislimit_On_keys: the keys begin with the prefix of the backend, and the connection is
// the one that the backend has.
func TestRedislimit_On_keys(t *testing.T) {
	s := redistest.Start(t, nil)
	b := backend(t, &strata.Config{RedisURL: s.URL(), Prefix: "shop:"})
	clients := func() int {
		list, err := s.Do("CLIENT", "LIST")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(list.(string), "\n")
	}
	before := clients()
	for _, prefix := range []string{"", "own:"} {
		if _, err := limiter(t, b, redislimit.Options{Prefix: prefix}, twoAnHour).Allow(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"shop:limit:{k}*", "own:{k}*"} {
		if keys, err := s.Do("KEYS", pattern); err != nil || len(keys.([]any)) != 1 {
			t.Errorf("%s: %v, %v", pattern, keys, err)
		}
	}
	if after := clients(); after != before {
		t.Errorf("%d connections, and %d with limiters", before, after)
	}
}

// TestRedislimit_On_fleet: without Redis each process has its share of the limits.
func TestRedislimit_On_fleet(t *testing.T) {
	l := limiter(t, backend(t, nil), redislimit.Options{Fleet: 2}, twoAnHour)
	for i, want := range []bool{true, false} {
		if r, err := l.Allow(t.Context(), "k"); r.Allowed != want || err != nil {
			t.Errorf("call %d: %+v, %v", i, r, err)
		}
	}
}

func TestRedislimit_On_refused(t *testing.T) {
	s := redistest.Start(t, nil)
	broadcast := backend(t, &strata.Config{RedisURL: s.URL(), Tracking: strata.Broadcast, Prefix: "shop:"})
	var none *strata.Backend
	for name, c := range map[string]struct {
		b    redislimit.Backend
		o    redislimit.Options
		want string
	}{
		"nil":             {nil, redislimit.Options{}, "backend is nil"},
		"nil backend":     {none, redislimit.Options{}, "backend is nil"},
		"nil connection":  {(*redislimit.Connection)(nil), redislimit.Options{}, "backend is nil"},
		"broadcast":       {broadcast, redislimit.Options{}, `does not begin with "shop:"`},
		"bad option":      {backend(t, nil), redislimit.Options{Fleet: -1}, "Fleet -1"},
		"all at once":     {broadcast, redislimit.Options{Fleet: -1}, "Fleet -1"},
		"all at once too": {broadcast, redislimit.Options{Fleet: -1}, "Broadcast"},
	} {
		if l, err := redislimit.On(c.b, &c.o, twoAnHour); l != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
	if r, err := limiter(t, broadcast, redislimit.Options{Prefix: "limits:"}, twoAnHour).Allow(t.Context(), "k"); !r.Allowed || err != nil {
		t.Errorf("a prefix that is not broadcast: %+v, %v", r, err)
	}
}

// TestRedislimit_On_outage: while the breaker of the backend is open, limiters do not call
// Redis, and the failures of limiters open it.
func TestRedislimit_On_outage(t *testing.T) {
	s := redistest.Start(t, nil)
	b := backend(t, &strata.Config{RedisURL: s.URL(), BreakAfter: 2})
	l := limiter(t, b, redislimit.Options{OnFailure: redislimit.FailClosed, Pause: -1}, twoAnHour)
	if r, err := l.Allow(t.Context(), "k"); !r.Allowed || err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	s.Kill()
	redistest.WaitFor(t, "the breaker to open", func() bool {
		r, err := l.Allow(t.Context(), "k")
		if r.Allowed || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("without Redis: %+v, %v", r, err)
		}
		return strings.Contains(err.Error(), "the breaker is open") && b.Health().Redis.Breaker != "closed"
	})
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "limits in Redis", func() bool {
		r, err := l.Allow(t.Context(), "k")
		return r.Source == ratelimit.SourceRedis && err == nil
	})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Allow(t.Context(), "k"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestRedislimit_On_rights: a right that is missing for limiters alone is store.ErrAuth.
func TestRedislimit_On_rights(t *testing.T) {
	s := redistest.Start(t, nil)
	if _, err := s.Do("ACL", "SETUSER", "shop", "on", ">secret", "~shop:*", "~!shop:*", "+@all"); err != nil {
		t.Fatal(err)
	}
	b := backend(t, &strata.Config{RedisURL: strings.Replace(s.URL(), "redis://", "redis://shop:secret@", 1), Prefix: "shop:"})
	if err := limiter(t, b, redislimit.Options{}, twoAnHour).Ping(t.Context()); err != nil {
		t.Errorf("keys of the backend: %v", err)
	}
	l := limiter(t, b, redislimit.Options{Prefix: "own:", OnFailure: redislimit.FailClosed}, twoAnHour)
	_, allowed := l.Allow(t.Context(), "k")
	for what, err := range map[string]error{"Ping": l.Ping(t.Context()), "Allow": allowed} {
		if !errors.Is(err, store.ErrAuth) || strings.Count(err.Error(), "NOPERM") != 1 {
			t.Errorf("%s of other keys: %v", what, err)
		}
	}
}

func TestNew_nil(t *testing.T) {
	c, err := strata.New[string, string](nil, "c", nil, nil)
	if c != nil || err == nil || !strings.Contains(err.Error(), "backend is nil") {
		t.Errorf("New without a backend: %v, %v", c, err)
	}
	find := func(context.Context, string) (string, error) { return "", store.ErrNotFound }
	x, err := strata.NewIndex(c, "x", find, func(v string) string { return v }, nil)
	if x != nil || err == nil || !strings.Contains(err.Error(), "cache is nil") {
		t.Errorf("NewIndex without a cache: %v, %v", x, err)
	}
}
