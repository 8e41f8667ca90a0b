package redisstore_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// modes are the ways in which Redis sends invalidations.
var modes = map[string][]string{"per key": nil, "broadcast": {"p:"}}

// member connects a store to a cluster. A listener keeps its heartbeat going.
func member(t *testing.T, d redisstore.Dialer, opt rueidis.ClientOption) (*redisstore.Client, *redisstore.Store[string]) {
	t.Helper()
	d.Timeout = patience
	c := dialWith(t, &d, opt)
	s := strings(c, "p:")
	alive(t, s)
	redistest.WaitFor(t, "the first heartbeat", func() bool { return c.Health().Connected })
	return c, s
}

// keyIn returns a key in a slot of s that is not its first one.
func keyIn(t *testing.T, c *redistest.Cluster, s *redistest.Server) (key string, slot int) {
	t.Helper()
	for i := 0; ; i++ {
		key = fmt.Sprint("k", i)
		slot, err := c.Slot("p:" + key)
		if err != nil {
			t.Fatal(err)
		}
		if owner, err := c.Owner("p:" + key); err == nil && owner == s && slot > 50 {
			return key, slot
		}
	}
}

// A shard that joins a cluster after the client has connected is part of the heartbeat:
// what it does not answer is not taken for answered.
func TestTopology_shardJoins(t *testing.T) {
	for mode, prefixes := range modes {
		t.Run(mode, func(t *testing.T) {
			cl := redistest.StartCluster(t, 2)
			network := redistest.StartNetwork(t)
			opt := rueidis.ClientOption{InitAddress: cl.Addrs(), DialCtxFn: network.Dial}
			c, s := member(t, redisstore.Dialer{MaxDisconnected: time.Minute, Broadcast: prefixes}, opt)
			key, slot := keyIn(t, cl, cl.Nodes[0])
			joined := cl.Join(t)
			if err := cl.Move(slot, joined, func() {}); err != nil {
				t.Fatal(err)
			}
			redistest.WaitFor(t, "a read from the new shard", func() bool { return s.Set(ctx, key, store.Entry[string]{Value: "v"}) == nil && has(s, key, "v") })
			if err := c.Sync(ctx); err != nil {
				t.Fatal(err)
			}
			network.Link(joined).HoleReplies(true)
			short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			if err := c.Sync(short); err == nil {
				t.Error("Sync: nil, though the new shard does not answer")
			}
			network.Link(joined).HoleReplies(false)
			redistest.WaitFor(t, "the new shard to answer again", func() bool { return c.Sync(ctx) == nil })
		})
	}
}

// A leave is a way in which a slot leaves the node that serves it.
type leave struct {
	name string
	run  func(c *redistest.Cluster, slot int, to *redistest.Server) error
}

// leaves are those that the server has.
func leaves(t *testing.T, s *redistest.Server) []leave {
	t.Helper()
	all := []leave{
		{"key by key", func(c *redistest.Cluster, slot int, to *redistest.Server) error { return c.Move(slot, to, func() {}) }},
		{"without its keys", (*redistest.Cluster).Seize},
	}
	atomic, err := s.Supports(redistest.AtomicMigration)
	if err != nil {
		t.Fatal(err)
	}
	if atomic {
		all = append(all, leave{"atomically", func(c *redistest.Cluster, slot int, to *redistest.Server) error {
			return c.MoveAtomically(slot, slot, to)
		}})
	}
	return all
}

// However a slot leaves a node, the next heartbeat makes the copies in L1 suspect. All
// slots move to one node, so that the epoch of the cluster does not grow with each move.
func TestTopology_slotLeaves(t *testing.T) {
	cl := redistest.StartCluster(t, 2)
	for _, leave := range leaves(t, cl.Nodes[0]) {
		for mode, prefixes := range modes {
			t.Run(leave.name+", "+mode, func(t *testing.T) {
				c, s := member(t, redisstore.Dialer{MaxDisconnected: time.Minute, Broadcast: prefixes}, rueidis.ClientOption{InitAddress: cl.Addrs()})
				for range 3 {
					key, slot := keyIn(t, cl, cl.Nodes[0])
					get(t, s, key, "")
					if err := c.Sync(ctx); err != nil {
						t.Fatal(err)
					}
					l := watch(t, s)
					if err := leave.run(cl, slot, cl.Nodes[1]); err != nil {
						t.Fatal(err)
					}
					if err := c.Sync(ctx); err != nil {
						t.Fatal(err)
					}
					if l.alls() == 0 {
						t.Errorf("slot %d has moved, and no copy is suspect", slot)
					}
				}
			})
		}
	}
}

