package strata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store/redisstore"
)

// failSafe returns a cache of ids with stale values. Its source fails when fails is set.
func failSafe(t *testing.T, b *strata.Backend, o strata.Options[int, int]) (c *strata.Cache[int, int], fails *atomic.Bool) {
	t.Helper()
	fails = new(atomic.Bool)
	o.TTL, o.StaleFor, o.RetryAfter = time.Hour, time.Hour, -1
	c, err := strata.New(b, "n", func(_ context.Context, id int) (int, error) {
		if fails.Load() {
			return 0, errDay
		}
		return id, nil
	}, &o)
	if err != nil {
		t.Fatal(err)
	}
	return c, fails
}

// inL1 waits until c has copies of ids.
func inL1(t *testing.T, c *strata.Cache[int, int], ids []int) {
	t.Helper()
	redistest.WaitFor(t, "copies in L1", func() bool {
		entries, err := c.GetManyEntries(t.Context(), ids)
		return err == nil && !slices.ContainsFunc(ids, func(id int) bool { return entries[id].Tier != layered.L1 })
	})
}

// A Redis that lost its data makes the missing keys of tags again, which invalidates no copy
// as far as fail-safe goes. Invalidations of this process do. (With Broadcast, Redis also
// pushes writes that invalidate nothing, so there a copy with tags may be refused.)
func TestFailSafe_emptiedRedisWithTags(t *testing.T) {
	for _, tracking := range []strata.Tracking{strata.PerKey, strata.NoTracking, strata.PubSub} {
		t.Run(tracking.String(), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, nil)
			b := backend(t, &strata.Config{RedisURL: server.URL(), Tracking: tracking})
			c, fails := failSafe(t, b, strata.Options[int, int]{Tags: func(id, _ int) []string { return []string{fmt.Sprint("t", id)} }})
			ids := []int{1, 2, 3}
			inL1(t, c, ids)
			fails.Store(true)
			for range 2 { // it may happen again
				server.Kill()
				if err := server.Restart(); err != nil {
					t.Fatal(err)
				}
				redistest.WaitFor(t, "Redis to be used again", func() bool { return b.Ping(t.Context()) == nil && b.Health().Err() == nil })
				for range 3 {
					for _, id := range ids {
						e, err := c.GetEntry(t.Context(), id)
						if err != nil || e.Value != id || !e.Stale || !errors.Is(e.Cause, errDay) {
							t.Errorf("id %d: %+v, %v", id, e, err)
						}
					}
					if got, err := c.GetMany(t.Context(), ids); err != nil || len(got) != len(ids) {
						t.Errorf("GetMany: %v, %v", got, err)
					}
				}
			}
			if err := b.InvalidateTags(t.Context(), "t1"); err != nil {
				t.Fatal(err)
			}
			if e, err := c.GetEntry(t.Context(), 1); !errors.Is(err, errDay) {
				t.Errorf("an invalidated tag: %+v, %v", e, err)
			}
			if _, err := c.GetEntry(t.Context(), 2); err != nil {
				t.Errorf("another tag: %v", err)
			}
			fails.Store(false)
			inL1(t, c, ids) // with tags of the new Redis
			if err := b.InvalidateTags(t.Context(), "t2"); err != nil {
				t.Fatal(err)
			}
			fails.Store(true)
			if e, err := c.GetEntry(t.Context(), 2); !errors.Is(err, errDay) {
				t.Errorf("a tag that was invalidated later: %+v, %v", e, err)
			}
		})
	}
}

// A primary of a cluster is lost with its data, and another serves its slots: that it does
// not have the values is no sign of a change.
func TestFailSafe_primaryIsLost(t *testing.T) {
	cl := redistest.StartCluster(t, 3)
	client, err := (&redisstore.Dialer{}).Dial(rueidis.ClientOption{InitAddress: cl.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b := backend(t, &strata.Config{Redis: client})
	c, fails := failSafe(t, b, strata.Options[int, int]{})
	ids := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	inL1(t, c, ids)
	fails.Store(true)
	if err := cl.Lose(cl.Nodes[2], cl.Nodes[0]); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "Redis to be used again", func() bool { return b.Ping(t.Context()) == nil && b.Health().Err() == nil })
	stale := 0
	for _, id := range ids {
		e, err := c.GetEntry(t.Context(), id)
		if err != nil || e.Value != id {
			t.Errorf("id %d: %+v, %v", id, e, err)
		}
		if e.Stale {
			stale++
		}
	}
	if stale == 0 || stale == len(ids) {
		t.Errorf("%d of %d values were lost", stale, len(ids))
	}
}
