package stratatest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/stratatest"
)

// A source returns its number, and counts loads.
type source struct{ value, loads atomic.Int64 }

func (s *source) load(context.Context, string) (int64, error) {
	s.loads.Add(1)
	return s.value.Load(), nil
}

// caches returns a cache of s in each process.
func caches(t *testing.T, fleet stratatest.Processes, s *source, o strata.Options[string, int64]) (cs []*strata.Cache[string, int64]) {
	t.Helper()
	o.Jitter = -1
	for _, p := range fleet {
		c, err := strata.New(p.Backend, "c", s.load, &o)
		if err != nil {
			t.Fatal(err)
		}
		cs = append(cs, c)
	}
	return cs
}

func want(t *testing.T, c *strata.Cache[string, int64], v int64) {
	t.Helper()
	if got, err := c.Get(t.Context(), "k"); got != v || err != nil {
		t.Errorf("Get = %d, %v, want %d", got, err, v)
	}
}

// A change that a process retries after an outage reaches a copy that another process loaded
// during the outage, whichever of them is connected first.
func TestProcesses_Reconnect(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			s := &source{}
			fleet := stratatest.Fleet(t, 2, nil)
			cs := caches(t, fleet, s, strata.Options[string, int64]{TTL: time.Hour})
			fleet.Disconnect()
			want(t, cs[1], 0)
			s.value.Store(1)
			if err := cs[0].Delete(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("Delete = %v", err)
			}
			fleet.Reconnect()
			synctest.Wait()
			want(t, cs[1], 1)
		})
		if t.Failed() {
			return
		}
	}
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fleet runs f in a bubble with n processes.
func fleet(t *testing.T, n int, c *strata.Config, o strata.Options[string, int64], f func(t *testing.T, ps stratatest.Processes, s *source, cs []*strata.Cache[string, int64])) {
	synctest.Test(t, func(t *testing.T) {
		ps, s := stratatest.Fleet(t, n, c), &source{}
		f(t, ps, s, caches(t, ps, s, o))
	})
}

func TestFleet_shares(t *testing.T) {
	fleet(t, 3, nil, strata.Options[string, int64]{}, func(t *testing.T, ps stratatest.Processes, s *source, cs []*strata.Cache[string, int64]) {
		for _, c := range cs {
			want(t, c, 0)
		}
		if n := s.loads.Load(); n != 1 {
			t.Errorf("%d loads by a fleet, want 1", n)
		}
		s.value.Store(1)
		try(t, cs[1].Delete(t.Context(), "k"))
		for _, c := range cs {
			want(t, c, 1)
		}
		try(t, cs[2].Set(t.Context(), "k", 2))
		for _, c := range cs {
			want(t, c, 2)
		}
		try(t, cs[0].Clear(t.Context()))
		for _, c := range cs {
			want(t, c, 1)
		}
		if n := s.loads.Load(); n != 3 {
			t.Errorf("%d loads, want 3", n)
		}
		for _, p := range ps {
			try(t, errors.Join(p.Ping(t.Context()), p.Health().Err()))
		}
	})
}

// TestFleet_tags: tags are those of the whole fleet, also of caches that a process lacks, and
// those invalidated while disconnected are invalidated by Reconnect.
func TestFleet_tags(t *testing.T) {
	o := strata.Options[string, int64]{Tags: func(string, int64) []string { return []string{"tag"} }}
	fleet(t, 2, nil, o, func(t *testing.T, ps stratatest.Processes, s *source, cs []*strata.Cache[string, int64]) {
		other, err := strata.New(ps[0].Backend, "other", s.load, &o)
		try(t, err)
		want(t, other, 0)
		want(t, cs[0], 0)
		s.value.Store(1)
		try(t, ps[1].InvalidateTags(t.Context(), "tag"))
		want(t, other, 1)
		want(t, cs[0], 1)
		s.value.Store(2)
		ps[1].Disconnect()
		if err := ps[1].InvalidateTags(t.Context(), "tag"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("InvalidateTags while disconnected: %v", err)
		}
		want(t, cs[0], 1)
		ps[1].Reconnect()
		want(t, cs[0], 2)
	})
}

