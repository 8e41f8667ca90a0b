package redisstore_test

import (
	"slices"
	stdstrings "strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/storetest"
	"github.com/redis/rueidis"
)

// without returns rights but one.
func without(right string, rights []string) []string {
	return slices.DeleteFunc(slices.Clone(rights), func(r string) bool { return r == right })
}

// onReplicas are the documented rights for the replicas of one server.
func onReplicas(t *testing.T) []string {
	t.Helper()
	return redistest.DocumentedRights(t, configuration, "replica")
}

// A user with the documented rights passes the conformance suite with values that replicas send,
// and neither primaries nor replicas refuse it anything.
func TestRights_readReplicas(t *testing.T) {
	rights, primary := append(documentedRights(t), "~!strata:*"), redistest.Start(t, nil)
	replica, sentinels, cl := redistest.StartReplica(t, primary), redistest.StartSentinel(t), redistest.StartReplicatedCluster(t, 2)
	primary.Grant(t, "strata", rights...)
	replica.Grant(t, "strata", onReplicas(t)...)
	for _, s := range []*redistest.Server{sentinels.Primary, sentinels.Replica} {
		s.Grant(t, "strata", rights...)
	}
	nodes := slices.Concat(cl.Nodes, cl.Replicas)
	for _, s := range nodes {
		s.Grant(t, "strata", append(rights, "+readonly")...)
	}
	as := func(opt rueidis.ClientOption) rueidis.ClientOption {
		opt.Username, opt.Password = "strata", "secret"
		return opt
	}
	for name, opt := range map[string]rueidis.ClientOption{
		"server":  as(byReplica(primary, replica)),
		"cluster": as(rueidis.ClientOption{InitAddress: cl.Addrs()[:1]}),
	} {
		p := &place{option: func(testing.TB) rueidis.ClientOption { return opt }, space: "strata:", replicas: true}
		t.Run(name, func(t *testing.T) { storetest.Run(t, p.harness()) })
	}
	checkAsked(t, append(cl.Replicas, replica)...)
	c := dialWith(t, &redisstore.Dialer{Timeout: patience, ReadReplicas: true}, as(behindSentinels(sentinels)))
	s := redisstore.New(c, &redisstore.Options[string]{Prefix: "strata:n:", Tags: redisstore.NewTags(c, "strata:!")})
	set(t, s, "k", padded("v"))
	waitUsed(t, s, c, "k")
	for _, s := range append(nodes, primary, replica, sentinels.Primary, sentinels.Replica) {
		if all := s.Refusals(t); len(all) > 0 {
			t.Errorf("%s has refused %q", s.Addr(), all)
		}
	}
}

// A right that is missing on a replica costs no read its answer. Health and Diagnose say what to
// grant, and the replica is used once it is granted.
func TestRights_missingOnReplica(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		for _, missing := range without("+select", onReplicas(t)) { // see TestReadReplicas_database
			if missing == "+ping" {
				continue // nothing depends on it, but without it ACL LOG fills
			}
			primary := redistest.Start(t, nil)
			replica := redistest.StartReplica(t, primary)
			primary.Grant(t, "strata", documentedRights(t)...)
			grant := func(rights ...string) { replica.Grant(t, "strata", rights...) }
			grant(without(missing, onReplicas(t))...)
			health := "grant " + missing
			if missing[0] == '~' {
				health = "grant what is missing"
			}
			testMissingOnReplica(t, byReplica(primary, replica), missing, health, replica.Addr(), func() { grant(onReplicas(t)...) })
		}
	})
	t.Run("cluster", func(t *testing.T) {
		cl := redistest.StartReplicatedCluster(t, 1)
		grant := func(rights ...string) {
			for _, s := range []*redistest.Server{cl.Nodes[0], cl.Replicas[0]} {
				s.Grant(t, "strata", rights...)
			}
		}
		grant(documentedRights(t)...)
		testMissingOnReplica(t, rueidis.ClientOption{InitAddress: cl.Addrs()}, "+readonly", "grant +readonly", cl.Replicas[0].Addr(), func() { grant(append(documentedRights(t), "+readonly")...) })
	})
}

func testMissingOnReplica(t *testing.T, opt rueidis.ClientOption, missing, health, addr string, grant func()) {
	t.Helper()
	opt.Username, opt.Password = "strata", "secret"
	c := dialWith(t, &redisstore.Dialer{Timeout: patience, ReadReplicas: true}, opt)
	s := redisstore.New(c, &redisstore.Options[string]{Prefix: "strata:n:", Tags: redisstore.NewTags(c, "strata:!")})
	if err := c.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
	set(t, s, "k", padded("v"))
	redistest.WaitFor(t, "the refusal in Health, which says what to grant", func() bool {
		get(t, s, "k", padded("v"))
		return stdstrings.Contains(c.Health().ReplicaError, "NOPERM") && stdstrings.Contains(c.Health().ReplicaError, health)
	})
	if n := c.Health().ReplicaReads; n > 0 {
		t.Errorf("without %s replicas have sent %d values", missing, n)
	}
	wantFinding(t, diagnoseReplicas(t, redisstore.Dialer{}, opt), redisstore.Finding{Check: "rights", Severity: "warning", Addr: addr, Advice: "Grant " + missing + "."})
	grant()
	waitUsed(t, s, c, "k")
}

// Replicas are read in the database of the URL.
func TestReadReplicas_database(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	primary.Grant(t, "strata", documentedRights(t)...)
	replica.Grant(t, "strata", onReplicas(t)...)
	opt := byReplica(primary, replica)
	opt.Username, opt.Password, opt.SelectDB = "strata", "secret", 3
	c := dialWith(t, &redisstore.Dialer{Timeout: patience, ReadReplicas: true}, opt)
	s := redisstore.New(c, &redisstore.Options[string]{Prefix: "strata:n:", Tags: redisstore.NewTags(c, "strata:!")})
	if err := s.Set(ctx, "k", store.Entry[string]{Value: padded("v")}); err != nil {
		t.Fatal(err)
	}
	waitUsed(t, s, c, "k")
}
