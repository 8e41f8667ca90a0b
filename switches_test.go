package strata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A counting source returns how often it was called for any id, or err.
type counting struct {
	loads atomic.Int64
	err   atomic.Pointer[error]
}

func (s *counting) load(context.Context, string) (string, error) {
	n := s.loads.Add(1)
	if err := s.err.Load(); err != nil {
		return "", *err
	}
	return fmt.Sprint(n), nil
}

func (s *counting) fail(err error) { s.err.Store(&err) }

// reads checks the value that a read of id with ctx returns, alone and in a batch.
func reads(t *testing.T, c *strata.Cache[string, string], ctx context.Context, id string, want ...string) {
	t.Helper()
	for i, w := range want {
		var v string
		var err error
		if i%2 == 0 {
			v, err = c.Get(ctx, id)
		} else {
			var vs map[string]string
			vs, err = c.GetMany(ctx, []string{id})
			v = vs[id]
		}
		if v != w || err != nil {
			t.Errorf("read %d of %q: %q, %v; want %q", i, id, v, err, w)
		}
	}
}

// TestSetBypass_errors: with the cache off, a failing loader, one that panics, one that reads itself, and none.
func TestSetBypass_errors(t *testing.T) {
	ctx, b := t.Context(), backend(t, nil)
	b.SetBypass(strata.Bypass{Reads: true, Writes: true})
	var c *strata.Cache[string, string]
	c, err := strata.New(b, "c", func(ctx context.Context, id string) (string, error) {
		switch id {
		case "fails":
			return "", errDown
		case "panics":
			panic("no value")
		case "waits":
			<-ctx.Done()
			return "", ctx.Err()
		}
		return c.Get(ctx, id)
	}, &strata.Options[string, string]{LoadTimeout: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	none, err := strata.New[string, string](b, "none", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var panicked *store.PanicError
	for id, is := range map[string]func(error) bool{
		"fails":  func(err error) bool { return err == errDown },
		"panics": func(err error) bool { return errors.As(err, &panicked) },
		"waits":  func(err error) bool { return errors.Is(err, context.DeadlineExceeded) },
		"itself": func(err error) bool { return errors.Is(err, store.ErrCycle) },
	} {
		if v, err := c.Get(ctx, id); v != "" || !is(err) {
			t.Errorf("%s: %q, %v", id, v, err)
		}
	}
	if v, err := none.Get(ctx, "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("without a loader: %q, %v", v, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Get(ctx, "k"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %q, %v", v, err)
	}
}

// TestSetBypass_batch: with the cache off, LoadMany is called once for a batch.
func TestSetBypass_batch(t *testing.T) {
	var calls atomic.Int64
	c, err := strata.New(backend(t, nil), "c", nil, &strata.Options[string, string]{
		LoadMany: func(context.Context, []string) (map[string]string, error) {
			calls.Add(1)
			return map[string]string{"a": "A", "b": "B"}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.SetBypass(strata.Bypass{Reads: true, Writes: true})
	for n := range int64(2) {
		vs, err := c.GetMany(t.Context(), []string{"a", "b", "c"})
		if len(vs) != 2 || vs["a"] != "A" || err != nil || calls.Load() != n+1 {
			t.Errorf("GetMany = %v, %v, with %d calls", vs, err, calls.Load())
		}
	}
}

// TestSetBypass_reads: no cached value is returned, and what is loaded is cached.
func TestSetBypass_reads(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		s := &counting{}
		c, err := strata.New(b, "c", s.load, &strata.Options[string, string]{StaleFor: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		reads(t, c, t.Context(), "k", "1")
		awaitHas(t, c, "k", true)
		b.SetBypass(strata.Bypass{Reads: true})
		reads(t, c, t.Context(), "k", "2", "3")
		s.fail(errDown)
		if v, err := c.Get(t.Context(), "k"); !errors.Is(err, errDown) {
			t.Errorf("a cached value was returned: %q, %v", v, err)
		}
		b.SetBypass(strata.Bypass{})
		redistest.WaitFor(t, "the value that was loaded last", func() bool { // Ristretto writes in the background
			v, err := c.Get(t.Context(), "k")
			return v == "3" && err == nil
		})
	})
}

// TestSetBypass_writes: what is cached is returned, nothing else is cached, and changes remove
// what is cached.
func TestSetBypass_writes(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		ctx, s := t.Context(), &counting{}
		c, err := strata.New(b, "c", s.load, &strata.Options[string, string]{RevisionOf: func(string, string) uint64 { return 1 }})
		if err != nil {
			t.Fatal(err)
		}
		writes := map[string]func(id string) error{
			"Set":         func(id string) error { return c.Set(ctx, id, "new") },
			"SetFor":      func(id string) error { return c.SetFor(ctx, id, "new", time.Hour) },
			"SetMany":     func(id string) error { return c.SetMany(ctx, map[string]string{id: "new"}) },
			"SetIfNewer":  func(id string) error { _, err := c.SetIfNewer(ctx, id, "new", 2); return err },
			"DeleteAgain": func(id string) error { return c.Delete(ctx, id) },
		}
		for id := range writes {
			if err := c.Set(ctx, id, "old"); err != nil {
				t.Fatal(err)
			}
			awaitHas(t, c, id, true)
		}
		c.SetBypass(strata.Bypass{Writes: true})
		reads(t, c, ctx, "Set", "old", "old")
		reads(t, c, ctx, "other", "1", "2")
		for id, write := range writes {
			if err := write(id); err != nil {
				t.Errorf("%s: %v", id, err)
			}
			awaitHas(t, c, id, false)
		}
		added, err := c.Add(ctx, "added", "new")
		if added || !errors.Is(err, store.ErrRefused) || !strings.Contains(err.Error(), `cache "c"`) {
			t.Errorf("Add = %v, %v", added, err)
		}
		if n, err := c.Warm(ctx, slices.Values([]string{"warm"}), nil); n != 0 || !errors.Is(err, store.ErrRefused) {
			t.Errorf("Warm = %d, %v", n, err)
		}
		c.SetBypass(strata.Bypass{})
		reads(t, c, ctx, "Set", "3")
	})
}

// TestSetBypass_intent: CommitSet sets nothing while writes are switched off.
func TestSetBypass_intent(t *testing.T) {
	b := backend(t, &strata.Config{RedisURL: redistest.Start(t, nil).URL()})
	c, err := strata.New(b, "c", (&counting{}).load, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.BeginWrite(t.Context(), time.Minute, "k")
	if err != nil {
		t.Fatal(err)
	}
	b.SetBypass(strata.Bypass{Writes: true})
	if err := w.CommitSet(t.Context(), map[string]string{"k": "set"}); err != nil {
		t.Error(err)
	}
	awaitHas(t, c, "k", false)
}

// TestSetBypass_stale: with writes off, a stale value is the answer of a failing source.
func TestSetBypass_stale(t *testing.T) {
	s := &counting{}
	c, err := strata.New(backend(t, nil), "c", s.load, &strata.Options[string, string]{TTL: time.Millisecond, StaleFor: time.Hour, Jitter: -1})
	if err != nil {
		t.Fatal(err)
	}
	reads(t, c, t.Context(), "k", "1")
	time.Sleep(5 * time.Millisecond)
	c.SetBypass(strata.Bypass{Writes: true})
	reads(t, c, t.Context(), "k", "2", "3")
	s.fail(errDown)
	reads(t, c, t.Context(), "k", "1", "1")
	if e, err := c.GetEntry(t.Context(), "k"); !e.Stale || !errors.Is(e.Cause, errDown) || err != nil {
		t.Errorf("GetEntry = %+v, %v", e, err)
	}
}

func TestOptions_SourceFirst(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		s := &counting{}
		c, err := strata.New(b, "c", s.load, &strata.Options[string, string]{SourceFirst: true})
		if err != nil {
			t.Fatal(err)
		}
		reads(t, c, t.Context(), "k", "1", "2", "3")
		fresh, err := c.GetFresh(t.Context(), "k")
		if fresh != "4" || err != nil {
			t.Errorf("GetFresh = %q, %v", fresh, err)
		}
		redistest.WaitFor(t, "the value to be cached", func() bool { // Ristretto writes in the background
			e, err := c.Tiers().Get(t.Context(), "k")
			return e.Value == "4" && err == nil
		})
		s.fail(errDown)
		reads(t, c, t.Context(), "k", "4", "4")
		e, err := c.GetEntry(t.Context(), "k")
		if e.Value != "4" || !e.Stale || !errors.Is(e.Cause, errDown) || e.Tier == layered.Origin || err != nil {
			t.Errorf("GetEntry = %+v, %v", e, err)
		}
		if v, err := c.Get(t.Context(), "other"); !errors.Is(err, errDown) {
			t.Errorf("without a cached value: %q, %v", v, err)
		}
		s.fail(store.ErrNotFound)
		if v, err := c.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a value that the source no longer has: %q, %v", v, err)
		}
	})
}

func TestOptions_SourceFirst_default(t *testing.T) {
	s := &counting{}
	s.fail(errDown)
	c, err := strata.New(backend(t, nil), "c", s.load, &strata.Options[string, string]{
		SourceFirst: true, Default: func(string, error) (string, bool) { return "default", true },
	})
	if err != nil {
		t.Fatal(err)
	}
	reads(t, c, t.Context(), "k", "default", "default")
}
