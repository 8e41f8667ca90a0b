package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// A table is the source of these tests: versions of rows, which only grow.
type table struct{ rows [64]atomic.Int64 }

func (t *table) load(_ context.Context, id int) (int64, error) { return t.rows[id].Load(), nil }

func open(t *testing.T, url string, src *table, o *strata.Options[int, int64]) *strata.Cache[int, int64] {
	t.Helper()
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c, err := strata.New(b, "row", src.load, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// underLoad runs f while readers read all rows, and fails the test for every read without
// an answer. rounds counts the rounds of the readers.
func underLoad(t *testing.T, c *strata.Cache[int, int64], f func(rounds *atomic.Int64)) {
	t.Helper()
	var stop atomic.Bool
	var rounds, failed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if _, err := c.Get(context.Background(), i%64); err != nil && failed.Add(1) <= 3 {
					t.Errorf("a read got no answer: %v", err)
				}
				if i%64 == 63 {
					rounds.Add(1)
					ids := make([]int, 64)
					for j := range ids {
						ids[j] = j
					}
					if vs, err := c.GetMany(context.Background(), ids); err != nil || len(vs) != 64 {
						t.Errorf("a batch got %d of 64 answers: %v", len(vs), err)
					}
				}
			}
		})
	}
	f(&rounds)
	stop.Store(true)
	wg.Wait()
}

func moreRounds(t *testing.T, rounds *atomic.Int64, n int64) {
	t.Helper()
	from := rounds.Load()
	redistest.WaitFor(t, "the readers to go on", func() bool { return rounds.Load() >= from+n })
}

// kill -9 of Redis under load loses no answers, and afterwards changes are seen again.
func TestRedisKilled(t *testing.T) {
	server := redistest.Start(t, nil)
	var src table
	c := open(t, server.URL(), &src, nil)
	other := open(t, server.URL(), &src, nil)
	underLoad(t, c, func(rounds *atomic.Int64) {
		moreRounds(t, rounds, 20)
		for range 3 {
			server.Kill()
			moreRounds(t, rounds, 20)
			server.Restart()
			moreRounds(t, rounds, 20)
		}
	})
	if st := c.Stats(); st.L2Errors == 0 || st.Lost == 0 {
		t.Errorf("the failure was not noticed: %+v", st)
	}
	for id := range 64 {
		v := src.rows[id].Add(1)
		redistest.WaitFor(t, "Redis to take the invalidation", func() bool { return other.Delete(t.Context(), id) == nil })
		redistest.WaitFor(t, "the change to be seen", func() bool {
			got, err := c.Get(t.Context(), id)
			return err == nil && got == v
		})
	}
}

// While Redis does not answer, reads take as long as its timeout and are answered by the
// source; loaded values are served from L1 for MaxDisconnected only.
func TestRedisHangs(t *testing.T) {
	server := redistest.Start(t, nil)
	var src table
	c := open(t, server.URL(), &src, nil)
	c.Get(t.Context(), 0)
	server.Pause()
	defer server.Resume()
	if v, err := c.Get(t.Context(), 1); v != 0 || err != nil {
		t.Errorf("Get = %d, %v, want the answer of the source", v, err)
	}
	if e, _ := c.GetEntry(t.Context(), 1); e.ExpiresAt.Until() > 2*time.Second {
		t.Errorf("kept in L1 for %v without hearing from Redis, want at most 2s", e.ExpiresAt.Until())
	}
	src.rows[1].Add(1)
	redistest.WaitFor(t, "L1 to forget", func() bool {
		v, err := c.Get(t.Context(), 1)
		return err == nil && v == 1
	})
	if err := c.Delete(t.Context(), 1); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Delete: %v, want ErrUnavailable", err)
	}
}

// A value that cannot be decoded is a miss, counted, and loaded again.
func TestCorruptValue(t *testing.T) {
	server := redistest.Start(t, nil)
	var src table
	src.rows[7].Store(70)
	c := open(t, server.URL(), &src, nil)
	for i, garbage := range []string{"V", "garbage", string(make([]byte, 200))} {
		if _, err := server.Do("SET", "strata:row:v0-"+strata.SchemaOf[int64](nil)+":7", garbage); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "the value to be loaded again and the corrupt one to be counted", func() bool {
			v, err := c.Get(t.Context(), 7)
			st, _ := c.Tiers().Stats(t.Context())
			return err == nil && v == 70 && st.Corrupt == uint64(i+1)
		})
	}
}

