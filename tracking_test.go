package strata_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// Behind a proxy that rejects commands of tracking, Open returns an error that names the
// setting. With the setting, everything works except what needs SCAN, and Health reports
// which failures go unnoticed.
func TestOpen_noTracking(t *testing.T) {
	proxy := "redis://" + redistest.StartUntracked(t, redistest.Start(t, nil).Addr(), "SCAN").Addr()
	_, err := strata.Open(t.Context(), &strata.Config{RedisURL: proxy})
	if err == nil || !strings.Contains(err.Error(), "set Config.Tracking to strata.NoTracking (STRATA_TRACKING=off)") {
		t.Fatalf("with tracking: %v", err)
	}
	t.Setenv("REDIS_URL", proxy)
	t.Setenv("STRATA_TRACKING", "off")
	t.Setenv("STRATA_MAX_STALE", "1500ms")
	config, err := strata.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	b, err := strata.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := exercise(t.Context(), b); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	c, err := strata.New(b, "numbers", func(context.Context, int) (int, error) { return 1, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Tiers().DeletePattern(t.Context(), "*"); !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("DeletePattern without SCAN: %v", err)
	}
	redistest.WaitFor(t, "Health to say that failovers are not noticed", func() bool {
		h := b.Health()
		return h.Err() == nil && h.Redis.MaxStale == 1500*time.Millisecond && strings.Contains(h.Redis.NoFailovers, "unknown command 'INFO'")
	})
}

// maxStale is long enough for an exchange on a busy machine.
const maxStale = 500 * time.Millisecond

// untracked opens a backend like a separate process.
func untracked(t *testing.T, url string) *strata.Backend {
	t.Helper()
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: url, Tracking: strata.NoTracking, MaxStale: maxStale})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// behindProxy starts a Redis behind a proxy without tracking, and returns its URL.
func behindProxy(t *testing.T) string {
	return "redis://" + redistest.StartUntracked(t, redistest.Start(t, nil).Addr()).Addr()
}

