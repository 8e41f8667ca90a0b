package strata_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// Health reports problems without I/O, and Close reports lost changes.
func TestHealth(t *testing.T) {
	server := redistest.Start(t, nil)
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := strata.New(b, "n", func(context.Context, int) (int, error) { return 1, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "all to be well", func() bool {
		h := b.Health()
		return h.Err() == nil && h.Redis.Connected && h.Redis.Breaker == "closed"
	})
	server.Kill()
	for range 10 {
		c.Delete(t.Context(), 1, 2)
	}
	b.InvalidateTags(t.Context(), "tag")
	h := b.Health()
	if h.Redis.Breaker != "open" || h.Redis.QueuedTags != 1 || h.RetryQueues["n"].Keys != 2 || h.RetryQueues["n"].For <= 0 {
		t.Errorf("%+v %+v", h, h.Redis)
	}
	err = h.Err()
	for _, want := range []string{"the breaker is open since", `cache "n": Redis has not received changes of 2 keys`, "1 invalidated tags"} {
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("Err: %v, want %q in it", err, want)
		}
	}
	text, err := json.Marshal(h)
	if err != nil || !strings.Contains(string(text), `"breaker":"open"`) || !strings.Contains(string(text), `"retry_queues":{"n":{"keys":2`) {
		t.Errorf("%s, %v", text, err)
	}
	began := time.Now()
	err = b.Close()
	for _, want := range []string{"the changes of 2 keys", "1 invalidated tags"} {
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("Close: %v, want %q in it", err, want)
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("Close took %v", took)
	}
	if err := b.Health().Err(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Without Redis there are no problems.
func TestHealth_L1Alone(t *testing.T) {
	b, err := strata.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if h := b.Health(); h.Redis != nil || h.Err() != nil {
		t.Errorf("%+v, %v", h, h.Err())
	}
}
