package redistest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Join adds a primary without slots to a running cluster, and ends it with the cluster. It
// returns when all nodes know it.
func (c *Cluster) Join(t testing.TB) *Server {
	t.Helper()
	s, err := c.join()
	if err == nil {
		c.Nodes = append(c.Nodes, s)
		err = c.waitComplete()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// join starts a node and introduces it to the others.
func (c *Cluster) join() (*Server, error) {
	s, err := New(&Options{Config: clusterConfig})
	if err != nil {
		return nil, err
	}
	if _, err = s.Do("CLUSTER", "MEET", "127.0.0.1", c.Nodes[0].Port()); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// AddReplicas gives each primary a replica that ends with the test. It returns when
// all nodes name the replicas to clients. Replicas then has them in the order of Nodes.
func (c *Cluster) AddReplicas(t testing.TB) {
	t.Helper()
	c.replicate(t, c.Nodes...)
}

// AddReplica gives the first primary a replica that ends with the test.
func (c *Cluster) AddReplica(t testing.TB) *Server {
	t.Helper()
	return c.AddReplicaOf(t, c.Nodes[0])
}

// AddReplicaOf gives a primary a replica that ends with the test. It returns when all
// nodes name the replica to clients.
func (c *Cluster) AddReplicaOf(t testing.TB, primary *Server) *Server {
	t.Helper()
	c.replicate(t, primary)
	return c.Replicas[len(c.Replicas)-1]
}

func (c *Cluster) replicate(t testing.TB, primaries ...*Server) {
	t.Helper()
	before := len(c.Replicas)
	t.Cleanup(func() { finish(t, c.Replicas[before:before+len(primaries)]...) })
	if err := c.addReplicas(primaries); err != nil {
		t.Fatal(err)
	}
}

// addReplicas gives primaries a replica each.
func (c *Cluster) addReplicas(primaries []*Server) error {
	before := len(c.Replicas)
	for range primaries {
		s, err := c.join()
		if err != nil {
			return err
		}
		c.Replicas = append(c.Replicas, s)
	}
	if err := c.waitComplete(); err != nil {
		return err
	}
	for i, s := range c.Replicas[before:] {
		id, err := primaries[i].Do("CLUSTER", "MYID")
		if err != nil {
			return err
		}
		if _, err := s.Do("CLUSTER", "REPLICATE", id); err != nil {
			return err
		}
		if err := s.waitFollowing(primaries[i]); err != nil {
			return err
		}
	}
	return waitFor("every node to name the replicas", func() bool {
		return !slices.ContainsFunc(c.all(), func(s *Server) bool { return !s.names(c.Replicas) })
	})
}

// names reports whether a node of a cluster names all replicas to clients. It does so after a
// replica has reported that it has data: up to seconds after the node knows the replica.
func (s *Server) names(replicas []*Server) bool {
	nodes, err := s.Do("CLUSTER", "NODES")
	if text, _ := nodes.(string); err != nil || strings.Count(text, "slave") != len(replicas) {
		return false
	}
	list, err := s.Do("CLUSTER", "SLOTS")
	named := fmt.Sprint(list)
	return err == nil && !slices.ContainsFunc(replicas, func(r *Server) bool {
		return !strings.Contains(named, fmt.Sprintf("127.0.0.1 %d ", r.Port()))
	})
}

// HideHosts makes all nodes answer CLUSTER SLOTS, MOVED and ASK without a host name or
// address: a client must use the host that answered. Redis calls this unknown-endpoint; it
// requires Redis 7.0.
func (c *Cluster) HideHosts() error {
	for _, s := range c.all() {
		if _, err := s.Do("CONFIG", "SET", "cluster-preferred-endpoint-type", "unknown-endpoint"); err != nil {
			return err
		}
	}
	return nil
}
