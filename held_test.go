package strata_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/memfleet"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// heldBy names, for each field of Options and Config, a test that fails if the field is not
// passed on. "make options" removes the lines that pass one on, and runs these.
var heldBy = map[string]string{
	"Options.TTL": "TestOptions_ttls", "Options.TTLOf": "TestOptions_ttls", "Options.AbsentFor": "TestHeld_AbsentFor", "Options.StaleFor": "TestOptions_ttls",
	"Options.StaleWhileRevalidate": "TestHeld_StaleWhileRevalidate", "Options.RefreshAhead": "TestHeld_RefreshAhead", "Options.LoadTimeout": "TestHeld_LoadTimeout",
	"Options.LoadMany": "TestCache_GetMany", "Options.Tags": "TestLoadEntry", "Options.Clone": "TestIsolation_options", "Options.Codec": "TestHeld_Codec",
	"Options.MaxTTL": "TestOptions_precedence", "Options.OverrideOf": "TestOptions_precedence", "Options.KeepInL1": "TestOptions_KeepInL1",
	"Options.IdleTTL": "TestOptions_IdleTTL", "Options.SourceFirst": "TestOptions_SourceFirst", "Options.RefreshEvery": "TestOptions_RefreshEvery", "Options.RefreshFor": "TestOptions_RefreshEvery",
	"Options.SchemaVersion": "TestHeld_SchemaVersion", "Options.L1TTL": "TestHeld_L1TTL", "Options.Jitter": "TestCache_lifetimes", "Options.RevalidateFor": "TestHeld_RevalidateFor",
	"Options.StrictStale": "TestHeld_StrictStale", "Options.SoftTimeout": "TestHeld_SoftTimeout", "Options.Default": "TestDefault", "Options.RetryAfter": "TestHeld_RetryAfter",
	"Options.RedisTimeout": "TestHeld_RedisTimeout", "Options.RefreshBeta": "TestHeld_RefreshBeta", "Options.Reload": "TestOptions_Reload", "Options.RevisionOf": "TestLoadEntry",
	"Options.LoadEntry": "TestLoadEntry", "Options.LoadEntries": "TestLoadEntry", "Options.BatchWindow": "TestBatchWindow", "Options.BatchSize": "TestBatchSize",
	"Options.FinishLoads": "TestHeld_FinishLoads", "Options.MaxLoads": "TestHeld_MaxLoads", "Options.LoadBudget": "TestHeld_LoadBudget", "Options.KeepHot": "TestHeld_KeepHot",
	"Options.AllowLossy": "TestNew_refusesTypesThatTheCodecChanges", "Options.Verify": "TestHeld_Verify", "Options.DecodeEach": "TestIsolation_options", "Options.Schema": "TestHeld_SchemaVersion",

	"Config.RedisURL": "TestOpen_mistakes", "Config.RedisPassword": "TestPromise_redisOptional", "Config.Redis": "TestRedislimit_On", "Config.RedisOptional": "TestOpen_noRedisThere",
	"Config.Prefix": "TestRedislimit_On_keys", "Config.Tracking": "TestRedislimit_On_refused", "Config.MaxStale": "TestOpen_mistakes", "Config.Memory": "TestOpen_smallMistakes",
	"Config.Engine": "TestStats_operations", "Config.MaxDisconnected": "TestPromise_maxDisconnected", "Config.WaitReplicas": "TestPromise_waitReplicas", "Config.ReadReplicas": "TestReadReplicas",
	"Config.BreakAfter": "TestHeld_BreakAfter", "Config.Logger": "TestHeld_Logger", "Config.CaptureDeps": "TestCaptureDeps", "Config.NotFound": "TestConfig_NotFound",
	"Config.IsNotFound": "TestConfig_NotFound", "Config.Observer": "TestHeld_Observer", "Config.Hooks": "TestConfig_Hooks",
}

// TestHeld_table: each field has a test, which exists.
func TestHeld_table(t *testing.T) {
	_, tests := sources(t)
	fields := make(map[string]bool)
	for prefix, typ := range map[string]reflect.Type{"Options.": reflect.TypeFor[strata.Options[int, int]](), "Config.": reflect.TypeFor[strata.Config]()} {
		for i := range typ.NumField() {
			if name := prefix + typ.Field(i).Name; typ.Field(i).IsExported() {
				fields[name] = true
				if heldBy[name] == "" {
					t.Errorf("heldBy has no test for %s", name)
				}
			}
		}
	}
	for name, test := range heldBy {
		if !fields[name] || !tests[test] {
			t.Errorf("heldBy has %s: %s; the field exists: %v, the test exists: %v", name, test, fields[name], tests[test])
		}
	}
}

