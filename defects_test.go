package strata_test

// Defects found in caches for Go: docs/guarantees.md lists them. Each test shows that this
// cache does not have it, on L1 alone and with Redis.

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

// with runs f with a configuration of each kind.
func with(t *testing.T, f func(*testing.T, *strata.Config)) {
	t.Run("L1 alone", func(t *testing.T) { f(t, nil) })
	server := redistest.Start(t, nil)
	url := server.URL()
	t.Run("two tiers", func(t *testing.T) { f(t, &strata.Config{RedisURL: url, Prefix: "two:"}) })
	t.Run("L2 alone", func(t *testing.T) { f(t, &strata.Config{RedisURL: url, Prefix: "l2:", Memory: -1}) })
}

// A held is a source with loads that report that they have read it, and wait to be
// released.
type held struct {
	v     atomic.Int64
	here  chan context.Context
	letGo chan struct{}
}

func newHeld() *held { return &held{here: make(chan context.Context, 100), letGo: make(chan struct{})} }

func (h *held) load(ctx context.Context, id int) (int64, error) {
	v := h.v.Load()
	h.here <- ctx
	select {
	case <-h.letGo:
		return v, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func numbers(t *testing.T, cfg *strata.Config, load func(context.Context, int) (int64, error), o *strata.Options[int, int64]) *strata.Cache[int, int64] {
	t.Helper()
	c, err := strata.New(backend(t, cfg), "numbers", load, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reading is how an id is read: alone, or in a batch.
var reading = map[string]func(context.Context, *strata.Cache[int, int64], int) (int64, error){
	"Get": func(ctx context.Context, c *strata.Cache[int, int64], id int) (int64, error) { return c.Get(ctx, id) },
	"GetMany": func(ctx context.Context, c *strata.Cache[int, int64], id int) (int64, error) {
		vs, err := c.GetMany(ctx, []int{id})
		return vs[id], err
	},
}

// The first caller is cancelled: the waiters for its load are not.
func TestDefect_leaderIsCancelled(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		h := newHeld()
		c := numbers(t, cfg, h.load, nil)
		id := 0
		for name, read := range reading {
			id++
			h.letGo = make(chan struct{})
			leader, cancel := context.WithCancel(t.Context())
			gone := make(chan error, 1)
			go func() {
				_, err := read(leader, c, id)
				gone <- err
			}()
			load := <-h.here
			var wg sync.WaitGroup
			shared := c.Stats().Shared
			for range 10 {
				wg.Go(func() {
					if v, err := read(t.Context(), c, id); v != 0 || err != nil {
						t.Errorf("%s: who waited got %d, %v", name, v, err)
					}
				})
			}
			redistest.WaitFor(t, "all to join", func() bool { return c.Stats().Shared >= shared+10 })
			cancel()
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: who left got %v", name, err)
			}
			if load.Err() != nil {
				t.Errorf("%s: the load was cancelled", name)
			}
			close(h.letGo)
			wg.Wait()
		}
	})
}

// A waiter for the load of another caller leaves at its own deadline.
func TestDefect_waiterIgnoresItsDeadline(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		h := newHeld()
		c := numbers(t, cfg, h.load, nil)
		go c.Get(t.Context(), 1)
		<-h.here
		for name, read := range reading {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, err := read(ctx, c, 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: got %v", name, err)
			}
			cancel()
		}
		close(h.letGo) // only now
		if v, err := c.Get(t.Context(), 1); v != 0 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
	})
}

// A value is deleted while it is loaded: the result of the load is not kept, and no caller
// after the delete gets it.
func TestDefect_deleteDuringALoad(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		for name, read := range reading {
			h := newHeld()
			c := numbers(t, cfg, h.load, nil)
			old := make(chan int64, 1)
			go func() {
				v, _ := read(t.Context(), c, 1)
				old <- v
			}()
			<-h.here
			h.v.Store(1)
			if err := c.Delete(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			later := make(chan int64, 1)
			go func() {
				v, _ := read(t.Context(), c, 1)
				later <- v
			}()
			<-h.here // this caller does not join the load from before
			close(h.letGo)
			if v := <-later; v != 1 {
				t.Errorf("%s: who came after the delete got %d", name, v)
			}
			<-old
			for range 3 {
				if v, err := read(t.Context(), c, 1); v != 1 || err != nil {
					t.Errorf("%s: then %d, %v", name, v, err)
				}
			}
			if err := c.Delete(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
	})
}

// A panic of a loader is an error for all waiters, and the next caller loads again.
func TestDefect_panicInALoader(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		id := 0
		for name, read := range reading {
			id++
			var calm atomic.Bool
			here, letGo := make(chan struct{}, 1), make(chan struct{})
			c := numbers(t, cfg, func(context.Context, int) (int64, error) {
				if calm.Load() {
					return 7, nil
				}
				here <- struct{}{}
				<-letGo
				panic("the loader is broken")
			}, nil)
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					if _, err := read(t.Context(), c, id); err == nil || !strings.Contains(err.Error(), "the loader is broken") {
						t.Errorf("%s: got %v", name, err)
					}
				})
			}
			<-here
			redistest.WaitFor(t, "all to join", func() bool { return c.Stats().Shared >= 9 })
			close(letGo)
			wg.Wait()
			calm.Store(true)
			if v, err := read(t.Context(), c, id); v != 7 || err != nil {
				t.Errorf("%s: then %d, %v", name, v, err)
			}
			c.Close()
		}
	})
}