// TestProcess_Disconnect: copies are served for MaxDisconnected, changes are retried.
func TestProcess_Disconnect(t *testing.T) {
	c := &strata.Config{MaxDisconnected: 10 * time.Second}
	fleet(t, 2, c, strata.Options[string, int64]{}, func(t *testing.T, ps stratatest.Processes, s *source, cs []*strata.Cache[string, int64]) {
		want(t, cs[0], 0)
		want(t, cs[1], 0)
		ps[0].Disconnect()
		s.value.Store(1)
		try(t, cs[1].Delete(t.Context(), "k"))
		want(t, cs[1], 1)
		time.Sleep(10*time.Second - 1)
		want(t, cs[0], 0)
		if err := ps[0].Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Ping: %v", err)
		}
		time.Sleep(time.Second)
		want(t, cs[0], 1)
		s.value.Store(2)
		if err := cs[0].Delete(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Delete: %v", err)
		}
		want(t, cs[0], 2)
		want(t, cs[1], 1) // nothing has reached it
		ps[0].Reconnect()
		time.Sleep(time.Minute)
		want(t, cs[1], 2)

		ps.Disconnect()
		if err := ps[1].Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Ping without L2: %v", err)
		}
		ps.Reconnect()
		try(t, errors.Join(ps[0].Ping(t.Context()), ps[1].Ping(t.Context())))
		ps[0].Disconnect()
		time.Sleep(time.Second)
		ps[0].Reconnect() // in time: no copy is lost
		time.Sleep(time.Minute)
		s.value.Store(3)
		want(t, cs[0], 2)
	})
}

func TestProcess_DelayInvalidations(t *testing.T) {
	fleet(t, 2, nil, strata.Options[string, int64]{}, func(t *testing.T, ps stratatest.Processes, s *source, cs []*strata.Cache[string, int64]) {
		want(t, cs[0], 0)
		ps[0].DelayInvalidations(time.Second)
		for v := range int64(3) {
			try(t, cs[1].Set(t.Context(), "k", v+1))
		}
		token := ps[1].Token()
		time.Sleep(time.Second - 1)
		want(t, cs[0], 0)
		ctx := strata.WithToken(t.Context(), token)
		if got, err := cs[0].Get(ctx, "k"); got != 3 || err != nil { // waits
			t.Errorf("with a token: %d, %v", got, err)
		}
		want(t, cs[0], 3)
		ps[0].DelayInvalidations(0)
		try(t, cs[1].Set(t.Context(), "k", 4))
		want(t, cs[0], 4)
	})
}

// TestProcess_Stall: a stalled process blocks and then goes on. A lease that it holds passes to
// another process, and its own fill is refused.
func TestProcess_Stall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps := stratatest.Fleet(t, 2, nil)
		var value atomic.Int64
		load := func(context.Context, string) (int64, error) {
			v := value.Load()
			if v == 0 {
				time.Sleep(time.Second) // the process stalls meanwhile
			}
			return v, nil
		}
		var cs []*strata.Cache[string, int64]
		for _, p := range ps {
			c, err := strata.New(p.Backend, "c", load, nil)
			try(t, err)
			cs = append(cs, c)
		}
		first := make(chan int64)
		go func() {
			v, err := cs[0].Get(t.Context(), "k")
			if err != nil {
				t.Error(err)
			}
			first <- v
		}()
		synctest.Wait()
		ps[0].Stall()
		value.Store(1)
		begin := time.Now()
		want(t, cs[1], 1)
		if took := time.Since(begin); took == 0 || took > time.Minute {
			t.Errorf("the other process waited %v for the lease", took)
		}
		value.Store(2)
		try(t, cs[1].Set(t.Context(), "k", 2))
		select {
		case v := <-first:
			t.Errorf("the stalled process returned %d", v)
		case <-time.After(time.Hour):
		}
		ps[0].Resume()
		<-first // what it had loaded, or what is there
		want(t, cs[0], 2)
		want(t, cs[1], 2)
	})
}

func TestProcess_Stall_invalidations(t *testing.T) {
	fleet(t, 2, nil, strata.Options[string, int64]{}, func(t *testing.T, ps stratatest.Processes, s *source, cs []*strata.Cache[string, int64]) {
		want(t, cs[0], 0)
		ps[0].Stall()
		try(t, cs[1].Set(t.Context(), "k", 1))
		want(t, cs[0], 0) // no goroutine of a real process would run
		ps[0].Resume()
		want(t, cs[0], 1)
	})
}

