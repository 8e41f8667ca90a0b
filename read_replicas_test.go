package strata_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// TestReadReplicas: a replica sends large values to reads of L2, except strict ones.
func TestReadReplicas(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	b := backend(t, &strata.Config{RedisURL: primary.URL() + "?replica=" + replica.Addr(), ReadReplicas: true, Memory: -1})
	large := strings.Repeat("x", 10<<10)
	loads := 0
	c, err := strata.New(b, "large", func(context.Context, int) (string, error) { loads++; return large, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(read func(context.Context, int) (string, error)) {
		t.Helper()
		if v, err := read(t.Context(), 1); v != large || err != nil {
			t.Fatalf("%d bytes, %v", len(v), err)
		}
	}
	byReplica := func() uint64 { return b.Health().Redis.ReplicaReads }
	redistest.WaitFor(t, "a read by the replica", func() bool { check(c.Get); return byReplica() > 0 })
	before := byReplica()
	check(c.GetFresh)
	withToken := strata.WithToken(t.Context(), b.Token())
	if found, err := c.GetMany(withToken, []int{1, 2}); len(found) != 2 || err != nil {
		t.Errorf("GetMany with a token: %d values, %v", len(found), err)
	}
	if n := byReplica() - before; n != 0 {
		t.Errorf("strict reads have asked the replica for %d values", n)
	}
	check(c.Get)
	if byReplica() == before {
		t.Error("a read that is not strict has not asked the replica")
	}
	if loads != 2 {
		t.Errorf("%d loads", loads)
	}
}