// With PubSub a change by another process reaches copies long before MaxStale has passed:
// of the id, of a tag and of a cleared cache.
func TestOpen_pubSub(t *testing.T) {
	t.Setenv("REDIS_URL", behindProxy(t))
	t.Setenv("STRATA_TRACKING", "pubsub")
	t.Setenv("STRATA_MAX_STALE", "1h")
	var value atomic.Int64
	load := func(context.Context, int) (int64, error) { return value.Load(), nil }
	opts := &strata.Options[int, int64]{TTL: time.Hour, Tags: func(int, int64) []string { return []string{"t"} }}
	open := func() (*strata.Backend, *strata.Cache[int, int64]) {
		config, err := strata.FromEnv()
		if err != nil {
			t.Fatal(err)
		}
		b, err := strata.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		c, err := strata.New(b, "numbers", load, opts)
		if err != nil {
			t.Fatal(err)
		}
		return b, c
	}
	_, here := open()
	b, there := open()
	change := map[string]func() error{
		"Delete":         func() error { return there.Delete(t.Context(), 1) },
		"InvalidateTags": func() error { return b.InvalidateTags(t.Context(), "t") },
		"Clear":          func() error { return there.Clear(t.Context()) },
	}
	for name, change := range change {
		get := func() int64 {
			v, err := here.Get(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		redistest.WaitFor(t, "a change to be heard: "+name, func() bool {
			get()
			value.Add(1) // repeatedly: the process may not have subscribed yet
			if err := change(); err != nil {
				t.Fatal(err)
			}
			for range 100 {
				if get() == value.Load() {
					return true
				}
				time.Sleep(5 * time.Millisecond)
			}
			return false
		})
	}
}

// source is the source of the caches of a test.
type source struct{ value, loads atomic.Int64 }

func (s *source) cache(t *testing.T, b *strata.Backend) *strata.Cache[string, int64] {
	t.Helper()
	c, err := strata.New(b, "numbers", func(context.Context, string) (int64, error) {
		s.loads.Add(1)
		return s.value.Load(), nil
	}, &strata.Options[string, int64]{Tags: func(string, int64) []string { return []string{"tag"} }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// L1 serves a value that another process changed for MaxStale at most, for every kind of
// change. Strict reads, and reads with a token, see the change at once, and so does the
// process that made it.
func TestNoTracking_changes(t *testing.T) {
	for name, change := range map[string]func(context.Context, *strata.Backend, *strata.Cache[string, int64]) error{
		"Delete": func(ctx context.Context, _ *strata.Backend, c *strata.Cache[string, int64]) error {
			return c.Delete(ctx, "k")
		},
		"InvalidateTags": func(ctx context.Context, b *strata.Backend, _ *strata.Cache[string, int64]) error {
			return b.InvalidateTags(ctx, "tag")
		},
		"Clear": func(ctx context.Context, _ *strata.Backend, c *strata.Cache[string, int64]) error {
			return c.Clear(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s source
			url := behindProxy(t)
			writer, others := untracked(t, url), [3]*strata.Backend{untracked(t, url), untracked(t, url), untracked(t, url)}
			own := s.cache(t, writer)
			var caches [3]*strata.Cache[string, int64]
			for i, b := range others {
				caches[i] = s.cache(t, b)
			}
			for want := int64(1); want <= 3; want++ {
				for _, c := range append(caches[:], own) { // all have the old value, and L1 keeps it
					if v, err := c.Get(t.Context(), "k"); err != nil || v != want-1 {
						t.Fatalf("before the change: %d, %v, want %d", v, err, want-1)
					}
				}
				s.value.Store(want)
				if err := change(t.Context(), writer, own); err != nil {
					t.Fatal(err)
				}
				changed := time.Now()
				if v, err := own.Get(t.Context(), "k"); err != nil || v != want {
					t.Errorf("the process that made the change reads %d, %v, want %d", v, err, want)
				}
				if v, err := caches[0].GetFresh(t.Context(), "k"); err != nil || v != want {
					t.Errorf("a strict read is %d, %v, want %d", v, err, want)
				}
				if v, err := caches[1].Get(strata.WithToken(t.Context(), writer.Token()), "k"); err != nil || v != want {
					t.Errorf("a read with a token is %d, %v, want %d", v, err, want)
				}
				for served := int64(-1); served != want; { // by L1 until MaxStale has passed
					late := time.Since(changed) > maxStale
					v, err := caches[2].Get(t.Context(), "k")
					if err != nil || v < want-1 || late && v != want {
						t.Fatalf("%v after the change: %d, %v, want %d", time.Since(changed), v, err, want)
					}
					served = v
				}
			}
		})
	}
}

// A copy older than MaxStale is revalidated by its version: the value is neither loaded nor
// transferred.
func TestNoTracking_revalidates(t *testing.T) {
	server := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, redistest.StartUntracked(t, server.Addr()).Addr())
	b := untracked(t, "redis://"+proxy.Addr())
	loads := 0
	const size = 100_000
	c, err := strata.New(b, "texts", func(context.Context, int) (string, error) {
		loads++
		return strings.Repeat("x", size), nil
	}, &strata.Options[int, string]{Tags: func(int, string) []string { return []string{"tag"} }})
	if err != nil {
		t.Fatal(err)
	}
	get := func() {
		t.Helper()
		if v, err := c.Get(t.Context(), 1); err != nil || len(v) != size {
			t.Fatalf("%d bytes, %v", len(v), err)
		}
	}
	get()
	get()
	_, before, _ := proxy.Traffic()
	for n := uint64(1); n <= 3; n++ {
		redistest.WaitFor(t, "the copy to be confirmed", func() bool {
			get()
			return c.Stats().Revalidated >= n
		})
	}
	_, after, _ := proxy.Traffic()
	if n := c.Stats(); loads != 1 || n.L2Hits < 3 || after-before > size/2 {
		t.Errorf("%d loads, %d hits of L2, %d bytes for three confirmations of a value of %d", loads, n.L2Hits, after-before, size)
	}
}

// Processes that want the same value load it once: the others poll, since they are not
// notified, and do not wait for the end of the lease.
func TestNoTracking_oneLoad(t *testing.T) {
	server := redistest.Start(t, nil)
	url := "redis://" + redistest.StartUntracked(t, server.Addr()).Addr()
	var loads atomic.Int64
	begun, release := make(chan struct{}), make(chan struct{})
	load := func(context.Context, string) (int, error) {
		if loads.Add(1) == 1 {
			close(begun)
		}
		<-release
		return 7, nil
	}
	var caches []*strata.Cache[string, int]
	for range 3 {
		c, err := strata.New(untracked(t, url), "slow", load, nil)
		if err != nil {
			t.Fatal(err)
		}
		caches = append(caches, c)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(caches))
	get := func(i int) {
		wg.Go(func() {
			if v, err := caches[i].Get(t.Context(), "k"); err != nil || v != 7 {
				errs[i] = fmt.Errorf("%d, %w", v, err)
			}
		})
	}
	get(0)
	<-begun
	get(1)
	wg.Go(func() {
		if m, err := caches[2].GetMany(t.Context(), []string{"k"}); err != nil || m["k"] != 7 {
			errs[2] = fmt.Errorf("%v, %w", m, err)
		}
	})
	redistest.WaitFor(t, "the others to wait", func() bool { return caches[1].Stats().Waits > 0 && caches[2].Stats().Waits > 0 })
	scripts := func() int { return commandCalls(t, server, "evalsha") }
	asked := scripts() + 20
	redistest.WaitFor(t, "the others to look again", func() bool { return scripts() > asked })
	close(release)
	wg.Wait()
	if err := errors.Join(errs...); err != nil || loads.Load() != 1 {
		t.Errorf("%d loads, %v", loads.Load(), err)
	}
	for i, c := range caches[1:] {
		if n := c.Stats(); n.Waits != 1 || n.Loads != 0 {
			t.Errorf("process %d: %d waits, %d loads", i+1, n.Waits, n.Loads)
		}
	}
}

// commandCalls returns how often a command was sent to server.
func commandCalls(t *testing.T, server *redistest.Server, command string) (n int) {
	t.Helper()
	stats, err := server.Do("INFO", "commandstats")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(fmt.Sprint(stats)) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			digits, _, _ := strings.Cut(rest, ",")
			if n, err = strconv.Atoi(digits); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

// DeleteAndWait returns when MaxStale has passed, after which no process serves the deleted
// value.
func TestNoTracking_DeleteAndWait(t *testing.T) {
	var s source
	url := behindProxy(t)
	writer, reader := untracked(t, url), untracked(t, url)
	own, other := s.cache(t, writer), s.cache(t, reader)
	for want := int64(1); want <= 2; want++ {
		if v, err := other.Get(t.Context(), "k"); err != nil || v != want-1 {
			t.Fatalf("%d, %v", v, err)
		}
		s.value.Store(want)
		began := time.Now()
		if err := own.DeleteAndWait(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < maxStale {
			t.Errorf("it returned after %v, MaxStale is %v", took, maxStale)
		}
		if v, err := other.Get(t.Context(), "k"); err != nil || v != want {
			t.Errorf("then another process reads %d, %v, want %d", v, err, want)
		}
	}
}

// A value loaded while Redis is unreachable is kept for MaxStale at most.
func TestNoTracking_redisAway(t *testing.T) {
	var s source
	proxy := redistest.StartProxy(t, redistest.StartUntracked(t, redistest.Start(t, nil).Addr()).Addr())
	c := s.cache(t, untracked(t, "redis://"+proxy.Addr()))
	proxy.Refuse(true)
	proxy.Cut()
	for want := int64(1); want <= 2; want++ {
		s.value.Store(want)
		changed := time.Now()
		for served := int64(-1); served != want; {
			late := time.Since(changed) > maxStale
			v, err := c.Get(t.Context(), "k")
			if err != nil || late && v != want {
				t.Fatalf("%v after the change: %d, %v, want %d", time.Since(changed), v, err, want)
			}
			served = v
		}
	}
}

func TestTracking_String(t *testing.T) {
	for mode, want := range map[strata.Tracking]string{
		strata.PerKey: "per-key", strata.Broadcast: "broadcast", strata.NoTracking: "off", 200: "Tracking(200)",
	} {
		if mode.String() != want {
			t.Errorf("%d is %q, want %q", mode, mode, want)
		}
	}
}