// A slowSource returns how often it was called, after delay, or err. To change err while loads
// run in the background, call fail.
type slowSource struct {
	calls atomic.Int64
	delay time.Duration
	err   error
	mu    sync.Mutex // for err
}

func (s *slowSource) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *slowSource) load(ctx context.Context, _ string) (int64, error) {
	n := s.calls.Add(1)
	select {
	case <-time.After(s.delay):
		s.mu.Lock()
		defer s.mu.Unlock()
		return n, s.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// inMemory runs f in a bubble with a cache of a source, in memory.
func inMemory(t *testing.T, o strata.Options[string, int64], f func(t *testing.T, c *strata.Cache[string, int64], s *slowSource)) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowSource{}
		o.Jitter = -1
		c, err := strata.New(backend(t, nil), "c", s.load, &o)
		if err != nil {
			t.Fatal(err)
		}
		f(t, c, s)
	})
}

func gets(t *testing.T, c *strata.Cache[string, int64], id string, want int64) {
	t.Helper()
	if v, err := c.Get(t.Context(), id); v != want || err != nil {
		t.Errorf("Get(%q) = %d, %v, want %d", id, v, err, want)
	}
}

func TestHeld_StaleWhileRevalidate(t *testing.T) {
	inMemory(t, strata.Options[string, int64]{TTL: time.Hour, StaleFor: time.Hour, StaleWhileRevalidate: true}, func(t *testing.T, c *strata.Cache[string, int64], _ *slowSource) {
		gets(t, c, "k", 1)
		time.Sleep(61 * time.Minute)
		gets(t, c, "k", 1)
		synctest.Wait()
		gets(t, c, "k", 2)
	})
}

func TestHeld_RevalidateFor(t *testing.T) {
	o := strata.Options[string, int64]{TTL: time.Hour, StaleFor: time.Hour, StaleWhileRevalidate: true, RevalidateFor: time.Minute}
	inMemory(t, o, func(t *testing.T, c *strata.Cache[string, int64], _ *slowSource) {
		gets(t, c, "k", 1)
		time.Sleep(90 * time.Minute)
		gets(t, c, "k", 2)
	})
}

func TestHeld_RefreshAhead(t *testing.T) {
	inMemory(t, strata.Options[string, int64]{TTL: time.Hour, RefreshAhead: 0.5}, func(t *testing.T, c *strata.Cache[string, int64], _ *slowSource) {
		gets(t, c, "k", 1)
		time.Sleep(40 * time.Minute)
		gets(t, c, "k", 1)
		synctest.Wait()
		gets(t, c, "k", 2)
	})
}

// With so large a RefreshBeta, every read is early enough.
func TestHeld_RefreshBeta(t *testing.T) {
	inMemory(t, strata.Options[string, int64]{TTL: time.Hour, RefreshBeta: 1e12}, func(t *testing.T, c *strata.Cache[string, int64], s *slowSource) {
		s.delay = time.Second
		gets(t, c, "k", 1)
		gets(t, c, "k", 1)
		time.Sleep(2 * time.Second)
		if n := s.calls.Load(); n != 2 {
			t.Errorf("%d loads, want a refresh", n)
		}
	})
}

func TestHeld_LoadTimeout(t *testing.T) {
	inMemory(t, strata.Options[string, int64]{LoadTimeout: time.Second}, func(t *testing.T, c *strata.Cache[string, int64], s *slowSource) {
		s.delay = 10 * time.Second
		if v, err := c.Get(t.Context(), "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get = %d, %v", v, err)
		}
	})
}

func TestHeld_SoftTimeout(t *testing.T) {
	inMemory(t, strata.Options[string, int64]{TTL: time.Hour, StaleFor: time.Hour, SoftTimeout: time.Second}, func(t *testing.T, c *strata.Cache[string, int64], s *slowSource) {
		gets(t, c, "k", 1)
		time.Sleep(61 * time.Minute)
		s.delay = 10 * time.Second
		gets(t, c, "k", 1)
		time.Sleep(10 * time.Second)
		gets(t, c, "k", 2)
	})
}

func TestHeld_RetryAfter(t *testing.T) {
	inMemory(t, strata.Options[string, int64]{TTL: time.Hour, StaleFor: time.Hour, RetryAfter: 10 * time.Minute}, func(t *testing.T, c *strata.Cache[string, int64], s *slowSource) {
		gets(t, c, "k", 1)
		time.Sleep(61 * time.Minute)
		s.err = errors.New("down")
		gets(t, c, "k", 1)
		time.Sleep(5 * time.Minute)
		gets(t, c, "k", 1)
		if n := s.calls.Load(); n != 2 {
			t.Errorf("%d loads, want no second one within RetryAfter", n)
		}
	})
}

