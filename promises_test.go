package strata_test

// The statements of README.md and docs/failures.md, tested through the API and with a real
// Redis. layered and redisstore test the mechanisms.

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A counter is a source with values that count their changes.
type counter struct {
	version, loads atomic.Int64
	slow           chan struct{} // a load waits for it, if it is set
}

func (s *counter) Load(ctx context.Context, _ int) (int64, error) {
	s.loads.Add(1)
	v := s.version.Load()
	if s.slow != nil {
		<-s.slow
	}
	return v, ctx.Err()
}

// node opens the objects of a process: a backend on the server, and a cache.
func node(t *testing.T, server *redistest.Server, s *counter) *strata.Cache[int, int64] {
	t.Helper()
	c, err := strata.New(backend(t, &strata.Config{RedisURL: server.URL()}), "counter", s.Load, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, c *strata.Cache[int, int64], id int) int64 {
	t.Helper()
	v, err := c.Get(t.Context(), id)
	if err != nil {
		t.Errorf("Get: %v", err)
	}
	return v
}

// from fails unless id is answered by tier, with a total number of loads.
func from(t *testing.T, c *strata.Cache[int, int64], s *counter, id int, tier layered.Tier, loads int64) {
	t.Helper()
	e, err := c.GetEntry(t.Context(), id)
	if err != nil || e.Tier != tier || s.loads.Load() != loads {
		t.Errorf("answered from %v after %d loads, error %v; want %v after %d", e.Tier, s.loads.Load(), err, tier, loads)
	}
}

func TestPromise_changeReachesOtherProcesses(t *testing.T) {
	server := redistest.Start(t, nil)
	var s counter
	here, there := node(t, server, &s), node(t, server, &s)
	read(t, here, 1)
	from(t, there, &s, 1, layered.L2, 1) // loaded by the other
	from(t, there, &s, 1, layered.L1, 1)
	for range 20 {
		v := s.version.Add(1)
		if err := here.Delete(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if got := read(t, here, 1); got != v {
			t.Fatalf("the process that deleted read %d, want %d", got, v)
		}
		redistest.WaitFor(t, "the other process to read the change", func() bool { return read(t, there, 1) == v })
	}
	// A value that is set is visible to all, too.
	if err := there.Set(t.Context(), 1, 1000); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the other process to read what was set", func() bool { return read(t, here, 1) == 1000 })
}

// A load that a Delete overtakes is not kept, neither here nor in Redis.
func TestPromise_overtakenLoadIsNotKept(t *testing.T) {
	server := redistest.Start(t, nil)
	s := &counter{slow: make(chan struct{})}
	c := node(t, server, s)
	var wg sync.WaitGroup
	wg.Go(func() { read(t, c, 1) })
	redistest.WaitFor(t, "the load to begin", func() bool { return s.loads.Load() == 1 })
	s.version.Add(1)
	if err := c.Delete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	close(s.slow)
	wg.Wait()
	if got := read(t, c, 1); got != 1 {
		t.Errorf("read version %d after the Delete, want 1", got)
	}
}

func TestPromise_oneLoadPerKey(t *testing.T) {
	const callers = 500
	server := redistest.Start(t, nil)
	s := &counter{slow: make(chan struct{})}
	c := node(t, server, s)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() { read(t, c, 1) })
	}
	redistest.WaitFor(t, "the load to begin", func() bool { return s.loads.Load() > 0 })
	close(s.slow)
	wg.Wait()
	if n := s.loads.Load(); n != 1 {
		t.Errorf("%d loads for %d callers", n, callers)
	}
}

func TestPromise_redisDown(t *testing.T) {
	server := redistest.Start(t, nil)
	var s counter
	c := node(t, server, &s)
	read(t, c, 1)
	from(t, c, &s, 1, layered.L1, 1)

	server.Kill()
	redistest.WaitFor(t, "L1 to be emptied, which may miss changes now", func() bool {
		read(t, c, 1)
		return s.loads.Load() == 2
	})
	if c.Stats().Lost == 0 {
		t.Error("the loss was not counted")
	}
	read(t, c, 2)
	for name, err := range map[string]error{
		"Delete": c.Delete(t.Context(), 1), "Set": c.Set(t.Context(), 1, 7), "Clear": c.Clear(t.Context()),
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s while Redis is down: %v, want ErrUnavailable", name, err)
		}
	}
	s.version.Add(1)
	if err := c.Delete(t.Context(), 2); err == nil || read(t, c, 2) != 1 {
		t.Errorf("a failed Delete (%v) left the old value in this process", err)
	}

	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "Redis to be used again", func() bool {
		return c.Set(t.Context(), 3, 30) == nil && read(t, c, 3) == 30
	})
}

// A Redis that does not answer costs each load about a second at most.
func TestPromise_redisHangs(t *testing.T) {
	server := redistest.Start(t, nil)
	var s counter
	c := node(t, server, &s)
	read(t, c, 1)
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	read(t, c, 2)
	if c.Stats().L2Errors == 0 {
		t.Error("the read of Redis did not fail")
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "Redis to be used again", func() bool { return c.Set(t.Context(), 3, 30) == nil })
}

func TestPromise_redisFull(t *testing.T) {
	server := redistest.Start(t, nil)
	var s counter
	c := node(t, server, &s)
	read(t, c, 1)
	if _, err := server.Do("CONFIG", "SET", "maxmemory", "1"); err != nil {
		t.Fatal(err)
	}
	from(t, c, &s, 1, layered.L1, 1)
	from(t, c, &s, 2, layered.Origin, 2)
	if c.Stats().L2Errors == 0 {
		t.Error("the fill of Redis did not fail")
	}
	if err := c.Set(t.Context(), 3, 30); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("Set in a full Redis: %v, want ErrTooLarge", err)
	}
	if err := c.Delete(t.Context(), 1); err != nil {
		t.Errorf("Delete in a full Redis: %v", err)
	}
}

