package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	stdstrings "strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// fewRights are the documented rights of user without those that some services do not have
// in a cluster.
func fewRights(t *testing.T, user string) []string {
	t.Helper()
	lacks := []string{"+role", "+asking"}
	rights := redistest.DocumentedRights(t, configuration, user)
	return append(slices.DeleteFunc(rights, func(r string) bool { return slices.Contains(lacks, r) }), "~!strata:*")
}

// A cluster without ASKING, ROLE and CLUSTER SHARDS is used. While a slot is moved its keys
// are unavailable, and never missing. Diagnose names ASKING.
func TestRights_fewInCluster(t *testing.T) {
	for user, d := range map[string]*redisstore.Dialer{
		"strata":    {Timeout: patience},
		"untracked": {Timeout: patience, NoTracking: true},
	} {
		t.Run(user, func(t *testing.T) {
			cl := redistest.StartCluster(t, 2)
			for _, node := range cl.Nodes {
				node.Grant(t, user, fewRights(t, user)...)
			}
			c := dialWith(t, d, as(user, cl.Nodes[0]))
			s := redisstore.New(c, &redisstore.Options[string]{Prefix: "strata:n:", Tags: redisstore.NewTags(c, "strata:!")})
			if err := c.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"a", "b", "c", "d", "e"} { // on both nodes
				set(t, s, key, "v")
			}
			if n, err := s.DeletePattern(ctx, "*"); n != 5 || err != nil {
				t.Errorf("DeletePattern: %d, %v", n, err)
			}
			if refused := slices.Concat(cl.Nodes[0].Refusals(t), cl.Nodes[1].Refusals(t)); len(refused) > 0 {
				t.Errorf("refused: %q", refused)
			}
			testMoveWithoutAsking(t, cl, s)
			found, err := d.Diagnose(ctx, as(user, cl.Nodes[0]), "strata:")
			if err != nil || !slices.ContainsFunc(found, func(f redisstore.Finding) bool {
				return f.Check == "rights" && f.Severity == redisstore.SeverityWarning && stdstrings.Contains(f.Found, "asking")
			}) {
				t.Errorf("found %v, %v", found, err)
			}
		})
	}
}

func testMoveWithoutAsking(t *testing.T, cl *redistest.Cluster, s *redisstore.Store[string]) {
	t.Helper()
	set(t, s, "k", "v")
	slot, err := cl.Slot("strata:n:k")
	if err != nil {
		t.Fatal(err)
	}
	to := cl.Nodes[0]
	if cl.OwnerOf(slot) == to {
		to = cl.Nodes[1]
	}
	unavailable := 0
	between := func() {
		e, err := s.Get(ctx, "k")
		switch {
		case errors.Is(err, store.ErrUnavailable):
			unavailable++
		case err != nil, e.Value != "v":
			t.Errorf("while the slot moves: %+v, %v", e, err)
		}
	}
	if err := cl.Move(slot, to, between); err != nil {
		t.Fatal(err)
	}
	if unavailable == 0 {
		t.Error("the key was never redirected with ASK")
	}
	redistest.WaitFor(t, "the value to be read", func() bool {
		e, err := s.Get(ctx, "k")
		return err == nil && e.Value == "v"
	})
	if err := s.Delete(ctx, "k"); err != nil {
		t.Error(err)
	}
}

// A cluster that does not name its nodes is an error that says which command is missing.
func TestRights_noSlotMap(t *testing.T) {
	node := redistest.StartCluster(t, 2).Nodes[0]
	r := redistest.StartRewriter(t, node.Addr())
	r.Answer(func(args []string) bool {
		return len(args) > 1 && stdstrings.EqualFold(args[0], "CLUSTER") && stdstrings.EqualFold(args[1], "SLOTS")
	}, "ERR unknown subcommand 'SLOTS'. Try CLUSTER HELP.")
	c, err := redisstore.Dial(rueidis.ClientOption{InitAddress: []string{r.Addr()}})
	if err == nil {
		defer c.Close()
		strings(c, "strata:")
		err = c.Ping(ctx)
	}
	for _, part := range []string{"'SLOTS'", "use an endpoint that hides the cluster"} {
		if !errors.Is(err, errors.ErrUnsupported) || !stdstrings.Contains(fmt.Sprint(err), part) {
			t.Errorf("%v, without %q", err, part)
		}
	}
}