// Processes with different schema versions, and caches of different names and prefixes, do
// not see each other's values, and Clear only affects its cache.
func TestNamespaces(t *testing.T) {
	server := redistest.Start(t, nil)
	ctx := t.Context()
	cache := func(prefix, name string, version uint) *strata.Cache[int, string] {
		b, err := strata.Open(ctx, &strata.Config{RedisURL: server.URL(), Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		c, err := strata.New[int, string](b, name, nil, &strata.Options[int, string]{SchemaVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	caches := map[string]*strata.Cache[int, string]{
		"plain": cache("", "a", 0), "version 1": cache("", "a", 1), "name": cache("", "ab", 0),
		"odd name": cache("", "a:v1", 0), "prefix": cache("other:", "a", 0), "glob": cache("", "*", 0),
	}
	server.Do("SET", "a:1", "somebody else's")
	for name, c := range caches {
		if err := c.Set(ctx, 1, name); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range caches {
		if v, err := c.Get(ctx, 1); v != name || err != nil {
			t.Errorf("%s: got %q, %v", name, v, err)
		}
	}
	for name, c := range caches {
		if err := c.Clear(ctx); err != nil {
			t.Fatal(err)
		}
		delete(caches, name)
		if _, err := c.Get(ctx, 1); err != store.ErrNotFound {
			t.Errorf("%s: after Clear: %v", name, err)
		}
		for other, o := range caches {
			if v, err := o.Get(ctx, 1); v != other || err != nil {
				t.Errorf("Clear of %s took from %s: %q, %v", name, other, v, err)
			}
		}
	}
	if v, _ := server.Do("GET", "a:1"); fmt.Sprint(v) != "somebody else's" {
		t.Errorf("Clear took somebody else's key: %v", v)
	}
}

// While Redis is down, L1 keeps loaded values: failed dials of later reads do not count as
// further losses.
func TestRedisDown_L1Serves(t *testing.T) {
	server := redistest.Start(t, nil)
	var src table
	c := open(t, server.URL(), &src, nil)
	c.Get(t.Context(), 0)
	server.Kill()
	redistest.WaitFor(t, "the loss to be noticed", func() bool { return c.Stats().Lost > 1 })
	redistest.WaitFor(t, "L1 to serve all rows that were read a moment ago", func() bool {
		for id := range 64 {
			c.Get(t.Context(), id)
		}
		before := c.Stats()
		for id := range 64 {
			c.Get(t.Context(), id)
		}
		after := c.Stats()
		return after.L1Hits-before.L1Hits == 64 && after.Loads == before.Loads
	})
}

// A Redis of any kind that is unreachable at startup is used once it is reachable.
func TestRedisOptional(t *testing.T) {
	single := redistest.Start(t, nil)
	cluster := redistest.StartCluster(t, 3)
	sentinels := redistest.StartSentinel(t)
	for name, tc := range map[string]struct {
		url     string
		servers []*redistest.Server
	}{
		"single":    {single.URL(), []*redistest.Server{single}},
		"cluster":   {"redis://" + cluster.Addrs()[0] + "?addr=" + cluster.Addrs()[1], cluster.Nodes},
		"sentinels": {"redis://" + sentinels.Addrs()[0] + "?master_set=" + redistest.MasterSet, append(sentinels.Sentinels, sentinels.Primary)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range tc.servers {
				s.Kill()
			}
			b, err := strata.Open(t.Context(), &strata.Config{RedisURL: tc.url, RedisOptional: true})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			var src table
			c, err := strata.New(b, "row", src.load, nil)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := c.Get(t.Context(), 1); v != 0 || err != nil {
				t.Errorf("Get without Redis = %d, %v", v, err)
			}
			for _, s := range tc.servers {
				if err := s.Restart(); err != nil {
					t.Fatal(err)
				}
			}
			redistest.WaitFor(t, "Redis to take an invalidation", func() bool { return c.Delete(t.Context(), 1) == nil })
		})
	}
}
