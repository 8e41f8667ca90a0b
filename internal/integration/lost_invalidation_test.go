package integration_test

import (
	"testing"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store/redisstore"
)

// If Redis evicts a key during a command of the process with a copy in L1, it pushes no
// invalidation to that process, nor for later changes of the key.
func TestLostInvalidation_eviction(t *testing.T) {
	server := redistest.Start(t, nil)
	a := build(t, server, nil)
	set := func(name, value string) {
		if _, err := server.Do("CONFIG", "SET", name, value); err != nil {
			t.Fatal(err)
		}
	}
	want(t, a, now(1), 1, layered.Origin)
	want(t, a, now(9), 1, layered.L1)
	set("maxmemory", "1") // nothing is evicted yet
	set("maxmemory-policy", "allkeys-lru")
	if _, err := a.Find(t.Context(), "other", layered.Source[int]{Load: now(1)}); err != nil { // it reads over the tracked connection
		t.Fatal(err)
	}
	redistest.WaitFor(t, "an eviction", func() bool {
		info, err := server.Info("stats")
		return err == nil && info["evicted_keys"] != "0"
	})
	set("maxmemory", "0")
	if _, err := server.Do("SET", "h:k", "another"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the change to be seen", func() bool {
		f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(2)})
		return err == nil && f.Value == 2
	})
}

// A primary that has become a replica is not relied on for invalidations.
func TestLostInvalidation_primaryBecomesReplica(t *testing.T) {
	cluster := redistest.StartCluster(t, 1)
	first := cluster.Nodes[0]
	second := cluster.AddReplica(t)
	c, err := redisstore.Dial(rueidis.ClientOption{InitAddress: cluster.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	a := houseOn(t, c, nil)
	swap := func(replica, primary *redistest.Server) {
		t.Helper()
		if err := replica.TakeOver(); err != nil {
			t.Fatal(err)
		}
		if err := primary.Follows(); err != nil {
			t.Fatal(err)
		}
	}
	want(t, a, now(1), 1, layered.Origin)
	swap(second, first)
	seen := func(load, v int) {
		t.Helper()
		redistest.WaitFor(t, "the value to be seen", func() bool {
			f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(load)})
			return err == nil && f.Value == v && f.Tier == layered.L1
		})
	}
	// It was no primary when the client dialled, and received no commands since.
	redistest.WaitFor(t, "the second to be asked", func() bool { return c.Sync(t.Context()) == nil })
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	seen(2, 2) // from the second, over a separate connection
	swap(first, second)
	// The second is alive but receives no writes of the first.
	for _, cmd := range [][]any{{"CONFIG", "SET", "requirepass", "secret"}, {"CLIENT", "KILL", "TYPE", "replica"}, {"SET", "h:k", "another"}} {
		if _, err := first.Do(cmd...); err != nil {
			t.Fatal(err)
		}
	}
	seen(3, 3)
}
