package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// A value kept under a hold ends with it, whatever its TTL, and a hold outlives the values
// kept under it.
func TestHold_expire(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	for _, ttl := range []time.Duration{time.Hour, store.Forever, time.Millisecond, -1} {
		if err := a.DeleteHolding(t.Context(), store.Hold{For: time.Minute}, "k"); err != nil {
			t.Fatal(err)
		}
		seen(t, b, 1)
		if err := b.Expire(t.Context(), "k", ttl); err != nil {
			t.Fatal(err)
		}
		left, err := b.TTL(t.Context(), "k")
		if err == nil && left > time.Minute {
			t.Errorf("with a life of %v it outlives the hold: %v", ttl, left)
		}
		if err := a.MarkStale(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(2)})
		if err != nil || f.Value != 2 || ttl < 0 && f.ExpiresAt.Until() > time.Minute {
			t.Errorf("with a life of %v the hold is over: got %d for %v, %v", ttl, f.Value, f.ExpiresAt.Until(), err)
		}
	}
}

// A full Redis accepts deletions and keeps holds.
func TestHold_full(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	limit := func(bytes int) {
		if _, err := server.Do("CONFIG", "SET", "maxmemory", bytes); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func() error{
		"Delete":        func() error { return a.Delete(t.Context(), "k") },
		"DeleteHolding": func() error { return a.DeleteHolding(t.Context(), store.Hold{For: time.Minute}, "k") },
		"MarkStale":     func() error { return a.MarkStale(t.Context(), "k") },
		"BeginWrite":    func() error { _, err := a.BeginWrite(t.Context(), time.Minute, "k"); return err },
	} {
		for _, hold := range []bool{false, true} {
			server.Do("FLUSHALL")
			if hold {
				if err := b.DeleteHolding(t.Context(), store.Hold{For: time.Minute}, "k"); err != nil {
					t.Fatal(err)
				}
			}
			seen(t, b, 1)
			limit(1)
			if err := change(); err != nil {
				t.Errorf("%s, hold %v: %v", name, hold, err)
			}
			limit(0)
			f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(2)})
			if err != nil || f.Value != 2 {
				t.Errorf("%s, hold %v: then got %d, %v", name, hold, f.Value, err)
			}
			if hold && name != "MarkStale" && f.ExpiresAt.Until() > time.Minute {
				t.Errorf("%s: the hold is over", name)
			}
		}
	}
}

// A source that failed is skipped only if there is a stale value to return. A value that
// was about to expire when the load began does not count.
func TestLease_failedLoadWithoutAStaleValue(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	broken := func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{}, errors.New("broken")
	}
	end := store.In(2 * time.Second) // sooner than a lease
	if err := b.Set(t.Context(), "k", store.Entry[int]{Value: 1, ExpiresAt: end}); err != nil {
		t.Fatal(err)
	}
	if err := b.MarkStale(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: broken}); err != nil || !f.Stale {
		t.Errorf("who had read the stale value got %+v, %v", f, err)
	}
	want(t, b, now(2), 2, layered.Origin)
}

// The scripts work at every step of a migration of the slot of their key: a removed value
// cannot be written again.
func TestHold_slotMoves(t *testing.T) {
	cluster := redistest.StartCluster(t, 2)
	c, err := redisstore.Dial(rueidis.ClientOption{InitAddress: cluster.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := redisstore.New(c, &redisstore.Options[int]{Prefix: "{h}:"})
	ctx := t.Context()
	one := store.Entry[int]{Value: 1, ExpiresAt: store.In(time.Hour)}
	hold := func(key string) error { return s.DeleteHolding(ctx, store.Hold{For: time.Minute}, key) }
	bracket := func(other func(string) error) func(string) error {
		return func(key string) error {
			token, err := s.BeginWrite(ctx, time.Minute, key)
			return errors.Join(err, other(key), s.EndWrite(ctx, token, map[string]store.Entry[int]{key: one}, key))
		}
	}
	set := func(key string) error { return s.Set(ctx, key, one) }
	lease := func(end func(string, store.Grant) error) func(string) error {
		return func(key string) error {
			g, err := s.Lease(ctx, key, time.Minute, 0)
			if err != nil || g.State != store.Granted {
				return fmt.Errorf("lease: %+v, %w", g, err)
			}
			return end(key, g)
		}
	}
	remove := func(key string) error { return s.Delete(ctx, key) }
	ops := []func(string) error{
		remove, hold, hold, remove, set, remove, set, hold, // a hold, with and without a value, and then without end
		func(key string) error { return s.MarkStale(ctx, key) },
		func(key string) error { return s.Expire(ctx, key, -1) },
		bracket(func(string) error { return nil }), remove,
		bracket(hold), bracket(bracket(set)), remove,
		lease(func(key string, g store.Grant) error { return s.Renew(ctx, key, g.Lease, time.Minute) }), remove,
		lease(func(key string, g store.Grant) error { return s.Release(ctx, key, g.Lease, 0, "") }),
		lease(func(key string, g store.Grant) error {
			e := one
			e.Stamp = g.Stamp
			_, _, err := s.FillLeased(ctx, key, g.Lease, e)
			return err
		}),
	}
	slot, err := cluster.Slot("{h}:")
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]string, 20)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		if err := set(keys[i]); err != nil {
			t.Fatal(err)
		}
	}
	next := 0
	for range 2 { // back and forth
		from, err := cluster.Owner("{h}:")
		if err != nil {
			t.Fatal(err)
		}
		to := cluster.Nodes[0]
		if from == to {
			to = cluster.Nodes[1]
		}
		err = cluster.Move(slot, to, func() {
			for i, op := range ops {
				if err := op(keys[next%len(keys)]); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("step %d, operation %d: %v", next, i, err)
				}
			}
			next++
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if next < 20 {
		t.Errorf("%d steps", next)
	}
}