// TestProcesses_Failover: L2 has lost a Delete, which the process that made it repeats.
func TestProcesses_Failover(t *testing.T) {
	fleet(t, 2, nil, strata.Options[string, int64]{}, func(t *testing.T, ps stratatest.Processes, s *source, cs []*strata.Cache[string, int64]) {
		want(t, cs[0], 0)
		takeOver := ps.Failover()
		s.value.Store(1)
		try(t, cs[0].Delete(t.Context(), "k"))
		takeOver()
		want(t, cs[0], 1)
		time.Sleep(time.Minute)
		want(t, cs[1], 1)
	})
}

// TestFleet_options: what New refuses with Redis, it refuses in a fleet.
func TestFleet_options(t *testing.T) {
	type secret struct {
		n int //lint:ignore U1000 its kind is what is tested
	}
	ps := stratatest.Fleet(t, 1, &strata.Config{NotFound: []error{errors.ErrUnsupported}})
	load := func(context.Context, string) (secret, error) { return secret{}, errors.ErrUnsupported }
	if c, err := strata.New(ps[0].Backend, "c", load, nil); c != nil || err == nil || !strings.Contains(err.Error(), "unexported fields") {
		t.Errorf("a type that the codec cannot carry: %v", err)
	}
	if _, err := strata.New[string, int](ps[0].Backend, "c", nil, &strata.Options[string, int]{Schema: "s"}); err != nil {
		t.Fatal(err)
	}
	found, err := strata.New(ps[0].Backend, "d", func(context.Context, string) (int, error) { return 0, errors.ErrUnsupported }, nil)
	try(t, err)
	if _, err := found.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Config.NotFound: %v", err)
	}
}

// TestFleet_types: one name and schema with two types is an error.
func TestFleet_types(t *testing.T) {
	ps := stratatest.Fleet(t, 2, nil)
	_, err := strata.New[string, int](ps[0].Backend, "c", nil, &strata.Options[string, int]{Schema: "s"})
	_, other := strata.New[string, string](ps[1].Backend, "c", nil, &strata.Options[string, string]{Schema: "s"})
	if err != nil || other == nil || !strings.Contains(other.Error(), "other values than string") {
		t.Errorf("%v, %v", err, other)
	}
}

// A failing is a testing.TB that notes failures.
type failing struct {
	testing.TB
	log      []string
	cleanups []func()
}

func (f *failing) Helper()                        {}
func (f *failing) Cleanup(fn func())              { f.cleanups = append(f.cleanups, fn) }
func (f *failing) Errorf(text string, a ...any)   { f.log = append(f.log, fmt.Sprintf(text, a...)) }
func (f *failing) Fatal(a ...any)                 { panic(fmt.Sprint(a...)) }
func (f *failing) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

// fatal returns the message with which f ends a test.
func (f *failing) fatal(fn func()) (message string) {
	defer func() { message, _ = recover().(string) }()
	fn()
	return ""
}

func TestNew(t *testing.T) {
	f := &failing{TB: t}
	b := stratatest.New(f, nil)
	c, err := strata.New[string, int](b, "c", nil, nil)
	try(t, err)
	try(t, c.Set(t.Context(), "k", 1))
	for _, fn := range f.cleanups {
		fn()
	}
	if err := b.Ping(t.Context()); !errors.Is(err, store.ErrClosed) || len(f.log) != 0 {
		t.Errorf("after the test: %v, %q", err, f.log)
	}
	for want, fn := range map[string]func(){
		"Config.Memory 1":            func() { stratatest.New(f, &strata.Config{Memory: 1}) },
		"must not name a Redis":      func() { stratatest.Fleet(f, 1, &strata.Config{RedisURL: "redis://localhost"}) },
		"DelayInvalidations(2s)":     func() { stratatest.Fleet(f, 1, nil)[0].DelayInvalidations(2 * time.Second) },
		"less than Config.MaxDiscon": func() { stratatest.Fleet(f, 1, nil)[0].DelayInvalidations(-1) },
	} {
		if got := f.fatal(fn); !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	for _, fn := range f.cleanups[1:] {
		fn()
	}
}
