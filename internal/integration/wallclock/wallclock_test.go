//go:build wallshift

package wallclock_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

const hour = 3600

// A scenario does something before the wall clock is set, and returns what must be
// true afterwards.
type scenario struct {
	name    string
	prepare func(t *testing.T, server *redistest.Server) (check func(t *testing.T))
}

// Every scenario holds whichever way the wall clock is set.
func TestWallClock(t *testing.T) {
	for direction, shift := range map[string]int64{"back": -hour, "forward": hour} {
		t.Run(direction, func(t *testing.T) {
			defer func() { time.WallShift = 0 }()
			checks := make(map[string]func(*testing.T))
			for _, s := range scenarios() {
				checks[s.name] = s.prepare(t, redistest.Start(t, nil))
			}
			time.WallShift = shift
			for name, check := range checks {
				t.Run(name, check)
			}
		})
	}
}

func scenarios() []scenario {
	list := []scenario{
		{"limiter in memory", limiterInMemory}, {"limiter in Redis", limiterInRedis}, {"limiter's pause", limiterPause},
		{"a slot that is held", slot}, {"breaker", breaker}, {"memstore", stores}, {"entry from Redis", entryFromRedis},
		{"lease", lease}, {"token", token},
	}
	for name, cfg := range map[string]func(*redistest.Server) *strata.Config{
		"otter":     func(*redistest.Server) *strata.Config { return &strata.Config{} },
		"ristretto": func(*redistest.Server) *strata.Config { return &strata.Config{Engine: strata.Ristretto} },
		"two tiers": func(s *redistest.Server) *strata.Config { return &strata.Config{RedisURL: s.URL()} },
	} {
		with := func(f func(*testing.T, *strata.Backend) func(*testing.T)) func(*testing.T, *redistest.Server) func(*testing.T) {
			return func(t *testing.T, s *redistest.Server) func(*testing.T) { return f(t, open(t, cfg(s))) }
		}
		list = append(list, scenario{name + ": a short TTL ends", with(shortTTL)}, scenario{name + ": a long TTL goes on", with(longTTL)},
			scenario{name + ": stale while revalidate", with(revalidates)}, scenario{name + ": refresh ahead", with(refreshAhead)},
			scenario{name + ": absent", with(absent)},
			scenario{name + ": retry", with(retry)}, scenario{name + ": hot keys", with(hot)})
	}
	return list
}

