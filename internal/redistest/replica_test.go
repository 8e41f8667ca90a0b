package redistest_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
)

func TestStartReplica(t *testing.T) {
	primary := redistest.Start(t, &redistest.Options{Password: "secret"})
	replica := redistest.StartReplica(t, primary)
	do(t, primary, "OK", "SET", "k", 1)
	do(t, primary, int64(1), "WAIT", 1, 5000)
	do(t, replica, "1", "GET", "k")
	if err := replica.Detach(primary); err != nil {
		t.Fatal(err)
	}
	do(t, primary, "OK", "SET", "k", 2)
	do(t, primary, int64(0), "WAIT", 1, 50)
	do(t, replica, "1", "GET", "k")
	if err := replica.Attach(primary); err != nil {
		t.Fatal(err)
	}
	do(t, replica, "2", "GET", "k")
	if err := replica.Detach(primary); err != nil {
		t.Fatal(err)
	}
	do(t, primary, int64(1), "DEL", "k")
	if err := replica.Promote(); err != nil {
		t.Fatal(err)
	}
	do(t, replica, "2", "GET", "k") // the failover has brought it back
	do(t, replica, "OK", "SET", "k", 3)
}

// A replica that has just synchronized follows, but receives no writes for up to a second.
func TestServer_Detach_justSynchronized(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	for i := range 5 {
		if err := replica.Promote(); err != nil {
			t.Fatal(err)
		}
		do(t, replica, "OK", "SET", "other", i) // its data are its own: all are sent again
		do(t, replica, "OK", "REPLICAOF", "127.0.0.1", primary.Port())
		if err := replica.Follows(); err != nil {
			t.Fatal(err)
		}
		do(t, primary, "OK", "SET", "k", i)
		if err := replica.Detach(primary); err != nil {
			t.Fatal(err)
		}
		do(t, replica, strconv.Itoa(i), "GET", "k")
		if err := replica.Attach(primary); err != nil {
			t.Fatal(err)
		}
	}
}

// Nodes name all replicas to clients that connect at once.
func TestStartReplicatedCluster(t *testing.T) {
	c := redistest.StartReplicatedCluster(t, 2)
	for _, node := range slices.Concat(c.Nodes, c.Replicas) {
		list, err := node.Do("CLUSTER", "SLOTS")
		for _, r := range c.Replicas {
			if err != nil || !strings.Contains(fmt.Sprint(list), fmt.Sprint("127.0.0.1 ", r.Port())) {
				t.Errorf("%s does not name %s: %v, %v", node.Addr(), r.Addr(), list, err)
			}
		}
	}
	if got, err := c.Do("SET", "k", 1); got != "OK" || err != nil {
		t.Fatalf("SET = %v, %v", got, err)
	}
	node, err := c.Owner("k")
	if err != nil {
		t.Fatal(err)
	}
	replica := c.Replicas[0]
	if node == c.Nodes[1] {
		replica = c.Replicas[1]
	}
	node.Kill()
	if _, err := replica.Do("CLUSTER", "FAILOVER", "TAKEOVER"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the replica to serve", func() bool {
		v, err := replica.Do("GET", "k")
		return err == nil && v == "1"
	})
}
