package redisstore_test

import (
	"errors"
	"slices"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/storetest"
	"github.com/redis/rueidis"
)

const configuration = "../../docs/configuration.md"

// as returns how a user that redistest.Server.Grant has made connects.
func as(user string, s *redistest.Server) rueidis.ClientOption {
	opt := to(s)
	opt.Username, opt.Password = user, "secret"
	return opt
}

// The rights without which a client works, as the documentation says. A single server needs
// none of a cluster.
var (
	optional         = []string{"+role", "+asking", "+info", "+config|get", "+touch", "+wait", "+select", "+cluster|info"}
	optionalOnServer = append([]string{"+cluster|slots"}, optional...)
)

// Each right that is missing is named by Dial or Ping, together with what to grant.
func TestRights_missing(t *testing.T) {
	rights := documentedRights(t)
	for name, test := range map[string]struct {
		servers  []*redistest.Server
		optional []string
	}{
		"server":  {[]*redistest.Server{redistest.Start(t, nil)}, optionalOnServer},
		"cluster": {redistest.StartCluster(t, 2).Nodes, optional},
	} {
		for _, missing := range rights {
			t.Run(name+" "+missing, func(t *testing.T) {
				for _, s := range test.servers {
					s.Grant(t, "narrow", slices.DeleteFunc(slices.Clone(rights), func(r string) bool { return r == missing })...)
				}
				c, err := redisstore.Dial(as("narrow", test.servers[0]))
				if err == nil {
					defer c.Close()
					redisstore.NewTags(c, "strata:")
					err = c.Ping(ctx)
				}
				if err == nil && slices.Contains(test.optional, missing) {
					return
				}
				if slices.Contains(test.optional, missing) {
					t.Errorf("an optional right: %v", err)
				}
				for _, part := range []string{"NOPERM", "grant " + missing, "docs/configuration.md"} {
					if !errors.Is(err, store.ErrAuth) || !stdstrings.Contains(err.Error(), part) {
						t.Errorf("%v, without %q", err, part)
					}
				}
			})
		}
	}
}

func documentedRights(t *testing.T) []string {
	t.Helper()
	return redistest.DocumentedRights(t, configuration, "strata")
}

// A user with the documented rights passes the conformance suite, and Redis refuses it
// nothing.
func TestRights_conformance(t *testing.T) {
	rights := append(documentedRights(t), "~!strata:*")
	s, cl := redistest.Start(t, nil), redistest.StartCluster(t, 2)
	servers := append([]*redistest.Server{s}, cl.Nodes...)
	for _, s := range servers {
		s.Grant(t, "strata", rights...)
	}
	for name, p := range map[string]*place{
		"server":    {option: func(testing.TB) rueidis.ClientOption { return as("strata", s) }, space: "strata:"},
		"broadcast": {option: func(testing.TB) rueidis.ClientOption { return as("strata", s) }, space: "strata:", broadcast: true},
		"cluster":   {option: func(testing.TB) rueidis.ClientOption { return as("strata", cl.Nodes[0]) }, space: "strata:"},
	} {
		t.Run(name, func(t *testing.T) { storetest.Run(t, p.harness()) })
	}
	for _, s := range servers {
		if all := s.Refusals(t); len(all) > 0 {
			t.Errorf("%s has refused %q", s.Addr(), all)
		}
	}
}

// With NoTracking a user needs no right to CLIENT TRACKING.
func TestRights_untracked(t *testing.T) {
	rights := redistest.DocumentedRights(t, configuration, "untracked")
	if slices.ContainsFunc(rights, func(r string) bool { return stdstrings.HasPrefix(r, "+client") }) {
		t.Errorf("the line grants %q", rights)
	}
	s, cl := redistest.Start(t, nil), redistest.StartCluster(t, 2)
	servers := append([]*redistest.Server{s}, cl.Nodes...)
	for _, s := range servers {
		s.Grant(t, "untracked", append(rights, "~!strata:*")...)
	}
	for name, p := range map[string]*place{
		"server":  {option: func(testing.TB) rueidis.ClientOption { return as("untracked", s) }, space: "strata:", untracked: true},
		"cluster": {option: func(testing.TB) rueidis.ClientOption { return as("untracked", cl.Nodes[0]) }, space: "strata:", untracked: true},
	} {
		t.Run(name, func(t *testing.T) { storetest.Run(t, p.harness()) })
	}
	for _, s := range servers {
		if all := s.Refusals(t); len(all) > 0 {
			t.Errorf("%s has refused %q", s.Addr(), all)
		}
	}
	if _, err := redisstore.Dial(as("untracked", s)); !errors.Is(err, store.ErrAuth) || !stdstrings.Contains(err.Error(), "+client|tracking") {
		t.Errorf("with tracking: %v", err)
	}
}

