package redisstore_test

import (
	"os"
	"slices"
	stdstrings "strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// sound are the settings of a server that Diagnose finds nothing wrong with.
func sound(more ...string) *redistest.Options {
	return &redistest.Options{MaxMemory: "100mb", MaxMemoryPolicy: "allkeys-lfu", Config: more}
}

// A diagnosed is what Diagnose is called with.
type diagnosed struct {
	d   redisstore.Dialer
	opt rueidis.ClientOption
}

// A user with the documented rights finds nothing wrong with a sound server, and Redis has
// refused it nothing.
func TestDiagnose_healthy(t *testing.T) {
	rights := documentedRights(t)
	s, cl := redistest.Start(t, sound()), redistest.StartCluster(t, 2)
	for _, node := range cl.Nodes {
		for name, value := range map[string]string{"maxmemory": "100mb", "maxmemory-policy": "allkeys-lfu"} {
			do(t, node, "CONFIG", "SET", name, value)
		}
	}
	for _, node := range append(slices.Clone(cl.Nodes), s) {
		node.Grant(t, "strata", rights...)
	}
	for name, test := range map[string]diagnosed{
		"server":     {redisstore.Dialer{}, as("strata", s)},
		"broadcast":  {redisstore.Dialer{Broadcast: []string{"strata:"}}, as("strata", s)},
		"untracked":  {redisstore.Dialer{NoTracking: true}, as("strata", s)},
		"cluster":    {redisstore.Dialer{}, as("strata", cl.Nodes[0])},
		"all rights": {redisstore.Dialer{}, to(s)},
	} {
		t.Run(name, func(t *testing.T) {
			test.d.Timeout = patience
			if found, err := test.d.Diagnose(ctx, test.opt, "strata:"); err != nil || len(found) > 0 {
				t.Errorf("found %v, %v", found, err)
			}
		})
	}
	for _, node := range append(slices.Clone(cl.Nodes), s) {
		if all := node.Refusals(t); len(all) > 0 {
			t.Errorf("%s has refused %q", node.Addr(), all)
		}
		if n, err := node.Do("DBSIZE"); err != nil || n != int64(0) {
			t.Errorf("%s has %v keys, %v", node.Addr(), n, err)
		}
	}
}

// Each check finds what is wrong with a real server, and advises.
func TestDiagnose_findings(t *testing.T) {
	for name, test := range map[string]struct {
		server func(t *testing.T) diagnosed
		want   redisstore.Finding // Found and Advice are parts
	}{
		"tracking refused":    {refusing("CLIENT TRACKING", "ERR unknown subcommand 'TRACKING'. Try CLIENT HELP."), redisstore.Finding{Check: "tracking", Severity: "error", Found: "TRACKING", Advice: "strata.NoTracking"}},
		"RESP3 refused":       {refusing("HELLO 3", "NOPROTO unsupported protocol version"), redisstore.Finding{Check: "tracking", Severity: "error", Found: "NOPROTO", Advice: "strata.NoTracking"}},
		"pushes are dropped":  {deaf, redisstore.Finding{Check: "tracking", Severity: "error", Found: "invalidations do not arrive", Advice: "strata.NoTracking"}},
		"prefix not covered":  {uncovered, redisstore.Finding{Check: "tracking", Severity: "error", Found: "diagnose", Advice: "Broadcast"}},
		"command missing":     {lacking("+zcard"), redisstore.Finding{Check: "rights", Severity: "error", Found: "grant +zcard", Advice: "ACL SETUSER"}},
		"keys missing":        {lacking("~strata:*"), redisstore.Finding{Check: "rights", Severity: "error", Found: "grant ~strata:*", Advice: "ACL SETUSER"}},
		"info missing":        {lacking("+info"), redisstore.Finding{Check: "rights", Severity: "warning", Found: "failover", Advice: "Grant +info."}},
		"config missing":      {lacking("+config|get"), redisstore.Finding{Check: "rights", Severity: "warning", Found: "1,000,000", Advice: "Grant +config|get."}},
		"touch missing":       {lacking("+touch"), redisstore.Finding{Check: "rights", Severity: "warning", Found: "evict", Advice: "Grant +touch."}},
		"no EVALSHA":          {refusing("EVALSHA", "ERR unknown command 'EVALSHA', with args beginning with: 'x'"), redisstore.Finding{Check: "commands", Severity: "error", Found: "evalsha", Advice: "server"}},
		"no INFO":             {refusing("INFO", "ERR unknown command 'INFO'"), redisstore.Finding{Check: "commands", Severity: "warning", Found: "there is no info", Advice: "proxy"}},
		"noeviction":          {on(sound("maxmemory-policy noeviction")), redisstore.Finding{Check: "eviction", Severity: "warning", Found: "noeviction", Advice: "allkeys-lfu"}},
		"no limit":            {on(nil), redisstore.Finding{Check: "eviction", Severity: "info", Found: "maxmemory is not set", Advice: "maxmemory"}},
		"lasting values":      {lasting, redisstore.Finding{Check: "eviction", Severity: "warning", Found: "volatile-lru evicts only keys with a TTL, and 3 of 12 have none", Advice: "allkeys-lfu"}},
		"least modified":      {leastModified, redisstore.Finding{Check: "eviction", Severity: "warning", Found: "allkeys-lrm", Advice: "allkeys-lfu"}},
		"small table":         {on(sound("tracking-table-max-keys 1000")), redisstore.Finding{Check: "tracking-table", Severity: "warning", Found: "tracking-table-max-keys is 1000", Advice: "Broadcast"}},
		"full table":          {fullTable, redisstore.Finding{Check: "tracking-table", Severity: "warning", Found: "of at most 20000", Advice: "Raise tracking-table-max-keys"}},
		"leaking table":       {leakingTable, redisstore.Finding{Check: "tracking-table", Severity: "warning", Found: "connections that have ended", Advice: "restart"}},
		"rare snapshots":      {on(sound("save 3600 1 300 100")), redisstore.Finding{Check: "persistence", Severity: "warning", Found: "1h0m0s apart", Advice: "appendonly"}},
		"failing snapshot":    {failingSnapshot, redisstore.Finding{Check: "persistence", Severity: "error", Found: "MISCONF", Advice: "disk"}},
		"a replica":           {replica, redisstore.Finding{Check: "replicas", Severity: "error", Found: "is a replica", Advice: "primary"}},
		"too few replicas":    {tooFewReplicas, redisstore.Finding{Check: "replicas", Severity: "error", Found: "WaitReplicas is 2 and 0", Advice: "WaitReplicas"}},
		"a replica behind":    {behind, redisstore.Finding{Check: "replicas", Severity: "warning", Found: "bytes behind", Advice: "WaitReplicas"}},
		"clock":               {skewed, redisstore.Finding{Check: "clock", Severity: "info", Found: "1h0m", Advice: "Synchronise"}},
		"latency":             {distant, redisstore.Finding{Check: "latency", Severity: "warning", Found: "exchanges took", Advice: "closer"}},
		"slots without owner": {holey, redisstore.Finding{Check: "slots", Severity: "error", Found: "1 of 16384 slots", Advice: "primary"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := test.server(t)
			if at.d.Timeout == 0 {
				at.d.Timeout = patience
			}
			found, err := at.d.Diagnose(ctx, at.opt, "strata:")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(found, func(f redisstore.Finding) bool {
				return f.Check == test.want.Check && f.Severity == test.want.Severity &&
					stdstrings.Contains(f.Found, test.want.Found) && stdstrings.Contains(f.Advice, test.want.Advice)
			}) {
				t.Errorf("found %v; want %v", found, test.want)
			}
			for _, f := range found {
				if n := stdstrings.Count(f.Advice, ". ") + 1; n != 1 || !stdstrings.HasSuffix(f.Advice, ".") || stdstrings.Contains(f.String(), "\n") {
					t.Errorf("the advice is not one sentence: %v", f)
				}
			}
		})
	}
}

// A server that cannot be connected to is an error.
func TestDiagnose_unavailable(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{Password: password})
	if found, err := redisstore.Diagnose(ctx, to(s)); err == nil || found != nil || !stdstrings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without a password: %v, %v", found, err)
	}
	s.Kill()
	if found, err := redisstore.Diagnose(ctx, to(s)); err == nil || found != nil {
		t.Errorf("where nothing listens: %v, %v", found, err)
	}
}

// Every check is in the table of the documentation.
func TestDiagnose_documented(t *testing.T) {
	page, err := os.ReadFile("../../docs/servers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range []string{"tracking", "rights", "commands", "eviction", "tracking-table", "persistence", "replicas", "clock", "slots", "latency", "read-replicas"} {
		if !stdstrings.Contains(string(page), "\n| `"+check+"`") {
			t.Errorf("docs/servers.md has no row for %s", check)
		}
	}
}
