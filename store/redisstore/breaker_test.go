package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// state waits until the breaker of c is in one of states.
func state(t *testing.T, c *redisstore.Client, states ...string) {
	t.Helper()
	redistest.WaitFor(t, fmt.Sprintf("the breaker to be one of %v", states), func() bool {
		for _, s := range states {
			if c.Health().Breaker == s {
				return true
			}
		}
		return false
	})
}

// running makes the client send heartbeats until the test ends.
func running(t *testing.T, s *redisstore.Store[string]) {
	t.Helper()
	var hears atomic.Bool
	t.Cleanup(watching(t, s, store.Watching{Connected: hears.Store}))
	redistest.WaitFor(t, "the first heartbeat", hears.Load)
}

// A Redis that cannot be connected to is not dialled by every operation, and is used
// again when it is back. Without a heartbeat it is some of the operations that see that.
func TestBreaker_refused(t *testing.T) {
	srv := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, srv.Addr())
	var log bytes.Buffer
	c := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))}, rueidis.ClientOption{InitAddress: []string{proxy.Addr()}})
	s := strings(c, prefix())
	set(t, s, "k", "v")
	proxy.Refuse(true)
	proxy.Cut()
	for range redisstore.DefaultBreakAfter {
		if _, err := s.Get(ctx, "k"); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("Get: %v", err)
		}
	}
	if h := c.Health(); h.Breaker != "open" || h.Opened != 1 || h.Since.IsZero() {
		t.Fatalf("%+v", h)
	}
	_, _, before := proxy.Traffic()
	end := c.Health().Since.Add(40 * time.Millisecond) // it is open for 50 ms at least
	for time.Now().Before(end) {
		for name, op := range operations(s) {
			if name == "Ping" { // asks whatever the breaker says
				continue
			}
			if err := op(ctx); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if _, _, after := proxy.Traffic(); after != before && time.Now().Before(end.Add(10*time.Millisecond)) {
		t.Errorf("it was dialled %d times", after-before)
	}
	proxy.Refuse(false)
	redistest.WaitFor(t, "Redis to be used again", func() bool {
		v, err := s.Get(ctx, "k")
		return err == nil && v.Value == "v"
	})
	redistest.WaitFor(t, "the breaker to close", func() bool {
		_, err := s.Get(ctx, "k")
		return err == nil && c.Health().Breaker == "closed"
	})
	if !bytes.Contains(log.Bytes(), []byte("does not answer")) || !bytes.Contains(log.Bytes(), []byte("answers again")) || bytes.Count(log.Bytes(), []byte("\n")) != 2 {
		t.Errorf("the log says %q", log.String())
	}
}

// A Redis that hangs: each operation that is under way takes its timeout; those that come
// later do not wait, nor reach Redis. What finds out that it answers again is a heartbeat.
func TestBreaker_hangs(t *testing.T) {
	srv := redistest.Start(t, nil)
	const timeout = 300 * time.Millisecond
	c := dialWith(t, &redisstore.Dialer{Timeout: timeout, MaxDisconnected: 2 * timeout}, to(srv))
	s := strings(c, prefix())
	running(t, s)
	set(t, s, "k", "v")
	srv.Pause()
	resume := sync.OnceFunc(func() { srv.Resume() })
	defer resume()

	const readers = 8
	var slow, failed atomic.Int64
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for c.Health().Breaker != "open" {
				begin := time.Now()
				if _, err := s.Get(ctx, "k"); err != nil {
					failed.Add(1)
				}
				if time.Since(begin) >= timeout {
					slow.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := slow.Load(); n < 1 || n > 3*readers {
		t.Errorf("%d reads took the timeout, want those of %d readers, a few times", n, readers)
	}
	t.Logf("%d of %d reads took the timeout of %v before the breaker opened", slow.Load(), failed.Load(), timeout)
	for range 1000 {
		if _, err := s.Get(ctx, "k"); !errors.Is(err, store.ErrUnavailable) || !bytes.Contains([]byte(err.Error()), []byte("breaker is open")) {
			t.Fatalf("Get: %v", err)
		}
	}
	resume()
	state(t, c, "half-open", "closed") // nobody reads
	redistest.WaitFor(t, "the breaker to close", func() bool {
		_, err := s.Get(ctx, "k")
		return err == nil && c.Health().Breaker == "closed"
	})
	if h := c.Health(); !h.Connected || time.Since(h.LastContact) > time.Minute {
		t.Errorf("%+v", h)
	}
}

// The breaker opens, though nobody's operation fails, when nothing is heard of Redis; and
// closes, though nobody asks for anything, when it is heard again.
func TestBreaker_idle(t *testing.T) {
	srv := redistest.Start(t, nil)
	c := dialWith(t, &redisstore.Dialer{Timeout: 100 * time.Millisecond, MaxDisconnected: 200 * time.Millisecond}, to(srv))
	running(t, strings(c, prefix()))
	srv.Pause()
	defer srv.Resume()
	state(t, c, "open")
	srv.Resume()
	state(t, c, "closed")
}

// What ends with the context of its caller, or is answered by an error, says nothing
// against Redis; nor does a store that is less patient than the client.
func TestBreaker_noFailures(t *testing.T) {
	srv := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, srv.Addr())
	c := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: -1}, rueidis.ClientOption{InitAddress: []string{proxy.Addr()}})
	s := strings(c, prefix())
	hasty := redisstore.New(c, &redisstore.Options[string]{Prefix: prefix(), ReadTimeout: 5 * time.Millisecond})
	set(t, s, "k", "v")
	if _, err := srv.Do("CONFIG", "SET", "maxmemory", "1"); err != nil {
		t.Fatal(err)
	}
	for range 3 * redisstore.DefaultBreakAfter {
		if err := s.Set(ctx, "k", store.Entry[string]{Value: "v"}); !errors.Is(err, store.ErrTooLarge) {
			t.Fatalf("Set into a full Redis: %v", err)
		}
	}
	proxy.Hole(true)
	for range 3 * redisstore.DefaultBreakAfter {
		short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
		if _, err := s.Get(short, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Get: %v", err)
		}
		cancel()
		begin := time.Now()
		if _, err := hasty.Get(ctx, "k"); !errors.Is(err, store.ErrUnavailable) || time.Since(begin) > patience/2 {
			t.Fatalf("Get: %v after %v", err, time.Since(begin))
		}
	}
	proxy.Hole(false)
	if h := c.Health(); h.Breaker != "closed" || h.Opened != 0 {
		t.Errorf("%+v", h)
	}
}

