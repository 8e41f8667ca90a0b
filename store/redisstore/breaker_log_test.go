package redisstore_test

import (
	"context"
	"log/slog"
	stdstrings "strings"
	"sync"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore"
)

// lines keeps the records of a log.
type lines struct {
	mu      sync.Mutex
	records []slog.Record
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	return nil
}

// of returns the attributes of the only record of a level.
func (l *lines) of(t *testing.T, level slog.Level) map[string]slog.Value {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]slog.Value
	for _, r := range l.records {
		if r.Level == level {
			attrs := make(map[string]slog.Value)
			r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value; return true })
			found = append(found, attrs)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d records of level %v, want 1", len(found), level)
	}
	return found[0]
}

// The line of the breaker has the address, the cause and the number of errors.
func TestBreaker_logLine(t *testing.T) {
	srv := redistest.Start(t, nil)
	var log lines
	c := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: -1, BreakAfter: 3, Logger: slog.New(&log)}, to(srv))
	s := strings(c, prefix())
	get(t, s, "k", "")
	srv.Kill()
	redistest.WaitFor(t, "the breaker to open", func() bool {
		s.Get(ctx, "k")
		return c.Health().Breaker == "open"
	})
	attrs := log.of(t, slog.LevelWarn)
	if attrs["address"].String() != srv.Addr() || !stdstrings.Contains(attrs["cause"].String(), "refused") || attrs["errors"].Uint64() < 3 {
		t.Errorf("%v", attrs)
	}
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the breaker to close", func() bool {
		s.Get(ctx, "k")
		return c.Health().Breaker == "closed"
	})
	log.of(t, slog.LevelInfo)
}
