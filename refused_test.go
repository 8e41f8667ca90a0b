package strata_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// A logBuffer holds the output of a Logger.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) lines(with string) (lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.buf.String()) {
		if strings.Contains(line, with) {
			lines = append(lines, line)
		}
	}
	return lines
}

// The first change of each cache that Redis refuses permanently is logged with the cache
// and the cause; all are counted.
func TestRetry_refusedChangesAreLogged(t *testing.T) {
	var log logBuffer
	b := backend(t, &strata.Config{RedisURL: redistest.Start(t, nil).URL(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	long := strings.Repeat("x", 20<<10)
	ended, cancel := context.WithCancel(t.Context())
	cancel() // so that the change enters the queue before its key is validated
	for _, name := range []string{"first", "second"} {
		c, err := strata.New[string, int](b, name, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := c.Delete(ended, long); !errors.Is(err, context.Canceled) {
				t.Errorf("Delete: %v", err)
			}
			redistest.WaitFor(t, "the queue to be empty", func() bool { return c.Stats().RetryQueue == 0 })
		}
		if n := c.Stats().RetryRefused; n != 2 {
			t.Errorf("%s: %d refused changes, want 2", name, n)
		}
		if h := b.Health(); h.Refused[name].Count != 2 || !strings.Contains(h.Refused[name].Last, store.ErrTooLarge.Error()) || h.Err() != nil {
			t.Errorf("Health: %+v, %v", h.Refused, h.Err())
		}
		if _, err := c.Tiers().Refused(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("cache %q", name)) {
			t.Errorf("Refused: %v; want the name of the cache", err)
		}
		lines := log.lines("cache=" + name)
		if len(lines) != 1 || !strings.Contains(lines[0], store.ErrTooLarge.Error()) {
			t.Errorf("%s: %d lines, want 1 with the cause", name, len(lines))
		}
	}
}

// A tag that Redis does not accept stays in the queue alone: the others are invalidated at
// once, and it is once Redis accepts it.
func TestRetry_oneTagThatRedisDoesNotTake(t *testing.T) {
	server := redistest.Start(t, nil)
	link := redistest.StartRewriter(t, server.Addr())
	here := backend(t, &strata.Config{RedisURL: "redis://" + link.Addr(), BreakAfter: -1})
	there := backend(t, &strata.Config{RedisURL: server.URL()})
	var version atomic.Int64
	c, err := strata.New(there, "tagged", func(context.Context, string) (int64, error) { return version.Load(), nil },
		&strata.Options[string, int64]{Tags: func(id string, _ int64) []string { return []string{id} }})
	if err != nil {
		t.Fatal(err)
	}
	get := func(id string) int64 {
		t.Helper()
		v, err := c.GetFresh(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tags := []string{"a", "b", "stuck"}
	for _, tag := range tags {
		get(tag)
	}
	v := version.Add(1)
	link.Answer(func(args []string) bool {
		return writes(args) && len(args) > 3 && strings.HasSuffix(args[3], "stuck")
	}, "NOPERM No permissions to access a key")
	if err := here.InvalidateTags(t.Context(), tags...); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("InvalidateTags: %v", err)
	}
	if n := here.Health().Redis.QueuedTags; n != 1 {
		t.Errorf("%d tags pending, want 1", n)
	}
	if get("a") != v || get("b") != v || get("stuck") == v {
		t.Errorf("read a %d, b %d, stuck %d; the version is %d", get("a"), get("b"), get("stuck"), v)
	}
	link.Answer(nil, "")
	redistest.WaitFor(t, "the tag to be invalidated", func() bool { return here.Health().Redis.QueuedTags == 0 })
	if get("stuck") != v {
		t.Errorf("read %d in the end", get("stuck"))
	}
}
