package redisstore_test

import (
	"bytes"
	"errors"
	"log/slog"
	stdstrings "strings"
	"sync"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// A lockedLog is what a Logger has written.
type lockedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// A tag that is refused for good leaves the retry queue. It is counted and logged, and does not
// count as invalidated: the tags with it in the queue do.
func TestTags_refusedInTheQueue(t *testing.T) {
	var log lockedLog
	c := dialWith(t, &redisstore.Dialer{Timeout: patience, Logger: slog.New(slog.NewTextHandler(&log, nil))}, to(redistest.Start(t, nil)))
	p := prefix()
	tags := redisstore.NewTags(c, p+"!")
	s := redisstore.New(c, &redisstore.Options[string]{Prefix: p, Tags: tags})
	for n := uint64(1); n <= 2; n++ {
		if err := s.Set(ctx, "k", store.Entry[string]{Value: "v", Tags: []string{"short"}}); err != nil {
			t.Fatal(err)
		}
		tags.InvalidateSoon(stdstrings.Repeat("x", 70_000+int(n)), "short")
		redistest.WaitFor(t, "the queue to be empty", func() bool { return c.Health().QueuedTags == 0 })
		if h := c.Health(); h.RefusedTags != n || !stdstrings.Contains(h.RefusedTagsErr, store.ErrTooLarge.Error()) {
			t.Errorf("Health: %d were refused (%s), want %d", h.RefusedTags, h.RefusedTagsErr, n)
		}
		if _, err := s.Get(ctx, "k"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an entry with a tag that was invalidated: %v", err)
		}
	}
	if n := stdstrings.Count(log.String(), "refuses to invalidate a tag"); n != 1 || !stdstrings.Contains(log.String(), store.ErrTooLarge.Error()) || len(log.String()) > 1000 {
		t.Errorf("%d lines, want one short one with the cause: %.2000s", n, log.String())
	}
}