// A node of a cluster that hangs does not keep this process from writing to the others,
// and writes to it do not wait.
func TestBreaker_cluster(t *testing.T) {
	cl := redistest.StartCluster(t, 3)
	const timeout = 300 * time.Millisecond
	c := dialWith(t, &redisstore.Dialer{Timeout: timeout, MaxDisconnected: 2 * timeout}, to(cl.Nodes[0]))
	hangs := func(key string) bool { // its node will
		_, err := cl.Nodes[2].Do("EXISTS", key)
		return err == nil // else it names another
	}
	p := prefix()
	for hangs("!"+p+"clock") || hangs("!"+p+"every") || hangs("!"+p+"c:"+p) { // which all that is written depends on
		p = prefix()
	}
	s := strings(c, p)
	running(t, s)
	keys := map[bool]string{} // by whether they will hang
	for i := 0; len(keys) < 2; i++ {
		keys[hangs(fmt.Sprint(p, i))] = fmt.Sprint(i)
	}
	cl.Nodes[2].Pause()
	defer cl.Nodes[2].Resume()
	redistest.WaitFor(t, "the node to be given up", func() bool {
		if err := s.Set(ctx, keys[false], store.Entry[string]{Value: "v"}); err != nil {
			t.Fatalf("a write to another node: %v", err)
		}
		s.Set(ctx, keys[true], store.Entry[string]{Value: "v"})
		n := c.Health().Nodes
		return len(n) == 1 && n[0].Addr == cl.Nodes[2].Addr() && n[0].Breaker == "open"
	})
	for range 100 {
		if err := s.Set(ctx, keys[false], store.Entry[string]{Value: "v"}); err != nil {
			t.Fatalf("a write to another node: %v", err)
		}
		if err := s.Set(ctx, keys[true], store.Entry[string]{Value: "v"}); err == nil || !bytes.Contains([]byte(err.Error()), []byte("breaker is open")) {
			t.Fatalf("a write to the node that hangs: %v", err)
		}
		if err := s.Delete(ctx, keys[true], keys[true]); err == nil || !bytes.Contains([]byte(err.Error()), []byte("breaker is open")) {
			t.Fatalf("a deletion on the node that hangs: %v", err)
		}
	}
	cl.Nodes[2].Resume()
	redistest.WaitFor(t, "the node to be used again", func() bool {
		return s.Set(ctx, keys[true], store.Entry[string]{Value: "v"}) == nil && len(c.Health().Nodes) == 0
	})
}