func open(t *testing.T, cfg *strata.Config) *strata.Backend {
	b, err := strata.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// A source answers with the number of the load, and counts them.
type source struct{ loads atomic.Int64 }

func (s *source) load(context.Context, int) (int64, error) { return s.loads.Add(1), nil }

func (s *source) cache(t *testing.T, b *strata.Backend, name string, o *strata.Options[int, int64]) *strata.Cache[int, int64] {
	return newCache(t, b, name, s.load, o)
}

func newCache(t *testing.T, b *strata.Backend, name string, load func(context.Context, int) (int64, error), o *strata.Options[int, int64]) *strata.Cache[int, int64] {
	o.Jitter = -1
	c, err := strata.New(b, name, load, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// read reads id 1, whose source does not fail.
func read(t *testing.T, c *strata.Cache[int, int64]) strata.Entry[int64] {
	e, err := c.GetEntry(t.Context(), 1)
	if err != nil {
		t.Error(err)
	}
	return e
}

func shortTTL(t *testing.T, b *strata.Backend) func(*testing.T) {
	var s source
	c := s.cache(t, b, "short", &strata.Options[int, int64]{TTL: 200 * time.Millisecond, StaleFor: time.Hour})
	read(t, c)
	return func(t *testing.T) {
		time.Sleep(300 * time.Millisecond)
		if e := read(t, c); e.Value != 2 || e.Stale || e.Age > 10*time.Second {
			t.Errorf("after its TTL a value is answered from %v: %d, stale %v, age %v", e.Tier, e.Value, e.Stale, e.Age)
		}
	}
}

func longTTL(t *testing.T, b *strata.Backend) func(*testing.T) {
	var s source
	c := s.cache(t, b, "long", &strata.Options[int, int64]{TTL: 30 * time.Minute})
	redistest.WaitFor(t, "the value to be in L1", func() bool { return read(t, c).Tier == layered.L1 })
	began := time.Now()
	n := s.loads.Load()
	return func(t *testing.T) {
		e := read(t, c)
		most := time.Since(began) + 10*time.Second
		if e.Tier != layered.L1 || s.loads.Load() != n {
			t.Errorf("within its TTL a value is answered from %v, %d loads", e.Tier, s.loads.Load()-n)
		}
		if e.Stale || e.Age > most || e.ExpiresAt.Until() > 30*time.Minute || e.ExpiresAt.Until() < 30*time.Minute-most {
			t.Errorf("stale %v, age %v, %v left", e.Stale, e.Age, e.ExpiresAt.Until())
		}
		if at := e.ExpiresAt.Time(); time.Until(at.Round(0)).Round(time.Minute) != 30*time.Minute {
			t.Errorf("it ends at %v, and it is %v", at, time.Now())
		}
	}
}

func revalidates(t *testing.T, b *strata.Backend) func(*testing.T) {
	var s source
	c := s.cache(t, b, "swr", &strata.Options[int, int64]{TTL: 200 * time.Millisecond, StaleFor: 30 * time.Minute, StaleWhileRevalidate: true, RevalidateFor: 20 * time.Minute})
	redistest.WaitFor(t, "the value to be kept", func() bool { return read(t, c).Tier != layered.Origin })
	return func(t *testing.T) {
		time.Sleep(300 * time.Millisecond)
		n := s.loads.Load()
		if e := read(t, c); !e.Stale || e.Value > n {
			t.Errorf("after its TTL a value is answered from %v: %d of %d, stale %v", e.Tier, e.Value, n, e.Stale)
		}
		redistest.WaitFor(t, "a load in the background", func() bool { return s.loads.Load() > n })
	}
}

func refreshAhead(t *testing.T, b *strata.Backend) func(*testing.T) {
	var early, late source
	soon := early.cache(t, b, "soon", &strata.Options[int, int64]{TTL: time.Hour, RefreshAhead: 0.0001}) // 360 ms
	afterwards := late.cache(t, b, "late", &strata.Options[int, int64]{TTL: 30 * time.Minute, RefreshAhead: 0.9})
	for _, c := range []*strata.Cache[int, int64]{soon, afterwards} {
		redistest.WaitFor(t, "the value to be in L1", func() bool { return read(t, c).Tier == layered.L1 })
	}
	return func(t *testing.T) {
		n := early.loads.Load()
		redistest.WaitFor(t, "a refresh ahead of the end", func() bool { return read(t, soon).Tier == layered.L1 && early.loads.Load() > n })
		if read(t, afterwards); late.loads.Load() != 1 {
			t.Errorf("%d loads long before the refresh is due", late.loads.Load())
		}
	}
}

func absent(t *testing.T, b *strata.Backend) func(*testing.T) {
	var loads atomic.Int64
	c := newCache(t, b, "absent", func(context.Context, int) (int64, error) {
		loads.Add(1)
		return 0, store.ErrNotFound
	}, &strata.Options[int, int64]{AbsentFor: 200 * time.Millisecond})
	long := newCache(t, b, "absent long", func(context.Context, int) (int64, error) { return 0, store.ErrNotFound },
		&strata.Options[int, int64]{AbsentFor: 30 * time.Minute})
	for _, c := range []*strata.Cache[int, int64]{c, long} {
		redistest.WaitFor(t, "the absence to be in L1", func() bool {
			e, err := c.GetEntry(t.Context(), 1)
			return errors.Is(err, store.ErrNotFound) && (e.Tier == layered.L1 || c != long)
		})
	}
	return func(t *testing.T) {
		time.Sleep(300 * time.Millisecond)
		n := loads.Load()
		if _, err := c.Get(t.Context(), 1); !errors.Is(err, store.ErrNotFound) || loads.Load() != n+1 {
			t.Errorf("after AbsentFor: %v, %d loads", err, loads.Load()-n)
		}
		if e, err := long.GetEntry(t.Context(), 1); !errors.Is(err, store.ErrNotFound) || e.Tier != layered.L1 {
			t.Errorf("within AbsentFor: from %v, %v", e.Tier, err)
		}
	}
}

var errSource = errors.New("the source fails")

// A source that failed is left alone for RetryAfter, where there is a stale value.
func retry(t *testing.T, b *strata.Backend) func(*testing.T) {
	var fails atomic.Bool
	var loads atomic.Int64
	c := newCache(t, b, "retry", func(context.Context, int) (int64, error) {
		if loads.Add(1); fails.Load() {
			return 0, errSource
		}
		return 1, nil
	}, &strata.Options[int, int64]{TTL: time.Millisecond, StaleFor: 30 * time.Minute, RetryAfter: 300 * time.Millisecond})
	read(t, c)
	fails.Store(true)
	redistest.WaitFor(t, "the failure", func() bool { e := read(t, c); return e.Stale && errors.Is(e.Cause, errSource) })
	return func(t *testing.T) {
		n := loads.Load()
		redistest.WaitFor(t, "the source to be asked again", func() bool { return read(t, c).Stale && loads.Load() > n })
	}
}

// Hot keys are counted whatever the clock says.
func hot(t *testing.T, b *strata.Backend) func(*testing.T) {
	var s source
	c := s.cache(t, b, "hot", &strata.Options[int, int64]{KeepHot: 10})
	read(t, c)
	return func(t *testing.T) {
		for range 1000 {
			read(t, c)
		}
		if ids, err := c.Hottest(1); err != nil || len(ids) != 1 || ids[0].ID != 1 {
			t.Errorf("hottest are %v, %v", ids, err)
		}
	}
}

// An entry that another process wrote has as much time left as Redis says.
func entryFromRedis(t *testing.T, server *redistest.Server) func(*testing.T) {
	var s source
	o := strata.Options[int, int64]{TTL: 30 * time.Minute}
	read(t, s.cache(t, open(t, &strata.Config{RedisURL: server.URL()}), "shared", &o))
	cold := s.cache(t, open(t, &strata.Config{RedisURL: server.URL()}), "shared", &o)
	return func(t *testing.T) {
		var e strata.Entry[int64]
		redistest.WaitFor(t, "the value to be kept", func() bool { e = read(t, cold); return e.Tier != layered.Origin })
		if left := e.ExpiresAt.Until(); left > 30*time.Minute || left < 29*time.Minute || e.Age > time.Minute {
			t.Errorf("from %v: %v left, age %v", e.Tier, left, e.Age)
		}
		read(t, cold)
		if e := read(t, cold); e.Tier != layered.L1 {
			t.Errorf("read again, it comes from %v", e.Tier)
		}
	}
}

// A load that takes longer than its lease of 3 seconds keeps it: no other process loads.
func lease(t *testing.T, server *redistest.Server) func(*testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	o := strata.Options[int, int64]{}
	slow := newCache(t, open(t, &strata.Config{RedisURL: server.URL()}), "leased", func(context.Context, int) (int64, error) {
		close(began)
		<-end
		return 7, nil
	}, &o)
	var others atomic.Int64
	other := newCache(t, open(t, &strata.Config{RedisURL: server.URL()}), "leased", func(context.Context, int) (int64, error) {
		return others.Add(1), nil
	}, &o)
	got := make(chan int64, 1)
	go func() {
		v, _ := slow.Get(context.WithoutCancel(t.Context()), 1)
		got <- v
	}()
	<-began
	return func(t *testing.T) {
		time.AfterFunc(5*time.Second, func() { close(end) })
		if e := read(t, other); e.Value != 7 || others.Load() != 0 {
			t.Errorf("the process that waits reads %d, and has loaded %d times", e.Value, others.Load())
		}
		if v := <-got; v != 7 {
			t.Errorf("the process that loads reads %d", v)
		}
	}
}

// A read with a token sees the write.
func token(t *testing.T, server *redistest.Server) func(*testing.T) {
	var s source
	o := strata.Options[int, int64]{TTL: 30 * time.Minute}
	writer := open(t, &strata.Config{RedisURL: server.URL()})
	a := s.cache(t, writer, "token", &o)
	b := s.cache(t, open(t, &strata.Config{RedisURL: server.URL()}), "token", &o)
	read(t, a)
	redistest.WaitFor(t, "the value to be in L1", func() bool { return read(t, b).Tier == layered.L1 })
	return func(t *testing.T) {
		n := s.loads.Load()
		if err := a.Delete(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if v, err := b.Get(strata.WithToken(t.Context(), writer.Token()), 1); err != nil || v <= n {
			t.Errorf("read %d, %v, want more than %d", v, err, n)
		}
	}
}

// The stores themselves, without anything above them.
func stores(t *testing.T, _ *redistest.Server) func(*testing.T) {
	s := memstore.New[int](nil)
	for key, ttl := range map[string]time.Duration{"short": 200 * time.Millisecond, "long": 30 * time.Minute} {
		if err := s.Set(t.Context(), key, store.Entry[int]{ExpiresAt: store.In(ttl)}); err != nil {
			t.Fatal(err)
		}
	}
	grant, err := s.Claim(t.Context(), "long", 1, 200*time.Millisecond)
	if err != nil || grant.State != store.Granted {
		t.Fatal(grant, err)
	}
	soon, at := store.In(time.Minute), time.Now().Add(time.Minute)
	return func(t *testing.T) {
		time.Sleep(300 * time.Millisecond)
		if _, err := s.Get(t.Context(), "short"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after its end: %v", err)
		}
		if left, err := s.TTL(t.Context(), "long"); err != nil || left > 30*time.Minute || left < 29*time.Minute {
			t.Errorf("before its end: %v left, %v", left, err)
		}
		if grant, err := s.Claim(t.Context(), "long", 1, time.Second); err != nil || grant.State != store.Granted {
			t.Errorf("after the claim: %+v, %v", grant, err)
		}
		conversions(t, soon, at)
	}
}

// soon and at are the same moment, taken before the clock was set.
func conversions(t *testing.T, soon store.Time, at time.Time) {
	if d := store.At(at).Sub(soon).Abs(); d > time.Second {
		t.Errorf("a time with a monotonic reading is off by %v", d)
	}
	if d := store.At(time.Now().Round(0)).Sub(store.Now()).Abs(); d > time.Second {
		t.Errorf("wall time is off by %v", d)
	}
	if d := time.Until(soon.Time().Round(0)) - soon.Until(); d.Abs() > time.Second {
		t.Errorf("Time is off by %v", d)
	}
	if got := store.At(soon.Time()); got != soon {
		t.Errorf("there and back moves a Time by %v", got.Sub(soon))
	}
}

// Two pass, and then none for the rest of the window.
func limiterInMemory(t *testing.T, _ *redistest.Server) func(*testing.T) {
	var checks []func(*testing.T)
	for _, a := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.StrictWindow} {
		l, err := ratelimit.New(ratelimit.Policy{Name: "p", Algorithm: a, Limit: 2, Window: 30 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		checks = append(checks, limits(t, l, a))
	}
	return func(t *testing.T) {
		for _, check := range checks {
			check(t)
		}
	}
}

// limits uses l up, and checks that it stays so.
func limits(t *testing.T, l ratelimit.Limiter, a ratelimit.Algorithm) func(*testing.T) {
	if r, err := l.AllowN(t.Context(), "k", 2); err != nil || !r.Allowed {
		t.Fatal(a, r, err)
	}
	before, err := l.Allow(t.Context(), "k")
	if err != nil || before.Allowed {
		t.Fatal(a, before, err)
	}
	return func(t *testing.T) {
		r, err := l.Allow(t.Context(), "k")
		if err != nil || r.Allowed || r.RetryAfter > before.RetryAfter || r.RetryAfter < before.RetryAfter-time.Minute {
			t.Errorf("%v: %+v, %v; before, RetryAfter was %v", a, r, err, before.RetryAfter)
		}
	}
}

func dialLimits(t *testing.T, server *redistest.Server) rueidis.Client {
	client, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func limiterInRedis(t *testing.T, server *redistest.Server) func(*testing.T) {
	l, err := redislimit.New(dialLimits(t, server), nil, ratelimit.Policy{Name: "p", Limit: 2, Window: 30 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return limits(t, l, ratelimit.GCRA)
}

// Redis is asked again when the pause is over that follows a failure, and not before.
func limiterPause(t *testing.T, server *redistest.Server) func(*testing.T) {
	client := dialLimits(t, server)
	by := func(pause time.Duration) func() ratelimit.Source {
		l, err := redislimit.New(client, &redislimit.Options{Pause: pause}, ratelimit.Policy{Name: "p", Limit: 1_000_000, Window: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return func() ratelimit.Source {
			r, err := l.Allow(t.Context(), "k")
			if err != nil {
				t.Error(err)
			}
			return r.Source
		}
	}
	short, long := by(300*time.Millisecond), by(30*time.Minute)
	server.Kill()
	redistest.WaitFor(t, "the outage to be noticed", func() bool {
		return short() == ratelimit.SourceFallback && long() == ratelimit.SourceFallback
	})
	return func(t *testing.T) {
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "Redis to be asked again", func() bool { return short() == ratelimit.SourceRedis })
		if s := long(); s != ratelimit.SourceFallback {
			t.Errorf("within the pause %v is asked", s)
		}
	}
}

// A slot that is not renewed is free again after a Window.
func slot(t *testing.T, _ *redistest.Server) func(*testing.T) {
	l, err := ratelimit.New(ratelimit.Policy{Name: "p", Algorithm: ratelimit.Concurrency, Limit: 1, Window: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, r, err := l.Acquire(t.Context(), "k"); err != nil || !r.Allowed {
		t.Fatal(r, err)
	}
	return func(t *testing.T) {
		redistest.WaitFor(t, "the slot to be free", func() bool {
			_, r, err := l.Acquire(t.Context(), "k")
			return err == nil && r.Allowed
		})
	}
}

// After an outage Redis is used again.
func breaker(t *testing.T, server *redistest.Server) func(*testing.T) {
	var s source
	b := open(t, &strata.Config{RedisURL: server.URL(), BreakAfter: 1})
	c := s.cache(t, b, "c", &strata.Options[int, int64]{TTL: time.Millisecond})
	read(t, c)
	server.Kill()
	redistest.WaitFor(t, "the outage to be noticed", func() bool {
		read(t, c)
		return b.Health().Err() != nil
	})
	return func(t *testing.T) {
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "Redis to be used again", func() bool { return b.Health().Err() == nil })
		redistest.WaitFor(t, "a value from Redis", func() bool {
			read(t, c)
			return b.Ping(t.Context()) == nil
		})
	}
}
