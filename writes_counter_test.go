package strata_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// counted returns a cache, in a process that reaches Redis through addr, with a counter at
// 1.
func counted(t *testing.T, addr string) (*strata.Backend, func(delta int64) (int64, error)) {
	t.Helper()
	b := backend(t, &strata.Config{RedisURL: "redis://" + addr, BreakAfter: -1})
	c, err := strata.New[string, int](b, "counted", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	add := func(delta int64) (int64, error) { return c.Tiers().Add(t.Context(), "n", delta, 0) }
	if n, err := add(1); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	return b, add
}

// nothingQueued checks that a failed Add is not retried: it might count twice.
func nothingQueued(t *testing.T, b *strata.Backend) {
	t.Helper()
	if h := b.Health(); len(h.RetryQueues) != 0 || h.Redis.QueuedTags != 0 {
		t.Errorf("pending: %+v", h)
	}
}

// An Add that Redis answers with an error has not counted; the error is never treated as
// success.
func TestWrites_counterErrorReplies(t *testing.T) {
	for _, reply := range errorReplies {
		t.Run(strings.Fields(reply)[0]+" "+strings.Fields(reply)[1], func(t *testing.T) {
			t.Parallel()
			link := redistest.StartRewriter(t, redistest.Start(t, nil).Addr())
			b, add := counted(t, link.Addr())
			link.Answer(writes, reply)
			if n, err := add(10); err == nil || store.OutcomeOf(err) == store.Made || n != 0 {
				t.Errorf("Add returned %d, %v", n, err)
			}
			nothingQueued(t, b)
			link.Answer(nil, "")
			redistest.WaitFor(t, "Redis to count", func() bool { _, err := add(0); return err == nil })
			if n, err := add(1); n != 2 || err != nil {
				t.Errorf("then Add returned %d, %v", n, err)
			}
		})
	}
}

// An Add with a failing connection is store.ErrUnavailable, and has counted once or not at
// all.
func TestWrites_counterNetwork(t *testing.T) {
	for name, fail := range networkFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link := redistest.StartProxy(t, redistest.Start(t, nil).Addr())
			b, add := counted(t, link.Addr())
			mend := fail(link)
			if n, err := add(10); !errors.Is(err, store.ErrUnavailable) || n != 0 {
				t.Errorf("Add returned %d, %v", n, err)
			}
			nothingQueued(t, b)
			mend()
			var n int64
			redistest.WaitFor(t, "Redis to count", func() (ok bool) {
				var err error
				n, err = add(0)
				return err == nil
			})
			if n != 1 && n != 11 {
				t.Errorf("the counter stands at %d", n)
			}
		})
	}
}

// A refused Add changes nothing, and is not retried.
func TestWrites_counterRefused(t *testing.T) {
	b, add := counted(t, redistest.Start(t, nil).Addr())
	c, err := strata.New[string, int](b, "values", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "v", 7); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() (int64, error){
		"of a long id": func() (int64, error) { return c.Tiers().Add(t.Context(), strings.Repeat("x", 20<<10), 1, 0) },
		"of a value":   func() (int64, error) { return c.Tiers().Add(t.Context(), "v", 1, 0) },
	} {
		if n, err := f(); store.OutcomeOf(err) != store.Refused || errors.Is(err, store.ErrUnavailable) || n != 0 {
			t.Errorf("Add %s returned %d, %v", name, n, err)
		}
	}
	for name, f := range map[string]func() (int64, error){
		"with a negative TTL": func() (int64, error) { return c.Tiers().Add(t.Context(), "n", 1, -1) },
		"that overflows":      func() (int64, error) { return add(1<<63 - 1) },
	} {
		if n, err := f(); err == nil || n != 0 {
			t.Errorf("Add %s returned %d, %v", name, n, err)
		}
	}
	nothingQueued(t, b)
	if n, err := add(1); n != 2 || err != nil {
		t.Errorf("then Add returned %d, %v", n, err)
	}
	if v, err := c.Get(t.Context(), "v"); v != 7 || err != nil {
		t.Errorf("the value is %d, %v", v, err)
	}
	if err := b.Health().Err(); err != nil {
		t.Error(err)
	}
}