// The key of the heartbeat follows when its slot leaves the node, and a node that serves
// no slot any more is left alone.
func TestTopology_slotOfTheHeartbeatLeaves(t *testing.T) {
	cl := redistest.StartCluster(t, 2)
	small := cl.Join(t)
	// Else it becomes a replica of the node that takes its last slot, in the middle of that.
	if _, err := small.Do("CONFIG", "SET", "cluster-allow-replica-migration", "no"); err != nil {
		t.Fatal(err)
	}
	if err := cl.MoveRange(100, 102, small, func() {}); err != nil {
		t.Fatal(err)
	}
	c, s := member(t, redisstore.Dialer{MaxDisconnected: time.Minute}, rueidis.ClientOption{InitAddress: cl.Addrs()})
	for _, slot := range []int{0, 100, 101, 102} { // the first of a range each; 102 is the last of small
		if err := cl.Move(slot, cl.Nodes[1], func() {}); err != nil {
			t.Fatal(err)
		}
		if err := c.Sync(ctx); err != nil {
			t.Errorf("slot %d has moved: %v", slot, err)
		}
	}
	small.Kill()
	redistest.WaitFor(t, "the others not to need it", func() bool { return c.Sync(ctx) == nil })
	key, _ := keyIn(t, cl, cl.Nodes[0])
	set(t, s, key, "v")
	get(t, s, key, "v")
	if nodes := c.Health().Nodes; len(nodes) > 0 {
		t.Errorf("nodes that do not answer: %v", nodes)
	}
}

// While the slot of its key is being moved, the heartbeat uses another slot of the node:
// for a key that is not there the node answers that another is to be asked.
func TestTopology_slotOfTheHeartbeatIsMoving(t *testing.T) {
	cl := redistest.StartCluster(t, 2)
	c, _ := member(t, redisstore.Dialer{MaxDisconnected: time.Minute}, rueidis.ClientOption{InitAddress: cl.Addrs()})
	steps := 0
	err := cl.Move(0, cl.Nodes[1], func() {
		steps++
		if err := c.Sync(ctx); err != nil {
			t.Errorf("step %d: %v", steps, err)
		}
	})
	if err != nil || steps == 0 {
		t.Fatal(steps, err)
	}
}

