package integration_test

import (
	"testing"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store/redisstore"
)

// A key that Redis evicts while it runs a command of the process that has it in L1 is
// not told to that process, nor what happens to the key from then on.
func TestUntold_eviction(t *testing.T) {
	server := redistest.Start(t, nil)
	a := build(t, server, nil)
	set := func(name, value string) {
		if _, err := server.Do("CONFIG", "SET", name, value); err != nil {
			t.Fatal(err)
		}
	}
	want(t, a, now(1), 1, layered.Source)
	want(t, a, now(9), 1, layered.L1)
	set("maxmemory", "1") // nothing is evicted yet
	set("maxmemory-policy", "allkeys-lru")
	if _, err := a.Find(t.Context(), "other", now(1)); err != nil { // it reads over the connection that is told of changes
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
		f, err := a.Find(t.Context(), "k", now(2))
		return err == nil && f.Value == 2
	})
}

// A primary that is a replica now is not trusted to tell of changes.
func TestUntold_primaryBecomesReplica(t *testing.T) {
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
	want(t, a, now(1), 1, layered.Source)
	swap(second, first)
	seen := func(load, v int) {
		t.Helper()
		redistest.WaitFor(t, "the value to be seen", func() bool {
			f, err := a.Find(t.Context(), "k", now(load))
			return err == nil && f.Value == v && f.Tier == layered.L1
		})
	}
	// It was no primary when the client was dialled, and nothing has sent it there yet.
	redistest.WaitFor(t, "the second to be asked", func() bool { return c.Sync(t.Context()) == nil })
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	seen(2, 2) // from the second, over a connection of its own
	swap(first, second)
	// The second hears nothing of what the first does, and lives.
	for _, cmd := range [][]any{{"CONFIG", "SET", "requirepass", "secret"}, {"CLIENT", "KILL", "TYPE", "replica"}, {"SET", "h:k", "another"}} {
		if _, err := first.Do(cmd...); err != nil {
			t.Fatal(err)
		}
	}
	seen(3, 3)
}
