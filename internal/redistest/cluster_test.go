package redistest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
)

// put sets a key at the node that serves it, and returns its slot.
func put(t *testing.T, c *redistest.Cluster, key string) int {
	t.Helper()
	if got, err := c.Do("SET", key, "v"); got != "OK" || err != nil {
		t.Fatalf("SET = %v, %v", got, err)
	}
	slot, err := c.Slot(key)
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

// servedBy checks that a node serves a key, that its value is there if kept is set, and
// that other nodes do not serve it.
func servedBy(t *testing.T, c *redistest.Cluster, key string, node *redistest.Server, kept bool) {
	t.Helper()
	if owner, err := c.Owner(key); owner != node || err != nil {
		t.Errorf("the owner of %s is not the new one, %v", key, err)
	}
	v, err := node.Do("GET", key)
	if want := map[bool]any{true: "v", false: nil}[kept]; v != want || err != nil {
		t.Errorf("GET at the new owner: %v, %v; want %v", v, err, want)
	}
	for _, s := range c.Nodes {
		if _, err := s.Do("GET", key); s != node && (err == nil || !strings.HasPrefix(err.Error(), "MOVED")) {
			t.Errorf("GET at another node: %v, want MOVED", err)
		}
	}
}

// currentEpoch is what a node takes for the epoch of the cluster.
func currentEpoch(t *testing.T, s *redistest.Server) string {
	t.Helper()
	reply, err := s.Do("CLUSTER", "INFO")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(fmt.Sprint(reply), "cluster_current_epoch:")
	epoch, _, _ := strings.Cut(rest, "\r\n")
	return epoch
}

func TestCluster_Join(t *testing.T) {
	c := redistest.StartCluster(t, 2)
	slot := put(t, c, "k") // in the middle of a range
	s := c.Join(t)
	if len(c.Nodes) != 3 || !slices.Contains(c.Addrs(), s.Addr()) {
		t.Fatalf("nodes: %v", c.Addrs())
	}
	steps := 0
	if err := c.Move(slot, s, func() { steps++ }); err != nil {
		t.Fatal(err)
	}
	servedBy(t, c, "k", s, true)
	if steps == 0 {
		t.Error("no steps between")
	}
	if err := c.MoveRange(100, 110, s, func() {}); err != nil {
		t.Fatal(err)
	}
	replica := c.AddReplicaOf(t, s)
	if err := replica.Failover(); err != nil {
		t.Fatal(err)
	}
	do(t, replica, "v", "GET", "k")
}

// The epoch of a cluster grows when a slot moves, but not if the new owner had the
// greatest one already: the epoch alone does not tell whether the slot map has changed.
func TestCluster_Move_epoch(t *testing.T) {
	c := redistest.StartCluster(t, 2)
	slot := put(t, c, "k")
	from, err := c.Owner("k")
	if err != nil {
		t.Fatal(err)
	}
	s := c.Join(t)
	epochs := []string{currentEpoch(t, s)}
	for _, slot := range []int{slot, slot + 1} {
		if err := c.Move(slot, s, func() {}); err != nil {
			t.Fatal(err)
		}
		epochs = append(epochs, currentEpoch(t, s))
	}
	if epochs[0] == epochs[1] || epochs[1] != epochs[2] {
		t.Errorf("epochs %v, want the second move not to change it", epochs)
	}
	if err := c.Move(slot, from, func() {}); err != nil {
		t.Fatal(err)
	}
	servedBy(t, c, "k", from, true)
}

func TestCluster_Seize(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	slot := put(t, c, "k")
	owner, err := c.Owner("k")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // there and back
		to := c.Nodes[(slices.Index(c.Nodes, owner)+1)%3]
		if err := c.Seize(slot, to); err != nil {
			t.Fatal(err)
		}
		servedBy(t, c, "k", to, false)
		owner = to
		put(t, c, "k")
	}
}

func TestCluster_MoveAtomically(t *testing.T) {
	c := redistest.StartCluster(t, 2)
	slot := put(t, c, "k")
	to := c.Nodes[0]
	if owner, err := c.Owner("k"); owner == to || err != nil {
		to = c.Nodes[1]
	}
	can, err := to.Supports(redistest.AtomicMigration)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MoveAtomically(slot-2, slot+2, to); (err == nil) != can {
		t.Fatalf("err = %v, the server has the command: %v", err, can)
	}
	if can {
		servedBy(t, c, "k", to, true)
	}
}

func TestHashTag(t *testing.T) {
	c := redistest.StartCluster(t, 1)
	for _, slot := range []int{0, 1, 5000, 16383} {
		if got, err := c.Slot("k" + redistest.HashTag(slot)); got != slot || err != nil {
			t.Errorf("a key with the hash tag of slot %d is in %d, %v", slot, got, err)
		}
	}
}

func TestCluster_HideHosts(t *testing.T) {
	c := redistest.StartCluster(t, 2)
	if err := c.HideHosts(); err != nil {
		t.Fatal(err)
	}
	owner, err := c.Owner("k")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Nodes {
		_, err := s.Do("GET", "k")
		if want := fmt.Sprint(" :", owner.Port()); s != owner && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("GET at another node: %v, want MOVED without a host", err)
		}
	}
}

func TestServer_Supports(t *testing.T) {
	s := redistest.Start(t, nil)
	for command, want := range map[string]bool{"get": true, "no such command": false} {
		if got, err := s.Supports(command); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", command, got, err, want)
		}
	}
}

func TestAddress_Failover(t *testing.T) {
	a := redistest.StartAddress(t)
	first := a.Primary()
	for range 2 { // there and back
		before := a.Primary()
		do(t, before, "OK", "SET", "k", before.Addr())
		if err := a.Failover(); err != nil {
			t.Fatal(err)
		}
		do(t, a.Primary(), before.Addr(), "GET", "k")
		if a.Primary() == before || before.IsPrimary() {
			t.Fatal("the servers have not changed places")
		}
	}
	if a.Primary() != first {
		t.Error("the second failover did not lead back")
	}
}
