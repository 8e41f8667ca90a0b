package redistest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// slots is how many hash slots a cluster has.
const slots = 16384

// A Cluster is a set of primaries that share the hash slots evenly, in order, until slots
// are moved. Methods that add nodes must not run concurrently.
type Cluster struct {
	Nodes    []*Server // the primaries, including those that joined later
	Replicas []*Server // in the order in which they were added

	mu     sync.Mutex
	owners [slots]*Server
}

// StartCluster starts a cluster of primaries that ends with the test.
func StartCluster(t testing.TB, primaries int) *Cluster {
	t.Helper()
	c, err := NewCluster(primaries)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { finish(t, c.Nodes...) })
	return c
}

// StartClusterTLS is StartCluster over TLS, where all nodes have one certificate.
func StartClusterTLS(t testing.TB, primaries int) *Cluster {
	t.Helper()
	dir := t.TempDir() // with the certificate
	c, err := newCluster(primaries, func(i int) *Options {
		own := []string{"tls-cluster yes", fmt.Sprintf("cluster-config-file nodes-%d.conf", i)}
		return &Options{TLS: true, Dir: dir, Config: slices.Concat(clusterConfig, own)}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { finish(t, c.Nodes...) })
	return c
}

// StartReplicatedCluster is StartCluster where each primary has a replica.
func StartReplicatedCluster(t testing.TB, primaries int) *Cluster {
	t.Helper()
	c := StartCluster(t, primaries)
	c.AddReplicas(t)
	return c
}

// clusterConfig makes a server a node of a cluster.
var clusterConfig = []string{"cluster-enabled yes", "cluster-node-timeout 5000"}

// NewCluster starts a cluster and returns when every node finds it complete. The
// caller closes it.
func NewCluster(primaries int) (*Cluster, error) {
	return newCluster(primaries, func(int) *Options { return &Options{Config: clusterConfig} })
}

// newCluster is NewCluster with the options of each node.
func newCluster(primaries int, options func(i int) *Options) (*Cluster, error) {
	c := &Cluster{}
	if err := c.build(primaries, options); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) build(n int, options func(i int) *Options) error {
	for i := range n {
		s, err := New(options(i))
		if err != nil {
			return err
		}
		c.Nodes = append(c.Nodes, s)
		add := []any{"CLUSTER", "ADDSLOTS"} // ADDSLOTSRANGE is missing in 6.2
		for slot := i * slots / n; slot < (i+1)*slots/n; slot++ {
			add = append(add, slot)
			c.owners[slot] = s
		}
		// Without distinct epochs the nodes would first have to resolve a conflict.
		if _, err := s.Do("CLUSTER", "SET-CONFIG-EPOCH", i+1); err != nil {
			return err
		}
		if _, err := s.Do(add...); err != nil {
			return err
		}
	}
	for _, s := range c.Nodes[1:] {
		if _, err := c.Nodes[0].Do("CLUSTER", "MEET", "127.0.0.1", s.Port()); err != nil {
			return err
		}
	}
	return c.waitComplete()
}

// waitComplete waits until all nodes know each other and all slots are served.
func (c *Cluster) waitComplete() error {
	all := c.all()
	return waitFor("the cluster to be complete", func() bool {
		return !slices.ContainsFunc(all, func(s *Server) bool { return !s.clusterOK(len(all)) })
	})
}

// all returns the primaries and the replicas.
func (c *Cluster) all() []*Server { return slices.Concat(c.Nodes, c.Replicas) }

// clusterOK reports whether this node sees n nodes that serve all slots.
func (s *Server) clusterOK(n int) bool {
	reply, err := s.Do("CLUSTER", "INFO")
	text, _ := reply.(string)
	info := parseInfo(text)
	return err == nil && info["cluster_state"] == "ok" && info["cluster_known_nodes"] == fmt.Sprint(n) &&
		info["cluster_slots_ok"] == fmt.Sprint(slots)
}

// Addrs returns the addresses of the nodes.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.Nodes))
	for i, s := range c.Nodes {
		addrs[i] = s.Addr()
	}
	return addrs
}

// Owner returns the node that serves key, ignoring failovers.
func (c *Cluster) Owner(key string) (*Server, error) {
	slot, err := c.Slot(key)
	if err != nil {
		return nil, err
	}
	return c.OwnerOf(slot), nil
}

// Slot returns the hash slot of key.
func (c *Cluster) Slot(key string) (int, error) {
	reply, err := c.Nodes[0].Do("CLUSTER", "KEYSLOT", key)
	slot, _ := reply.(int64)
	return int(slot), err
}

// OwnerOf returns the node that serves slot, ignoring failovers.
func (c *Cluster) OwnerOf(slot int) *Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owners[slot]
}

// give records that to serves the slots from first to last.
func (c *Cluster) give(first, last int, to *Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for slot := first; slot <= last; slot++ {
		c.owners[slot] = to
	}
}

// Do runs a command on the node that serves its first argument as a key.
func (c *Cluster) Do(command string, key string, args ...any) (any, error) {
	s, err := c.Owner(key)
	if err != nil {
		return nil, err
	}
	return s.Do(append([]any{command, key}, args...)...)
}

// Close kills all nodes.
func (c *Cluster) Close() {
	for _, s := range c.all() {
		s.Close()
	}
}