// Tags that could not be invalidated are invalidated as soon as it answers, and counted until
// then. Flush says what would be lost.
func TestTags_retryQueueIsCounted(t *testing.T) {
	srv := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, srv.Addr())
	c := dialWith(t, &redisstore.Dialer{Timeout: patience}, rueidis.ClientOption{InitAddress: []string{proxy.Addr()}})
	tags := redisstore.NewTags(c, "!"+prefix())
	if err := tags.Flush(ctx); err != nil {
		t.Errorf("with nothing to flush: %v", err)
	}
	proxy.Refuse(true)
	proxy.Cut()
	if err := tags.Invalidate(ctx, "a", "b"); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("Invalidate: %v", err)
	}
	if h := c.Health(); h.QueuedTags != 2 || h.QueuedTagsFor <= 0 {
		t.Errorf("%+v", h)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := tags.Flush(short); !errors.Is(err, store.ErrUnavailable) || !bytes.Contains([]byte(err.Error()), []byte("2 invalidated tags")) {
		t.Errorf("Flush: %v", err)
	}
	proxy.Refuse(false)
	if err := tags.Flush(ctx); err != nil || c.Health().QueuedTags != 0 {
		t.Errorf("Flush: %v, and %d pending", err, c.Health().QueuedTags)
	}
}

// More tags than are remembered count as every tag: entries with any are not found
// here meanwhile, nor by others once Redis has heard of it; entries with none are.
func TestTags_retryQueueOverflow(t *testing.T) {
	srv := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, srv.Addr())
	p := prefix()
	c := dialWith(t, &redisstore.Dialer{Timeout: patience}, rueidis.ClientOption{InitAddress: []string{proxy.Addr()}})
	here, there := strings(c, p), strings(dial(t, to(srv)), p)
	for key, tags := range map[string][]string{"tagged": {"a"}, "bare": nil} {
		if err := here.Set(ctx, key, store.Entry[string]{Value: "v", Tags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*redisstore.Store[string]{here, there} {
		get(t, s, "tagged", "v")
	}
	e, err := there.Get(ctx, "tagged")
	if err != nil || !there.Recall(e.Tags, e.Stamp) {
		t.Fatalf("it does not recall %v, %v", e, err)
	}
	proxy.Refuse(true)
	proxy.Cut()
	for i := range 101 {
		tags := make([]string, 1000)
		for j := range tags {
			tags[j] = fmt.Sprint(1000*i + j)
		}
		if i == 100 {
			tags = tags[:1]
		}
		if err := here.InvalidateTags(ctx, tags...); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("InvalidateTags: %v", err)
		}
		if h := c.Health(); i < 100 && h.QueuedTags != 1000*(i+1) {
			t.Fatalf("%d pending", h.QueuedTags)
		}
	}
	if h := c.Health(); h.QueuedTags != -1 || h.QueuedTagsFor <= 0 {
		t.Errorf("%+v", h)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := redisstore.NewTags(c, "!"+p).Flush(short); err == nil || !bytes.Contains([]byte(err.Error()), []byte("every tag")) {
		t.Errorf("Flush: %v", err)
	}
	if ok, known := here.Current([]string{"a"}, math.MaxUint64); ok || !known {
		t.Errorf("meanwhile it says %v, %v", ok, known)
	}
	if here.Recall([]string{"a"}, math.MaxUint64) || !here.Recall(nil, math.MaxUint64) {
		t.Error("meanwhile it recalls what is tagged, or not what is not")
	}
	proxy.Refuse(false)
	redistest.WaitFor(t, "Redis to be told", func() bool { return c.Health().QueuedTags == 0 })
	for name, s := range map[string]*redisstore.Store[string]{"here": here, "there": there} {
		redistest.WaitFor(t, "it to be heard of "+name, func() bool { _, err := s.Get(ctx, "tagged"); return errors.Is(err, store.ErrNotFound) })
		redistest.WaitFor(t, "the other to be found "+name, func() bool { e, err := s.Get(ctx, "bare"); return err == nil && e.Value == "v" })
	}
	if there.Recall(e.Tags, e.Stamp) {
		t.Error("it recalls what was invalidated")
	}
	if err := there.Set(ctx, "tagged", store.Entry[string]{Value: "new", Tags: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "what is set then to be found", func() bool { e, err := here.Get(ctx, "tagged"); return err == nil && e.Value == "new" })
}
