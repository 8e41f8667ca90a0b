package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/adapter"
	"github.com/lokroom/strata/internal/redistest"
)

var ctx = context.Background()

// life is longer than a test.
const life = time.Hour

// each runs a test for every peer, on a server of all of them.
func each(t *testing.T, test func(t *testing.T, p adapter.Peer, e adapter.Env)) {
	s := redistest.Start(t, nil)
	for _, p := range adapter.Peers() {
		t.Run(p.Name, func(t *testing.T) {
			test(t, p, adapter.Env{Addr: s.Addr(), Prefix: t.Name() + ":", Capacity: 10_000, TTL: life})
		})
	}
}

func open(t *testing.T, p adapter.Peer, e adapter.Env) *adapter.Cache {
	t.Helper()
	c, err := p.Open(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func set(t *testing.T, c *adapter.Cache, key string, v adapter.Item) {
	t.Helper()
	if err := c.Set(ctx, key, v); err != nil {
		t.Fatal(err)
	}
	if c.Settle != nil {
		c.Settle()
	}
}

func item(id int) adapter.Item {
	return adapter.Item{ID: int64(id), Price: 100, Title: fmt.Sprint("title of ", id)}
}

// TestPeers_getsWhatWasSet: a missing key is ErrMiss, a key that was set has its value, and a
// batch has what is there.
func TestPeers_getsWhatWasSet(t *testing.T) {
	each(t, func(t *testing.T, p adapter.Peer, e adapter.Env) {
		c := open(t, p, e)
		if v, err := c.Get(ctx, "1"); !errors.Is(err, adapter.ErrMiss) {
			t.Fatalf("a missing key: %v, %v", v, err)
		}
		for i := range 3 {
			set(t, c, fmt.Sprint(i), item(i))
		}
		for range 2 { // the second may come from the process
			for i := range 3 {
				if v, err := c.Get(ctx, fmt.Sprint(i)); err != nil || v != item(i) {
					t.Errorf("got %v, %v", v, err)
				}
			}
		}
		found, err := c.Many(ctx, []string{"0", "2"})
		if err != nil || len(found) != 2 || found["0"] != item(0) || found["2"] != item(2) {
			t.Errorf("batch: %v, %v", found, err)
		}
	})
}

// TestPeers_load: a missing key is loaded and kept. With Coalesces, callers at one time
// share a load; with OneLoader, those of two processes do, which have a cache each.
func TestPeers_load(t *testing.T) {
	each(t, func(t *testing.T, p adapter.Peer, e adapter.Env) {
		var loads atomic.Int64
		gate := make(chan struct{})
		e.Load = func(_ context.Context, key string) (adapter.Item, error) {
			loads.Add(1)
			<-gate
			return item(7), nil
		}
		caches := []*adapter.Cache{open(t, p, e)}
		if p.OneLoader {
			caches = append(caches, open(t, p, e))
		}
		const callers = 20
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				if v, err := caches[i%len(caches)].Load(ctx, "7"); err != nil || v != item(7) {
					t.Errorf("%v, %v", v, err)
				}
			})
		}
		redistest.WaitFor(t, "a load", func() bool { return loads.Load() > 0 })
		close(gate)
		wg.Wait()
		n := loads.Load()
		if p.OneLoader && n != 1 {
			t.Errorf("%d loads for %d callers", n, callers)
		}
		redistest.WaitFor(t, "the value to be kept", func() bool {
			before := loads.Load()
			v, err := caches[0].Load(ctx, "7")
			return err == nil && v == item(7) && loads.Load() == before
		})
	})
}

// TestPeers_delete: after a Delete the source is read again. rockscache serves the old value
// until a load in the background has ended. go-redis may read its own write late.
func TestPeers_delete(t *testing.T) {
	each(t, func(t *testing.T, p adapter.Peer, e adapter.Env) {
		var row, loads atomic.Int64
		row.Store(1)
		e.Load = func(context.Context, string) (adapter.Item, error) {
			loads.Add(1)
			return item(int(row.Load())), nil
		}
		c := open(t, p, e)
		holds := func(want adapter.Item) func() bool {
			return func() bool {
				before := loads.Load()
				v, err := c.Load(ctx, "k")
				return err == nil && v == want && loads.Load() == before
			}
		}
		redistest.WaitFor(t, "the first row to be kept", holds(item(1)))
		row.Store(2)
		if err := c.Delete(ctx, "k"); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "the second row to be kept", holds(item(2)))
	})
}

// TestPeers_coalesces: callers that come while a load runs wait for it.
func TestPeers_coalesces(t *testing.T) {
	each(t, func(t *testing.T, p adapter.Peer, e adapter.Env) {
		if !p.Coalesces {
			return
		}
		var loads, calls atomic.Int64
		gate := make(chan struct{})
		e.Load = func(context.Context, string) (adapter.Item, error) {
			loads.Add(1)
			<-gate
			return item(7), nil
		}
		c := open(t, p, e)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				calls.Add(1)
				if _, err := c.Load(ctx, "7"); err != nil {
					t.Error(err)
				}
			})
		}
		redistest.WaitFor(t, "the callers", func() bool { return calls.Load() == 50 && loads.Load() > 0 })
		close(gate)
		wg.Wait()
		// Libraries may load again for a caller that came between the load and the Set.
		if n := loads.Load(); n > 25 {
			t.Errorf("%d loads for 50 callers at once", n)
		}
	})
}

// TestPeers_expire: an entry is gone after its TTL. Some count in seconds.
func TestPeers_expire(t *testing.T) {
	each(t, func(t *testing.T, p adapter.Peer, e adapter.Env) {
		t.Parallel()
		e.TTL = time.Second
		c := open(t, p, e)
		set(t, c, "1", item(1))
		redistest.WaitFor(t, "the entry to expire", func() bool {
			_, err := c.Get(ctx, "1")
			return errors.Is(err, adapter.ErrMiss)
		})
	})
}

// TestPeers_capacity: a cache in the process keeps about as many entries as it has room for,
// so that hit ratios compare. Strata's budget is in bytes.
func TestPeers_capacity(t *testing.T) {
	each(t, func(t *testing.T, p adapter.Peer, e adapter.Env) {
		if p.Tier != adapter.Local || strings.HasPrefix(p.Name, "strata") {
			return
		}
		e.Capacity = 4000
		c := open(t, p, e)
		for i := range 5 * e.Capacity {
			if err := c.Set(ctx, fmt.Sprint(i), item(i)); err != nil {
				t.Fatal(err)
			}
			if c.Settle != nil {
				c.Settle()
			}
		}
		kept := 0
		for i := range 5 * e.Capacity {
			if _, err := c.Get(ctx, fmt.Sprint(i)); err == nil {
				kept++
			}
		}
		if kept < e.Capacity*8/10 || kept > e.Capacity*11/10 {
			t.Errorf("%d entries kept with room for %d", kept, e.Capacity)
		}
	})
}

// TestPeers_settings: every peer states its settings, and names are unique.
func TestPeers_settings(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range adapter.Peers() {
		if p.Settings == "" || len(p.Modules) == 0 || seen[p.Name] || strings.Contains(p.Name, " ") {
			t.Errorf("%+v", p)
		}
		seen[p.Name] = true
		if found, err := adapter.Find(p.Name); err != nil || found.Name != p.Name {
			t.Errorf("Find(%q): %v, %v", p.Name, found.Name, err)
		}
	}
	if _, err := adapter.Find("none"); err == nil {
		t.Error("found a peer that does not exist")
	}
}
