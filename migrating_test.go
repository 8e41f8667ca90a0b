package strata_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// clusterURL names the nodes of a cluster.
func clusterURL(cl *redistest.Cluster) string {
	url := "redis://" + cl.Nodes[0].Addr()
	for i, n := range cl.Nodes[1:] {
		url += map[bool]string{true: "?", false: "&"}[i == 0] + "addr=" + n.Addr()
	}
	return url
}

// TestInvalidate_migratingSlot: tags are invalidated and caches cleared while the slot of
// the key used for that is MIGRATING, with the key still at the source node.
func TestInvalidate_migratingSlot(t *testing.T) {
	for name, key := range map[string]string{"clock": "strata:!clock", "tag": "strata:!t:t", "note of Clear": "strata:!c:strata:n:v0-" + strata.SchemaOf[int64](nil) + ":"} {
		t.Run(name, func(t *testing.T) {
			cl := redistest.StartCluster(t, 2)
			var source counter
			open := func() (*strata.Backend, *strata.Cache[int, int64]) {
				b := backend(t, &strata.Config{RedisURL: clusterURL(cl), MaxDisconnected: time.Second})
				c, err := strata.New(b, "n", source.Load, &strata.Options[int, int64]{
					TTL: time.Hour, Tags: func(int, int64) []string { return []string{"t"} },
				})
				if err != nil {
					t.Fatal(err)
				}
				return b, c
			}
			b, here := open()
			_, there := open()
			changes := map[string]func() error{
				"InvalidateTags": func() error { return b.InvalidateTags(t.Context(), "t") },
				"Clear":          func() error { return here.Clear(t.Context()) },
			}
			for name, change := range changes { // so that all keys are there
				if err := change(); err != nil {
					t.Fatal(name, err)
				}
			}
			slot, err := cl.Slot(key)
			if err != nil {
				t.Fatal(err)
			}
			from, to := cl.Nodes[0], cl.Nodes[1]
			if owner, _ := cl.Owner(key); owner == to {
				from, to = to, from
			}
			if n, err := from.Do("EXISTS", key); n != int64(1) || err != nil {
				t.Fatalf("%v keys %s, %v", n, key, err)
			}
			if err := cl.BeginMove(slot, to, func() {}); err != nil {
				t.Fatal(err)
			}
			for name, change := range changes {
				read(t, here, 1)
				read(t, there, 1)
				v := source.version.Add(1)
				if err := change(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if got := read(t, here, 1); got != v {
					t.Errorf("after %s the process that called reads %d, want %d", name, got, v)
				}
				if got, err := there.GetFresh(t.Context(), 1); got != v || err != nil {
					t.Errorf("after %s another process reads %d, %v; want %d", name, got, err, v)
				}
			}
		})
	}
}
