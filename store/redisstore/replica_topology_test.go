package redisstore_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A cluster and sentinels name their replicas, also after one of them has taken over.
func TestReadReplicas_cluster(t *testing.T) {
	cl := redistest.StartReplicatedCluster(t, 2)
	s, c := readsReplicas(t, rueidis.ClientOption{InitAddress: cl.Addrs()})
	alive(t, s)
	keys := []string{"k", "{a}", "{b}", "{c}", "{d}"}
	for _, key := range keys {
		set(t, s, key, padded("v"))
	}
	waitUsed(t, s, c, keys...)
	for _, r := range cl.Replicas { // a client that came before the replica looks again later
		redistest.WaitFor(t, "each replica to be asked", func() bool {
			for _, key := range keys {
				get(t, s, key, padded("v"))
			}
			return calls(t, r)["get"] > 0
		})
	}
	checkReads(t, s)
	if err := cl.Replicas[0].Pause(); err != nil {
		t.Fatal(err)
	}
	checkReads(t, s)
	if err := cl.Replicas[0].Resume(); err != nil {
		t.Fatal(err)
	}
	waitUsed(t, s, c, keys...)
	if err := cl.Replicas[0].Failover(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the new primary to take a write", func() bool { return s.Delete(ctx, keys...) == nil })
	for _, key := range keys {
		redistest.WaitFor(t, "a write", func() bool {
			return s.Set(ctx, key, store.Entry[string]{Value: padded("v"), ExpiresAt: store.In(time.Hour)}) == nil
		})
	}
	redistest.WaitFor(t, "a read after the failover", func() bool { _, err := s.GetMany(ctx, keys); return err == nil })
	waitUsed(t, s, c, keys...)
	checkReads(t, s)
}

func TestReadReplicas_sentinel(t *testing.T) {
	sentinels := redistest.StartSentinel(t)
	s, c := readsReplicas(t, rueidis.ClientOption{InitAddress: sentinels.Addrs(), Sentinel: rueidis.SentinelOption{MasterSet: redistest.MasterSet}})
	alive(t, s)
	if n := calls(t, sentinels.Replica)["get"]; n == 0 {
		t.Error("the replica was not asked")
	}
	checkReads(t, s)
	sentinels.Primary.Kill()
	redistest.WaitFor(t, "the failover", func() bool {
		return s.Set(ctx, "k", store.Entry[string]{Value: padded("v"), ExpiresAt: store.In(time.Hour)}) == nil
	})
	checkReads(t, s) // the only replica is the primary now
	if err := sentinels.Primary.Restart(); err != nil {
		t.Fatal(err)
	}
	set(t, s, "k", padded("v"))
	waitUsed(t, s, c, "k")
	checkReads(t, s)
}