// A hit is a value that was loaded or set: not a zero value in place of an error, an absent
// value, or a value of another type. A zero value is a hit.
func TestDefect_phantomHit(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		b := backend(t, cfg)
		loads := 0
		n, err := strata.New(b, "n", func(_ context.Context, id int) (int, error) {
			loads++
			switch id {
			case 1:
				return 0, nil
			case 2:
				return 0, store.ErrNotFound
			default:
				return 0, errDown
			}
		}, nil)
		s, serr := strata.New[int, string](b, "s", nil, nil)
		if err := errors.Join(err, serr); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			v, err1 := n.Get(t.Context(), 1)
			_, err2 := n.Get(t.Context(), 2)
			_, err3 := n.Get(t.Context(), 3)
			if v != 0 || err1 != nil || !errors.Is(err2, store.ErrNotFound) || !errors.Is(err3, errDown) || loads != 3+i {
				t.Errorf("got %d, %v; %v; %v after %d loads", v, err1, err2, err3, loads)
			}
			if v, err := s.Get(t.Context(), 1); v != "" || !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the cache of another type has %q, %v", v, err)
			}
			vs, err := n.GetMany(t.Context(), []int{1, 2})
			if _, hit := vs[1]; len(vs) != 1 || !hit || err != nil {
				t.Errorf("GetMany = %v, %v", vs, err)
			}
		}
	})
}

// A value of another type in Redis, under the same key, is not decoded in part.
func TestDefect_phantomHitOfAnotherType(t *testing.T) {
	server := redistest.Start(t, nil)
	cfg := &strata.Config{RedisURL: server.URL()}
	texts, err := strata.New(backend(t, cfg), "same", func(context.Context, int) (string, error) { return "text", nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := texts.Get(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	counts, err := strata.New(backend(t, cfg), "same", func(context.Context, int) (int, error) { return 42, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := counts.GetEntry(t.Context(), 1); e.Value != 42 || e.Tier != layered.Origin || err != nil {
		t.Errorf("got %+v, %v; want it loaded", e, err)
	}
}

// TTLs that begin together do not end together.
func TestDefect_jitterDoesNothing(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		c := numbers(t, cfg, func(_ context.Context, id int) (int64, error) { return int64(id), nil }, &strata.Options[int, int64]{
			TTL: 100 * time.Hour, Jitter: 0.5,
		})
		var tenths [10]int
		for id := range 300 {
			e, err := c.GetEntry(t.Context(), id)
			left := e.ExpiresAt.Until().Hours()
			if err != nil || left > 100 || left < 49.9 {
				t.Fatalf("%v hours are left, %v", left, err)
			}
			tenths[min(max(int(left-50)/5, 0), 9)]++
		}
		for i, n := range tenths { // 30 are expected; that one has less than 5 is all but impossible
			if n < 5 {
				t.Errorf("of 300 lives %d end in tenth %d of the spread", n, i)
			}
		}
	})
}

// A copy in L1 expires with the value in Redis, however often and wherever it is read.
func TestDefect_ttlInL1Restarts(t *testing.T) {
	server := redistest.Start(t, nil)
	cfg := &strata.Config{RedisURL: server.URL()}
	load := func(context.Context, int) (int64, error) { return 1, nil }
	first, err := numbers(t, cfg, load, nil).GetEntry(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 4 {
		time.Sleep(250 * time.Millisecond) // all of it would extend the TTL
		c := numbers(t, cfg, load, nil)
		for _, tier := range []layered.Tier{layered.L2, layered.L1} {
			e, err := c.GetEntry(t.Context(), 1)
			if err != nil || e.Tier != tier {
				t.Errorf("got %+v, %v", e, err)
			}
			if more := e.ExpiresAt.Sub(first.ExpiresAt); more >= time.Since(began)*9/10 {
				t.Errorf("in %v it ends %v later than it did, %v after that", tier, more, time.Since(began))
			}
		}
	}
}

// A change of a value does not make every process with a copy read it at once.
func TestDefect_allProcessesReloadAtOnce(t *testing.T) {
	server := redistest.Start(t, nil)
	cfg := &strata.Config{RedisURL: server.URL()}
	load := func(context.Context, int) (int64, error) { return 1, nil }
	var fleet [4]*strata.Cache[int, int64]
	for i := range fleet {
		fleet[i] = numbers(t, cfg, load, nil)
		for range 2 {
			if _, err := fleet[i].Get(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	keys, err := server.Do("KEYS", "*:1")
	if err != nil || len(keys.([]any)) != 1 {
		t.Fatal(keys, err)
	}
	key, monitor := keys.([]any)[0].(string), redistest.StartMonitor(t, server)
	if err := fleet[0].Delete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, c := range fleet[1:] {
		redistest.WaitFor(t, "the change to be known", func() bool { return c.Stats().Invalidations > 0 })
	}
	if n := monitor.Count(t, "GET", key); n != 0 {
		t.Errorf("the key was read %d times after the change", n)
	}
	if _, err := fleet[1].Get(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if n := monitor.Count(t, "GET", key); n != 1 {
		t.Errorf("the next read has read the key %d times, want once", n)
	}
}