// A cluster that tells no hosts is at the host that was asked.
func TestTopology_noHost(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *redistest.Cluster{
		"a node that has met no other": func(t *testing.T) *redistest.Cluster { return redistest.StartCluster(t, 1) },
		"hosts are hidden": func(t *testing.T) *redistest.Cluster {
			cl := redistest.StartCluster(t, 3)
			if err := cl.HideHosts(); err != nil {
				t.Fatal(err)
			}
			return cl
		},
	} {
		t.Run(name, func(t *testing.T) {
			cl := start(t)
			c, s := member(t, redisstore.Dialer{}, rueidis.ClientOption{InitAddress: cl.Addrs()[:1]})
			for i := range 20 {
				set(t, s, fmt.Sprint("k", i), "v")
				get(t, s, fmt.Sprint("k", i), "v")
			}
			if err := c.Sync(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// Where hosts are hidden a node sends clients to ":port". The connection that rueidis
// makes of that is part of the heartbeat, too.
func TestTopology_noHost_redirected(t *testing.T) {
	cl := redistest.StartCluster(t, 2)
	if err := cl.HideHosts(); err != nil {
		t.Fatal(err)
	}
	network := redistest.StartNetwork(t)
	c, s := member(t, redisstore.Dialer{MaxDisconnected: time.Minute}, rueidis.ClientOption{InitAddress: cl.Addrs()[:1], DialCtxFn: network.Dial})
	key, slot := keyIn(t, cl, cl.Nodes[0])
	if err := cl.Move(slot, cl.Nodes[1], func() {}); err != nil {
		t.Fatal(err)
	}
	set(t, s, key, "v")
	get(t, s, key, "v")
	if err := c.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	l := watch(t, s)
	if _, err := cl.Do("SET", "p:"+key, "foreign"); err != nil {
		t.Fatal(err)
	}
	if err := c.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if !l.told(key) && l.alls() == 0 {
		t.Error("Sync returned before the invalidation")
	}
}

// Addresses are used as the cluster names them: by host name, or by IPv6 address.
func TestTopology_addresses(t *testing.T) {
	for name, test := range map[string]struct {
		settings []string
		host     string
	}{
		"host names": {[]string{"cluster-announce-hostname", "node.example", "cluster-preferred-endpoint-type", "hostname"}, "node.example"},
		"IPv6":       {[]string{"cluster-announce-ip", "fd00::1"}, "fd00::1"},
	} {
		t.Run(name, func(t *testing.T) {
			cl := redistest.StartCluster(t, 1)
			for i := 0; i < len(test.settings); i += 2 {
				if _, err := cl.Nodes[0].Do("CONFIG", "SET", test.settings[i], test.settings[i+1]); err != nil {
					t.Fatal(err)
				}
			}
			dialed := make(chan string, 100)
			opt := rueidis.ClientOption{InitAddress: cl.Addrs()}
			opt.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
				dialed <- addr
				return d.DialContext(ctx, "tcp", cl.Nodes[0].Addr())
			}
			c, s := member(t, redisstore.Dialer{}, opt)
			set(t, s, "k", "v")
			get(t, s, "k", "v")
			if err := c.Sync(ctx); err != nil {
				t.Fatal(err)
			}
			want := net.JoinHostPort(test.host, fmt.Sprint(cl.Nodes[0].Port()))
			redistest.WaitFor(t, "the node to be dialled as "+want, func() bool { return <-dialed == want })
		})
	}
}

// A cluster that is to name hosts but has no names cannot be used, and says what to do.
func TestTopology_noHostNames(t *testing.T) {
	cl := redistest.StartCluster(t, 1)
	if _, err := cl.Nodes[0].Do("CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname"); err != nil {
		t.Fatal(err)
	}
	c := dial(t, rueidis.ClientOption{InitAddress: cl.Addrs()})
	if err := c.Sync(ctx); err == nil || !stdstrings.Contains(err.Error(), "cluster-announce-hostname") {
		t.Errorf("Sync: %v", err)
	}
}

// A replica that takes over is used at once, also as long as the cluster has not noticed that the
// old primary is lost. Redis 8 leaves the slots out of its reply to CLUSTER SHARDS until then.
func TestTopology_lossNotNoticed(t *testing.T) {
	cl := redistest.StartReplicatedCluster(t, 2)
	for _, n := range append(cl.Replicas, cl.Nodes...) {
		if _, err := n.Do("CONFIG", "SET", "cluster-node-timeout", 600_000); err != nil {
			t.Fatal(err)
		}
	}
	_, s := member(t, redisstore.Dialer{}, rueidis.ClientOption{InitAddress: cl.Addrs()})
	key, _ := keyIn(t, cl, cl.Nodes[0])
	set(t, s, key, "v")
	cl.Nodes[0].Kill()
	if err := cl.Replicas[0].TakeOver(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "a write after the takeover", func() bool { return s.Set(ctx, key, store.Entry[string]{Value: "w"}) == nil })
	redistest.WaitFor(t, "a read after the takeover", func() bool { return has(s, key, "w") })
}

// A Delete reaches a replica that has taken over as soon as the other nodes know of it. A
// client library may learn of it a second later, while other processes read the replica.
func TestTopology_deleteAfterTakeover(t *testing.T) {
	cl := redistest.StartReplicatedCluster(t, 3)
	_, s := member(t, redisstore.Dialer{MaxDisconnected: time.Minute}, rueidis.ClientOption{InitAddress: cl.Addrs()})
	keys := make([]string, len(cl.Nodes))
	for i, n := range cl.Nodes {
		keys[i], _ = keyIn(t, cl, n)
		set(t, s, keys[i], "v")
	}
	alive := slices.Concat(cl.Nodes, cl.Replicas)
	for i, n := range cl.Nodes {
		n.Kill()
		alive = slices.DeleteFunc(alive, func(s *redistest.Server) bool { return s == n })
		if err := cl.Replicas[i].TakeOver(); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "all to know", func() bool {
			return !slices.ContainsFunc(alive, func(s *redistest.Server) bool {
				_, err := s.Do("EXISTS", "p:"+keys[i])
				return s != cl.Replicas[i] && !stdstrings.Contains(fmt.Sprint(err), cl.Replicas[i].Addr())
			})
		})
		if err := s.Delete(ctx, keys[i]); err != nil {
			t.Error(err)
		}
	}
}
