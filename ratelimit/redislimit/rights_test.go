package redislimit_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
)

func documentedRights(t *testing.T) []string {
	t.Helper()
	return redistest.DocumentedRights(t, "../../docs/configuration.md", "limiter")
}

// limiterAs returns a limiter with the default prefix, for the user that
// redistest.Server.Grant has made on s.
func limiterAs(t *testing.T, s *redistest.Server, p ratelimit.Policy, more ...ratelimit.Policy) *redislimit.Limiter {
	t.Helper()
	client, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{s.Addr()}, Username: "limiter", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	l, err := redislimit.New(client, &redislimit.Options{OnFailure: redislimit.FailClosed, Timeout: patience}, p, more...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Ping names each right that is missing, and what to grant.
func TestPing_rights(t *testing.T) {
	rights := documentedRights(t)
	optional := []string{"+role", "+asking", "+select", "+cluster|shards"}
	for name, test := range map[string]struct {
		servers  []*redistest.Server
		optional []string
	}{
		"server":  {[]*redistest.Server{redistest.Start(t, nil)}, append([]string{"+cluster|slots"}, optional...)},
		"cluster": {redistest.StartCluster(t, 2).Nodes, optional},
	} {
		for _, missing := range rights {
			t.Run(name+" "+missing, func(t *testing.T) {
				for _, s := range test.servers {
					s.Grant(t, "limiter", slices.DeleteFunc(slices.Clone(rights), func(r string) bool { return r == missing })...)
				}
				err := limiterAs(t, test.servers[0], policy(ratelimit.GCRA, 1, long)).Ping(ctx)
				if err == nil && slices.Contains(test.optional, missing) {
					return
				}
				if slices.Contains(test.optional, missing) && missing != "+cluster|shards" { // Redis 8 needs it
					t.Errorf("an optional right: %v", err)
				}
				for _, part := range []string{"NOPERM", "grant " + missing + ";", "docs/configuration.md"} {
					if !errors.Is(err, store.ErrAuth) || !strings.Contains(err.Error(), part) {
						t.Errorf("%v, without %q", err, part)
					}
				}
			})
		}
	}
}

// A user with the documented rights can use everything of every algorithm, and Redis refuses
// it nothing.
func TestRights_documentedLine(t *testing.T) {
	cl := redistest.StartCluster(t, 2)
	servers := append([]*redistest.Server{redistest.Start(t, nil)}, cl.Nodes...)
	for _, s := range servers {
		s.Grant(t, "limiter", documentedRights(t)...)
	}
	for _, s := range servers {
		for algorithm := ratelimit.GCRA; algorithm <= ratelimit.Concurrency; algorithm++ {
			for _, more := range [][]ratelimit.Policy{nil, {{Name: "other", Limit: 10, Window: long}}} {
				l := limiterAs(t, s, policy(algorithm, 10, long), more...)
				_, errAllow := l.Allow(ctx, "k")
				_, _, errTake := l.Take(ctx, "k", 2)
				_, errPeek := l.Peek(ctx, "k")
				if err := errors.Join(l.Ping(ctx), errAllow, errTake, errPeek, l.Reset(ctx, "k")); err != nil {
					t.Errorf("%v: %v", algorithm, err)
				}
			}
		}
	}
	slots := limiterAs(t, cl.Nodes[0], policy(ratelimit.Concurrency, 10, long))
	lease, _, err := slots.Acquire(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(lease.Renew(ctx), lease.Release(ctx)); err != nil {
		t.Error(err)
	}
	for _, s := range servers {
		if all := s.Refusals(t); len(all) > 0 {
			t.Errorf("%s has refused %q", s.Addr(), all)
		}
	}
}

// Ping says why it fails otherwise.
func TestPing_failure(t *testing.T) {
	s := redistest.Start(t, nil)
	l := open(t, s, redislimit.Options{}, policy(ratelimit.GCRA, 1, long))
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := l.Ping(done); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
	s.Kill()
	if err := l.Ping(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("no server: %v", err)
	}
	if err := new(redislimit.Limiter).Ping(ctx); err == nil {
		t.Error("a zero Limiter: no error")
	}
}

// The rights that Ping asks for are those of the commands that the scripts call.
func TestRights_scripts(t *testing.T) {
	entries, err := os.ReadDir("lua")
	if err != nil {
		t.Fatal(err)
	}
	called := regexp.MustCompile(`(?:redis\.p?call|\bcall)\('([A-Z]+)'`)
	found := 0
	for _, e := range entries {
		text, err := os.ReadFile("lua/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range called.FindAllStringSubmatch(string(text), -1) {
			found++
			if !slices.Contains(documentedRights(t), "+"+strings.ToLower(m[1])) {
				t.Errorf("%s calls %s", e.Name(), m[1])
			}
		}
	}
	if found < 5 {
		t.Errorf("found %d calls only", found)
	}
}
