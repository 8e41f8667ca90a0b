package strata_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// TestLogger_lines: a line when invalidations stop to arrive and when they arrive again, with
// the address, the cause and the duration; when Redis may have lost writes; and when many changes
// wait for Redis, with the name of the cache, and when none do.
func TestLogger_lines(t *testing.T) {
	server := redistest.Start(t, nil)
	var log logBuffer
	b := backend(t, &strata.Config{
		RedisURL: server.URL(), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	c, err := strata.New(b, "users", func(context.Context, int) (string, error) { return "v", nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the connection", func() bool {
		_, err := c.Get(t.Context(), 1)
		return err == nil && b.Health().Redis.Connected
	})
	server.Kill()
	ids := make([]int, 1200)
	for i := range ids {
		ids[i] = i
	}
	if err := c.Delete(t.Context(), ids...); err == nil {
		t.Fatal("Redis is down")
	}
	wait := func(text string, with ...string) {
		t.Helper()
		redistest.WaitFor(t, text, func() bool { return len(log.lines(text)) > 0 })
		line := log.lines(text)[0]
		for _, w := range with {
			if !strings.Contains(line, w) {
				t.Errorf("no %q in %s", w, line)
			}
		}
	}
	wait("strata: disconnected", "level=WARN", "address="+server.Addr(), "cause=")
	wait("changes wait for Redis", "level=WARN", "cache=users", "keys=1200", "error=")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	wait("connected again", "level=INFO", "address="+server.Addr(), "duration=", "times=")
	wait("acknowledged all changes", "level=INFO", "cache=users")
	wait("may have lost", "level=WARN", "address="+server.Addr(), "cause=")
}

// TestLogger_corrupt: a value that cannot be decoded is one line, with the cache and the field, and
// so are bytes that are no value.
func TestLogger_corrupt(t *testing.T) {
	type old struct{ Beds string }
	type listing struct{ Beds int }
	server := redistest.Start(t, nil)
	writer, err := strata.New(backend(t, &strata.Config{RedisURL: server.URL()}), "listing", nil, &strata.Options[int, old]{Schema: "fixed"})
	if err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	reader, err := strata.New(backend(t, &strata.Config{RedisURL: server.URL(), Logger: slog.New(slog.NewTextHandler(&log, nil))}), "listing",
		func(context.Context, int) (listing, error) { return listing{2}, nil }, &strata.Options[int, listing]{Schema: "fixed"})
	if err != nil {
		t.Fatal(err)
	}
	for id := range 6 {
		if err := writer.Set(t.Context(), id, old{"planted"}); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := server.Do("KEYS", "strata:listing:*")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys.([]any) {
		if text := key.(string); strings.HasSuffix(text, "4") || strings.HasSuffix(text, "5") {
			if _, err := server.Do("SET", text, "planted"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for id := range 6 {
		if v, err := reader.Get(t.Context(), id); v.Beds != 2 || err != nil {
			t.Errorf("%d: %v, %v", id, v, err)
		}
	}
	for text, want := range map[string]string{"cannot be decoded": "field Beds: no int", "are no value of it": "not a record"} {
		lines := log.lines(text)
		if len(lines) != 1 || !strings.Contains(lines[0], "cache=listing") || !strings.Contains(lines[0], want) || strings.Contains(lines[0], "planted") {
			t.Errorf("%d lines with %q: %q", len(lines), text, lines)
		}
	}
}
