package strata_test

import (
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store/redisstore"
)

// A shard joins a cluster while processes run. The guarantees of tokens and DeleteAndWait
// hold for its keys, also over a link that is slow or drops everything.
func TestToken_shardJoins(t *testing.T) {
	const disconnected = 500 * time.Millisecond
	cl := redistest.StartCluster(t, 2)
	network := redistest.StartNetwork(t)
	var s counter
	process := func(opt rueidis.ClientOption) (*strata.Backend, *strata.Cache[int, int64]) {
		opt.InitAddress = cl.Addrs()
		client, err := (&redisstore.Dialer{MaxDisconnected: disconnected}).Dial(opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		b := backend(t, &strata.Config{Redis: client, MaxDisconnected: disconnected})
		c, err := strata.New(b, "counter", s.Load, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b, c
	}
	_, here := process(rueidis.ClientOption{DialCtxFn: network.Dial})
	writer, there := process(rueidis.ClientOption{})
	inL1 := func() {
		t.Helper()
		redistest.WaitFor(t, "a copy in L1", func() bool {
			e, err := here.GetEntry(t.Context(), 1)
			return err == nil && e.Tier == layered.L1 && e.Value == s.version.Load()
		})
	}
	inL1()
	joined := cl.Join(t)
	if err := cl.MoveRange(0, 0, joined, func() {}); err != nil { // an epoch of its own
		t.Fatal(err)
	}
	key := redisKey(t, cl)
	slot, err := cl.Slot(key)
	if err == nil {
		err = cl.Move(slot, joined, func() {})
	}
	if err != nil {
		t.Fatal(err)
	}
	inL1()
	link := network.Link(joined)
	link.Delay(100 * time.Millisecond)
	for range 5 {
		inL1()
		v := s.version.Add(1)
		if err := there.Delete(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if got, err := here.Get(strata.WithToken(t.Context(), writer.Token()), 1); got != v || err != nil {
			t.Errorf("with the token of the Delete: %d, %v; want %d", got, err, v)
		}
	}
	link.Delay(0)
	inL1()
	link.Hole(true)
	v := s.version.Add(1)
	if err := there.DeleteAndWait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if got, err := here.Get(t.Context(), 1); got != v || err != nil {
			t.Fatalf("after DeleteAndWait: %d, %v; want %d", got, err, v)
		}
	}
	link.Hole(false)
}

// redisKey returns the key of id 1 in Redis: the only one that is a value.
func redisKey(t *testing.T, cl *redistest.Cluster) (key string) {
	t.Helper()
	redistest.WaitFor(t, "the value in Redis", func() bool {
		for _, n := range cl.Nodes {
			keys, _ := n.Do("KEYS", "strata:counter:*")
			if list, _ := keys.([]any); len(list) == 1 {
				key, _ = list[0].(string)
				return true
			}
		}
		return false
	})
	return key
}