func TestHeld_L1TTL(t *testing.T) {
	inMemory(t, strata.Options[string, int64]{TTL: time.Hour, L1TTL: time.Minute}, func(t *testing.T, c *strata.Cache[string, int64], _ *slowSource) {
		gets(t, c, "k", 1)
		time.Sleep(2 * time.Minute)
		gets(t, c, "k", 2)
	})
}

func TestHeld_AbsentFor(t *testing.T) {
	inMemory(t, strata.Options[string, int64]{AbsentFor: time.Minute}, func(t *testing.T, c *strata.Cache[string, int64], s *slowSource) {
		s.err = store.ErrNotFound
		for loads, wait := range []time.Duration{0, 59 * time.Second, 2 * time.Second} {
			time.Sleep(wait)
			if _, err := c.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) || s.calls.Load() != max(1, int64(loads)) {
				t.Errorf("%v later: %v, after %d loads", wait, err, s.calls.Load())
			}
		}
	})
}

func TestHeld_Codec(t *testing.T) {
	s := redistest.Start(t, nil)
	c, err := strata.New(backend(t, &strata.Config{RedisURL: s.URL()}), "c", (&slowSource{}).load, &strata.Options[string, int64]{Codec: codec.JSON[int64]()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "k", 1234567890); err != nil {
		t.Fatal(err)
	}
	keys, err := s.Do("KEYS", "*:k")
	if err != nil || len(keys.([]any)) != 1 {
		t.Fatal(keys, err)
	}
	if record, err := s.Do("GET", keys.([]any)[0]); err != nil || !strings.Contains(fmt.Sprint(record), "1234567890") {
		t.Errorf("Redis has %q, %v", record, err)
	}
}

func TestHeld_FinishLoads(t *testing.T) {
	inMemory(t, strata.Options[string, int64]{FinishLoads: true}, func(t *testing.T, c *strata.Cache[string, int64], s *slowSource) {
		s.delay = 10 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if v, err := c.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get = %d, %v", v, err)
		}
		time.Sleep(20 * time.Second)
		gets(t, c, "k", 1)
	})
}

func TestHeld_MaxLoads(t *testing.T) {
	inMemory(t, strata.Options[string, int64]{MaxLoads: 1}, func(t *testing.T, c *strata.Cache[string, int64], s *slowSource) {
		s.delay = 10 * time.Second
		var wg sync.WaitGroup
		wg.Go(func() { gets(t, c, "a", 1) })
		synctest.Wait()
		if v, err := c.Get(t.Context(), "b"); !errors.Is(err, store.ErrOverload) {
			t.Errorf("a second load: %d, %v", v, err)
		}
		wg.Wait()
	})
}

func TestHeld_LoadBudget(t *testing.T) {
	spent := errors.New("spent")
	inMemory(t, strata.Options[string, int64]{LoadBudget: func(context.Context) error { return spent }}, func(t *testing.T, c *strata.Cache[string, int64], s *slowSource) {
		if v, err := c.Get(t.Context(), "k"); !errors.Is(err, store.ErrOverload) || s.calls.Load() != 0 {
			t.Errorf("Get = %d, %v, after %d loads", v, err, s.calls.Load())
		}
	})
}

// fleetOf returns backends that share an L2 in memory.
func fleetOf(t *testing.T, n int) (bs []*strata.Backend, ps []*memfleet.Process) {
	t.Helper()
	m := &memfleet.Memory{}
	for range n {
		p := m.NewProcess(2 * time.Second)
		b, err := strata.Open(memfleet.With(context.Background(), p), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			p.Reconnect()
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		bs, ps = append(bs, b), append(ps, p)
	}
	return bs, ps
}

func TestHeld_StrictStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs, ps := fleetOf(t, 1)
		s := &slowSource{}
		c, err := strata.New(bs[0], "c", s.load, &strata.Options[string, int64]{TTL: time.Hour, StaleFor: time.Hour, StrictStale: true, Jitter: -1})
		if err != nil {
			t.Fatal(err)
		}
		gets(t, c, "k", 1)
		s.err = errors.New("down")
		ps[0].Disconnect()
		time.Sleep(61 * time.Minute)
		if v, err := c.Get(t.Context(), "k"); !errors.Is(err, s.err) {
			t.Errorf("Get = %d, %v, want the error of the loader", v, err)
		}
	})
}

func TestHeld_KeepHot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs, _ := fleetOf(t, 2)
		s := &slowSource{}
		for i, b := range bs {
			c, err := strata.New(b, "c", s.load, &strata.Options[string, int64]{TTL: time.Hour, KeepHot: 5 - 5*i})
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				for range 1000 {
					gets(t, c, "k", 1)
				}
				time.Sleep(3 * time.Minute)
			} else if n, err := c.WarmHot(t.Context(), 5, nil); n != 1 || err != nil {
				t.Errorf("WarmHot = %d, %v", n, err)
			}
		}
	})
}

