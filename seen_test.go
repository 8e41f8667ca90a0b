package strata_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// Health reports a Redis that was never reachable from the start, with its cause.
func TestHealth_neverConnected(t *testing.T) {
	server := redistest.Start(t, nil)
	server.Kill()
	b := backend(t, &strata.Config{RedisURL: server.URL(), RedisOptional: true})
	h := b.Health()
	if err := h.Err(); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), server.Addr()) {
		t.Errorf("Health: %v", err)
	}
	if h.Redis.Dialed || h.Redis.Errors == 0 || h.Redis.LastErrorAt.IsZero() {
		t.Errorf("Health: %+v", h.Redis)
	}
}

// The error of a malformed URL states the cause and quotes nothing of it.
func TestOpen_malformedURL(t *testing.T) {
	server := redistest.Start(t, &redistest.Options{Password: "sec/ret"})
	for _, c := range []struct{ url, want string }{
		{"redis://:sec/ret@" + server.Addr(), "escaped"},
		{"redis://:sec#ret@" + server.Addr(), "escaped"},
		{"redis://:sec?ret@" + server.Addr(), "escaped"},
		{"redis://:sec%ret@" + server.Addr(), "escaped"},
		{"redis://:12/ret@" + server.Addr() + "/0", "escaped"},
		{"http://" + server.Addr(), "want redis://"},
		{server.Addr(), "want redis://"},
	} {
		for _, password := range []string{"", "sec/ret"} {
			_, err := strata.Open(t.Context(), &strata.Config{RedisURL: c.url, RedisPassword: password})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "ret@") || strings.Contains(err.Error(), "sec") {
				t.Errorf("%s: %v", c.url, err)
			}
		}
	}
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: " redis://" + server.Addr() + "\n", RedisPassword: "sec/ret"})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
}

// Health reports a password that is changed at run time with the error of the server, and
// recovers when the password is restored.
func TestHealth_passwordChanged(t *testing.T) {
	const password = "hunter2"
	server := redistest.Start(t, &redistest.Options{Password: password})
	b := backend(t, &strata.Config{RedisURL: server.URL()})
	c := listings(t, b, &repo{}, nil)
	get := func() error { _, err := c.Get(t.Context(), 1); return err }
	if err := get(); err != nil {
		t.Fatal(err)
	}
	admin, err := server.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	do := func(args ...any) {
		t.Helper()
		if _, err := admin.Do(args...); err != nil {
			t.Fatal(err)
		}
	}
	do("CONFIG", "SET", "requirepass", "another")
	do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	redistest.WaitFor(t, "Health to have the words of the server", func() bool {
		err := b.Health().Err()
		return err != nil && strings.Contains(err.Error(), "WRONGPASS") && strings.Contains(err.Error(), server.Addr())
	})
	if err := b.Health().Err(); !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), password) {
		t.Errorf("Health: %v", err)
	}
	if err := get(); err != nil {
		t.Errorf("Get meanwhile: %v", err)
	}
	do("CONFIG", "SET", "requirepass", password)
	redistest.WaitFor(t, "Redis to be used again", func() bool { return b.Ping(t.Context()) == nil && b.Health().Err() == nil })
}
