package redislimit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
)

// A Redis that is away at the start is used as soon as it is there.
func TestDialURL_lazy(t *testing.T) {
	s := redistest.Start(t, nil)
	s.Kill()
	c, err := redislimit.DialURL(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, err := redislimit.On(c, &redislimit.Options{Timeout: patience, Pause: -1}, policy(ratelimit.GCRA, 100, long))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := l.Allow(ctx, "k"); !r.Allowed || r.Source != ratelimit.SourceFallback || err != nil {
		t.Errorf("without Redis: %+v, %v", r, err)
	}
	if err := l.Ping(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Ping without Redis: %v", err)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "a decision of Redis", func() bool {
		r, err := l.Allow(ctx, "k")
		return r.Source == ratelimit.SourceRedis && err == nil
	})
	if err := l.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if keys, err := s.Do("KEYS", "strata:limit:{k}*"); err != nil || len(keys.([]any)) != 1 {
		t.Errorf("keys %v, %v", keys, err)
	}
}

func TestDialURL_errors(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{Password: "right"})
	wrong := strings.Replace(s.URL(), "right", "wrong", 1)
	for name, c := range map[string]struct {
		url, want string
		is        error
	}{
		"password":  {wrong, "WRONGPASS", store.ErrAuth},
		"parameter": {"redis://localhost?timeout=1s", "unknown URL parameter", nil},
		"scheme":    {"http://localhost", "want redis://", nil},
	} {
		got, err := redislimit.DialURL(t.Context(), c.url)
		if got != nil || err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestFromEnv(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{Password: "right"})
	allow := func(want ratelimit.Source) {
		t.Helper()
		c, err := redislimit.FromEnv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		l, err := redislimit.On(c, &redislimit.Options{Timeout: patience}, policy(ratelimit.GCRA, 100, long))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := l.Allow(ctx, "k"); r.Source != want || err != nil {
			t.Errorf("%+v, %v", r, err)
		}
	}
	for _, name := range []string{"REDIS_URL", "REDIS_PASSWORD", "STRATA_PREFIX", "STRATA_REDIS_CA_FILE", "STRATA_REDIS_CERT_FILE", "STRATA_REDIS_KEY_FILE"} {
		t.Setenv(name, "")
	}
	allow(ratelimit.SourceLocal)
	t.Setenv("REDIS_URL", "redis://"+s.Addr())
	t.Setenv("REDIS_PASSWORD", "right")
	t.Setenv("STRATA_PREFIX", "shop:")
	allow(ratelimit.SourceRedis)
	if keys, err := s.Do("KEYS", "shop:limit:{k}*"); err != nil || len(keys.([]any)) != 1 {
		t.Errorf("keys %v, %v", keys, err)
	}
	t.Setenv("REDIS_PASSWORD", "wrong")
	if c, err := redislimit.FromEnv(t.Context()); c != nil || !errors.Is(err, store.ErrAuth) {
		t.Errorf("a wrong password: %v, %v", c, err)
	}
	t.Setenv("REDIS_URL", "")
	t.Setenv("STRATA_REDIS_CA_FILE", "ca.pem")
	t.Setenv("STRATA_REDIS_KEY_FILE", "key.pem")
	if c, err := redislimit.FromEnv(t.Context()); c != nil || err == nil || strings.Count(err.Error(), "REDIS_URL is not set") != 2 {
		t.Errorf("files without an address: %v, %v", c, err)
	}
}