// TestHeld_SchemaVersion: SchemaVersion and Schema are parts of the keys.
func TestHeld_SchemaVersion(t *testing.T) {
	bs, _ := fleetOf(t, 4)
	var cs []*strata.Cache[string, int64]
	for i, o := range []strata.Options[string, int64]{{}, {}, {SchemaVersion: 1}, {Schema: "s"}} {
		c, err := strata.New[string, int64](bs[i], "c", nil, &o)
		if err != nil {
			t.Fatal(err)
		}
		cs = append(cs, c)
	}
	if err := cs[0].Set(t.Context(), "k", 1); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, true, false, false} {
		if has, err := cs[i].Has(t.Context(), "k"); has != want || err != nil {
			t.Errorf("cache %d: Has = %v, %v", i, has, err)
		}
	}
}

// A halving codec loses every second number.
type halving struct{ encodes atomic.Int64 }

func (h *halving) Append(dst []byte, v int64) ([]byte, error) {
	h.encodes.Add(1)
	return append(dst, byte(v/2)), nil
}
func (h *halving) Decode(b []byte) (int64, error) { return 2 * int64(b[0]), nil }

// TestHeld_Verify: every value is verified, not only the first.
func TestHeld_Verify(t *testing.T) {
	bs, _ := fleetOf(t, 1)
	c, err := strata.New[string, int64](bs[0], "c", nil, &strata.Options[string, int64]{Codec: &halving{}, Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "even", 2); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "odd", 3); !errors.Is(err, store.ErrUnstorable) {
		t.Errorf("Set of a value that the codec changes: %v", err)
	}
}

// TestHeld_RedisTimeout: a read that ends by RedisTimeout is no failure of Redis.
func TestHeld_RedisTimeout(t *testing.T) {
	proxy := redistest.StartProxy(t, redistest.Start(t, nil).Addr())
	b := backend(t, &strata.Config{RedisURL: "redis://" + proxy.Addr(), BreakAfter: 1, MaxDisconnected: time.Hour})
	s := &slowSource{}
	c, err := strata.New(b, "c", s.load, &strata.Options[string, int64]{RedisTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	proxy.Hole(true)
	defer proxy.Hole(false)
	gets(t, c, "k", 1)
	if h := b.Health().Redis; h.Breaker != "closed" {
		t.Errorf("the breaker is %s", h.Breaker)
	}
}

func TestHeld_BreakAfter(t *testing.T) {
	s := redistest.Start(t, nil)
	b := backend(t, &strata.Config{RedisURL: s.URL(), BreakAfter: -1})
	c, err := strata.New(b, "c", (&slowSource{}).load, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	for range 20 {
		if err := c.Delete(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if h := b.Health().Redis; h.Breaker != "closed" {
		t.Errorf("the breaker is %s", h.Breaker)
	}
}

func TestHeld_Logger(t *testing.T) {
	s, log := redistest.Start(t, nil), &logBuffer{}
	b := backend(t, &strata.Config{RedisURL: s.URL(), BreakAfter: 1, Logger: slog.New(slog.NewTextHandler(log, nil))})
	s.Kill()
	redistest.WaitFor(t, "a line in the log", func() bool {
		_ = b.InvalidateTags(t.Context(), "t") // fails
		return len(log.lines("Redis does not answer")) > 0
	})
}

// An opLog is an observer that notes the names of operations.
type opLog struct {
	mu    sync.Mutex
	names map[string]bool
}

func (o *opLog) Begin(ctx context.Context, op store.Op) context.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.names[op.Store+" "+op.Cache+" "+op.Name] = true
	return ctx
}
func (o *opLog) End(context.Context, store.Op, store.Result) {}

// TestHeld_Observer: the observer is notified of Redis and of loads, with the cache.
func TestHeld_Observer(t *testing.T) {
	log := &opLog{names: make(map[string]bool)}
	b := backend(t, &strata.Config{RedisURL: redistest.Start(t, nil).URL(), Observer: log})
	c, err := strata.New(b, "c", (&slowSource{}).load, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strata.NewCounter[string](b, "n", 0)
	if err != nil {
		t.Fatal(err)
	}
	gets(t, c, "k", 1)
	if _, err := n.Add(t.Context(), "k", 1); err != nil {
		t.Fatal(err)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	for _, want := range []string{" c load", " c get", " n add"} {
		found := false
		for name := range log.names {
			found = found || strings.HasSuffix(name, want)
		}
		if !found {
			t.Errorf("no operation %q in %v", want, log.names)
		}
	}
}