func TestPromise_corruptValueIsAMiss(t *testing.T) {
	server := redistest.Start(t, nil)
	var s counter
	c := node(t, server, &s)
	key := "strata:counter:v0-" + strata.SchemaOf[int64](nil) + ":7"
	for i, damage := range [][]any{
		{"SET", key, "garbage"},
		{"SETRANGE", key, 90, "\xff\xff"}, // in a stored value
		{"SET", key, ""},
		{"LPUSH", key, "a list"},
	} {
		if damage[0] == "LPUSH" {
			if _, err := server.Do("DEL", key); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := server.Do(damage...); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "the value to be loaded anew", func() bool { return read(t, c, 7) == 0 && s.loads.Load() > int64(i) })
	}
	st, err := c.Tiers().Stats(t.Context())
	if err != nil || st.Corrupt < 3 {
		t.Errorf("%d values were counted as corrupt, error %v; want 3", st.Corrupt, err)
	}
	from(t, node(t, server, &s), &s, 7, layered.L2, s.loads.Load()) // the damage was repaired
}

func TestPromise_flushIsNoticed(t *testing.T) {
	server := redistest.Start(t, nil)
	var s counter
	c := node(t, server, &s)
	read(t, c, 1)
	s.version.Add(1)
	if _, err := server.Do("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "L1 to be emptied", func() bool { return read(t, c, 1) == 1 })
}

// RedisOptional lets a process start without Redis, and use it when it is reachable. It
// does not apply to a rejected password.
func TestPromise_redisOptional(t *testing.T) {
	server := redistest.Start(t, &redistest.Options{Password: "right"})
	for _, optional := range []bool{false, true} {
		_, err := strata.Open(t.Context(), &strata.Config{RedisURL: "redis://" + server.Addr(), RedisPassword: "wrong", RedisOptional: optional})
		if !errors.Is(err, store.ErrAuth) {
			t.Errorf("Open with a wrong password, RedisOptional %v: %v, want ErrAuth", optional, err)
		}
	}
	server.Kill()
	var s counter
	c, err := strata.New(backend(t, &strata.Config{RedisURL: server.URL(), RedisOptional: true}), "counter", s.Load, nil)
	if err != nil {
		t.Fatal(err)
	}
	read(t, c, 1)
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "Redis to be used", func() bool { return c.Set(t.Context(), 2, 20) == nil })
	from(t, node(t, server, &s), &s, 2, layered.L2, s.loads.Load())
}

// A value loaded while Redis was unreachable stays in L1 for MaxDisconnected only.
func TestPromise_maxDisconnected(t *testing.T) {
	for _, keep := range []time.Duration{time.Hour, -1} {
		b := backend(t, &strata.Config{RedisURL: "redis://127.0.0.1:1", RedisOptional: true, MaxDisconnected: keep})
		var s counter
		c, err := strata.New(b, "counter", s.Load, nil)
		if err != nil {
			t.Fatal(err)
		}
		read(t, c, 1)
		e, err := c.GetEntry(t.Context(), 1)
		if (e.Tier == layered.L1) != (keep > 0) || err != nil {
			t.Errorf("MaxDisconnected %v: the second read came from %v, error %v", keep, e.Tier, err)
		}
	}
}

func TestPromise_tooLarge(t *testing.T) {
	server := redistest.Start(t, nil)
	b := backend(t, &strata.Config{RedisURL: server.URL(), MaxDisconnected: time.Hour})
	large := strings.Repeat("x", 5<<20)
	pages, err := strata.New(b, "page", func(context.Context, string) (string, error) { return large, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"large value", strings.Repeat("long key", 4<<10)} {
		for _, want := range []layered.Tier{layered.Origin, layered.L1} {
			if e, err := pages.GetEntry(t.Context(), id); e.Tier != want || len(e.Value) != len(large) || err != nil {
				t.Errorf("%.10s: %d bytes from %v, error %v; want all from %v", id, len(e.Value), e.Tier, err, want)
			}
		}
		if err := pages.Set(t.Context(), id, large); !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("%.10s: Set: %v, want ErrTooLarge", id, err)
		}
	}
	keys, err := server.Do("KEYS", "strata:page*")
	if err != nil || len(keys.([]any)) != 1 {
		t.Fatalf("Redis has %v, error %v; want a note of the large value, and nothing of the long key", keys, err)
	}
	if n, err := server.Do("STRLEN", keys.([]any)[0].(string)); err != nil || n.(int64) > 100 {
		t.Errorf("the note of a value that is not stored has %v bytes, error %v", n, err)
	}
}

// A change that too few replicas have confirmed returns an error, but was made: it is not
// in the retry queue.
func TestPromise_waitReplicas(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	var s counter
	b := backend(t, &strata.Config{RedisURL: primary.URL(), WaitReplicas: 1})
	c, err := strata.New(b, "counter", s.Load, nil)
	if err != nil {
		t.Fatal(err)
	}
	there := node(t, primary, &s)
	read(t, there, 1)
	if err := c.Delete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := replica.Pause(); err != nil {
		t.Fatal(err)
	}
	defer replica.Resume()
	v := s.version.Add(1)
	if err := c.Delete(t.Context(), 1); !errors.Is(err, store.ErrReplicas) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Delete without a replica: %v", err)
	}
	redistest.WaitFor(t, "the other process to read the change", func() bool { return read(t, there, 1) == v })
	if n := c.Stats().RetryQueue; n != 0 {
		t.Errorf("%d pending", n)
	}
}
