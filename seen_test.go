package strata_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// Open returns when its context ends, also if Redis swallows everything.
func TestOpen_heedsItsContext(t *testing.T) {
	link := redistest.StartProxy(t, redistest.Start(t, nil).Addr())
	link.Hole(true)
	for _, optional := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		began := time.Now()
		b, err := strata.Open(ctx, &strata.Config{RedisURL: "redis://" + link.Addr(), RedisOptional: optional})
		if took := time.Since(began); took > 700*time.Millisecond {
			t.Errorf("optional %v: it took %v", optional, took)
		}
		cancel()
		if !optional && (!errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, store.ErrUnavailable)) || optional && err != nil {
			t.Errorf("optional %v: %v", optional, err)
		}
		if b != nil {
			b.Close()
		}
	}
}

// A Redis that never was there is an error of Health from the first moment, with its cause.
func TestHealth_neverConnected(t *testing.T) {
	server := redistest.Start(t, nil)
	server.Kill()
	b := backend(t, &strata.Config{RedisURL: server.URL(), RedisOptional: true})
	h := b.Health()
	if err := h.Err(); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), server.Addr()) {
		t.Errorf("Health: %v", err)
	}
	if h.Redis.Connected || h.Redis.Errors == 0 || h.Redis.LastErrorAt.IsZero() {
		t.Errorf("Health: %+v", h.Redis)
	}
}

// What is wrong with a URL is said, and nothing of it is quoted.
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
