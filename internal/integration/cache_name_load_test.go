package integration_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

var errNamedLoad = errors.New("the source has failed")

// namedLoads are loads that fail, each with a part of the text of its error.
var namedLoads = []struct {
	name, want string
	opts       strata.Options[string, int]
	load       func(context.Context, string) (int, error)
}{
	{"panic", "panicked: on purpose", strata.Options[string, int]{},
		func(context.Context, string) (int, error) { panic("on purpose") }},
	{"Goexit", "runtime.Goexit", strata.Options[string, int]{},
		func(context.Context, string) (int, error) { runtime.Goexit(); return 0, nil }},
	{"no return", "deadline exceeded", strata.Options[string, int]{LoadTimeout: time.Millisecond},
		func(context.Context, string) (int, error) { time.Sleep(time.Second); return 0, nil }},
	{"Default that panics", "Options.Default panicked", strata.Options[string, int]{Default: func(string, error) (int, bool) { panic("on purpose") }},
		func(context.Context, string) (int, error) { return 0, errNamedLoad }},
	{"Clone that panics", "Options.Clone panicked", strata.Options[string, int]{Clone: func(int) int { panic("on purpose") }},
		func(context.Context, string) (int, error) { return 1, nil }},
	{"LoadMany that panics", "panicked: on purpose",
		strata.Options[string, int]{LoadMany: func(context.Context, []string) (map[string]int, error) { panic("on purpose") }}, nil},
	{"TagsOf that panics", "panicked: on purpose", strata.Options[string, int]{Tags: func(string, int) []string { panic("on purpose") }},
		func(context.Context, string) (int, error) { return 1, nil }},
}

// namedLoadReads read "a" with a loader.
var namedLoadReads = map[string]func(context.Context, *strata.Cache[string, int]) error{
	"Get":      func(ctx context.Context, c *strata.Cache[string, int]) error { return ignoring(c.Get(ctx, "a")) },
	"GetEntry": func(ctx context.Context, c *strata.Cache[string, int]) error { return ignoring(c.GetEntry(ctx, "a")) },
	"GetFresh": func(ctx context.Context, c *strata.Cache[string, int]) error { return ignoring(c.GetFresh(ctx, "a")) },
	"GetMany": func(ctx context.Context, c *strata.Cache[string, int]) error {
		return ignoring(c.GetMany(ctx, []string{"a", "b"}))
	},
	"Refresh": func(ctx context.Context, c *strata.Cache[string, int]) error { return ignoring(c.Refresh(ctx, "a")) },
}

func newLoadingCache(t *testing.T, url string, o strata.Options[string, int], load func(context.Context, string) (int, error)) *strata.Cache[string, int] {
	t.Helper()
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: url, Prefix: t.Name() + ":"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c, err := strata.New(b, "listing", load, &o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An error returned instead of the result of a loader names the cache once.
func TestCacheName_loads(t *testing.T) {
	server := redistest.Start(t, nil)
	for place, url := range map[string]string{"memory": "", "Redis": server.URL()} {
		for _, l := range namedLoads {
			t.Run(l.name+" in "+place, func(t *testing.T) {
				c := newLoadingCache(t, url, l.opts, l.load)
				for name, read := range namedLoadReads {
					err := read(t.Context(), c)
					switch {
					case l.opts.Default != nil && (name == "Refresh" || name == "GetFresh"): // they do not use Default
						if !errors.Is(err, errNamedLoad) {
							t.Errorf("%s: %v", name, err)
						}
					case err == nil || !strings.Contains(err.Error(), l.want):
						t.Errorf("%s: %v, want %q in it", name, err, l.want)
					default:
						checkNamed(t, name, err, err)
					}
				}
			})
		}
	}
}

// An error of a loader is returned unchanged. That of a caller that leaves the load, or of
// a load that is not started, names the cache.
func TestCacheName_noLoad(t *testing.T) {
	server := redistest.Start(t, nil)
	for _, url := range []string{"", server.URL()} {
		begun, end := make(chan struct{}), make(chan struct{})
		c := newLoadingCache(t, url, strata.Options[string, int]{MaxLoads: 1, RetryAfter: time.Hour}, func(_ context.Context, id string) (int, error) {
			if id == "slow" {
				close(begun)
				<-end
			}
			return 0, errNamedLoad
		})
		if _, err := c.Get(t.Context(), "fails"); err != errNamedLoad {
			t.Errorf("%v, want the error of the loader", err)
		}
		done := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- ignoring(c.Get(ctx, "slow")) }()
		<-begun
		checkNamed(t, "a load beyond MaxLoads", ignoring(c.Get(t.Context(), "other")), store.ErrOverload)
		cancel()
		checkNamed(t, "a caller that gives up", <-done, context.Canceled)
		close(end)
	}
}

// A change in the retry queue names its cache in the error of the last try, in that of
// Close, and in Health.
func TestCacheName_retryQueue(t *testing.T) {
	server := redistest.Start(t, nil)
	b, c := newNamedCache(t, server.URL())
	server.Kill()
	checkNamed(t, "Delete", c.Delete(t.Context(), hardID{"a"}), store.ErrUnavailable)
	redistest.WaitFor(t, "the error of a retry", func() bool { return c.Tiers().RetryQueueErr() != nil })
	checkNamed(t, "PendingErr", c.Tiers().RetryQueueErr(), store.ErrUnavailable)
	if h := b.Health(); h.RetryQueues["listing"].Keys != 1 {
		t.Errorf("Health: %+v, want one key of listing", h)
	} else if text := h.Err().Error(); strings.Count(text, `cache "listing": `) != 1 {
		t.Errorf("Health: %s", text)
	}
	var tiers *layered.Store[any] = c.Tiers()
	checkNamed(t, "Close of the tiers", tiers.Close(), store.ErrUnavailable)

	_, c = newNamedCache(t, redistest.Start(t, nil).URL())
	if err := c.Close(); err != nil {
		t.Errorf("Close with nothing to send: %v", err)
	}
}