// Waiting for replicas needs a right of its own.
func TestRights_waitReplicas(t *testing.T) {
	s := redistest.Start(t, nil)
	s.Grant(t, "narrow", append(documentedRights(t), "-wait")...)
	c := dialWith(t, &redisstore.Dialer{WaitReplicas: 1}, as("narrow", s))
	if err := c.Ping(ctx); !errors.Is(err, store.ErrAuth) || !stdstrings.Contains(err.Error(), "grant +wait;") {
		t.Errorf("Ping: %v", err)
	}
}

// The documented rights suffice behind sentinels, whose own users are their own matter.
func TestRights_sentinels(t *testing.T) {
	set := redistest.StartSentinel(t)
	for _, s := range []*redistest.Server{set.Primary, set.Replica} {
		s.Grant(t, "strata", documentedRights(t)...)
	}
	c := dialWith(t, &redisstore.Dialer{Timeout: patience}, rueidis.ClientOption{
		InitAddress: set.Addrs(), Sentinel: rueidis.SentinelOption{MasterSet: redistest.MasterSet}, Username: "strata", Password: "secret",
	})
	st := redisstore.New(c, &redisstore.Options[string]{Prefix: "strata:n:", Tags: redisstore.NewTags(c, "strata:!")})
	if err := errors.Join(c.Ping(ctx), st.Set(ctx, "k", store.Entry[string]{Value: "v"}), st.Delete(ctx, "k")); err != nil {
		t.Error(err)
	}
	if all := set.Primary.Refusals(t); len(all) > 0 {
		t.Errorf("refused: %q", all)
	}
}

// Where there was no Ping, the heartbeat finds out what is missing: also the right to the keys
// of a store that is made later.
func TestRights_newStore(t *testing.T) {
	s := redistest.Start(t, nil)
	s.Grant(t, "narrow", append(documentedRights(t), "resetkeys", "~strata:!*", "~strata:a:*")...)
	c := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: 200 * time.Millisecond}, as("narrow", s))
	tags := redisstore.NewTags(c, "strata:!")
	a := redisstore.New(c, &redisstore.Options[string]{Prefix: "strata:a:", Tags: tags})
	alive(t, a)
	redistest.WaitFor(t, "a heartbeat", func() bool { return c.Health().Connected })
	if refused := c.Health().Refused; refused != "" {
		t.Error(refused)
	}
	redisstore.New(c, &redisstore.Options[string]{Prefix: "strata:b:", Tags: tags})
	redistest.WaitFor(t, "the refusal", func() bool { return stdstrings.Contains(c.Health().Refused, "grant ~strata:b:*;") })
	if err := c.Ping(ctx); !errors.Is(err, store.ErrAuth) {
		t.Errorf("Ping: %v", err)
	}
	if v, err := a.Get(ctx, "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get of the other store: %v, %v", v, err)
	}
}

// A script that may not read a record does not take it for a missing one.
func TestRights_unreadable(t *testing.T) {
	s := redistest.Start(t, nil)
	s.Grant(t, "narrow", append(documentedRights(t), "~!strata:*", "-getrange")...)
	narrow := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: -1}, as("narrow", s))
	whole := strings(dial(t, to(s)), "strata:n:")
	st := strings(narrow, "strata:n:")
	if _, err := whole.SetNewer(ctx, "k", store.Entry[string]{Value: "new", Revision: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.SetNewer(ctx, "k", store.Entry[string]{Value: "old", Revision: 1}); !errors.Is(err, store.ErrAuth) {
		t.Errorf("SetNewer: %v", err)
	}
	if e, err := whole.Get(ctx, "k"); e.Value != "new" || err != nil {
		t.Errorf("Get: %+v, %v", e, err)
	}
}
