package redisstore_test

import (
	stdctx "context"
	"errors"
	"slices"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// diagnoseReplicas is Diagnose with ReadReplicas.
func diagnoseReplicas(t *testing.T, d redisstore.Dialer, opt rueidis.ClientOption) []redisstore.Finding {
	t.Helper()
	if d.Timeout == 0 {
		d.Timeout = patience
	}
	d.ReadReplicas = true
	found, err := d.Diagnose(ctx, opt, "strata:")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(found, func(f redisstore.Finding) bool { return f.Check == "eviction" })
}

func behindSentinels(set *redistest.SentinelSet) rueidis.ClientOption {
	return rueidis.ClientOption{InitAddress: set.Addrs(), Sentinel: rueidis.SentinelOption{MasterSet: redistest.MasterSet}}
}

// A user with the documented rights finds nothing wrong with sound replicas, and they have refused
// it nothing.
func TestDiagnose_replicasHealthy(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	set, cl := redistest.StartSentinel(t), redistest.StartReplicatedCluster(t, 2)
	servers := slices.Concat([]*redistest.Server{primary, replica, set.Primary, set.Replica}, cl.Nodes, cl.Replicas)
	for _, s := range servers {
		s.Grant(t, "strata", append(documentedRights(t), "+readonly")...)
	}
	for name, opt := range map[string]rueidis.ClientOption{
		"server":   byReplica(primary, replica),
		"sentinel": behindSentinels(set),
		"cluster":  {InitAddress: cl.Addrs()[:1]},
	} {
		opt.Username, opt.Password = "strata", "secret"
		if found := diagnoseReplicas(t, redisstore.Dialer{}, opt); len(found) > 0 {
			t.Errorf("%s: found %v", name, found)
		}
	}
	for _, s := range servers {
		if all := s.Refusals(t); len(all) > 0 {
			t.Errorf("%s has refused %q", s.Addr(), all)
		}
	}
}

// Each fault of a replica is found, with its address.
func TestDiagnose_replicas(t *testing.T) {
	type pair struct{ primary, replica *redistest.Server }
	run := func(t *testing.T, command ...any) func(pair) rueidis.ClientOption {
		return func(p pair) rueidis.ClientOption {
			do(t, p.replica, command...)
			return byReplica(p.primary, p.replica)
		}
	}
	for name, test := range map[string]struct {
		fault func(t *testing.T) func(pair) rueidis.ClientOption
		want  redisstore.Finding // Found and Advice are parts; Addr is that of the replica
	}{
		"killed": {func(*testing.T) func(pair) rueidis.ClientOption {
			return func(p pair) rueidis.ClientOption { p.replica.Kill(); return byReplica(p.primary, p.replica) }
		}, redisstore.Finding{Check: "read-replicas", Severity: "warning", Found: "connection refused", Advice: "Start"}},
		"no password": {func(t *testing.T) func(pair) rueidis.ClientOption { return run(t, "CONFIG", "SET", "requirepass", "p") },
			redisstore.Finding{Check: "read-replicas", Severity: "warning", Found: "NOAUTH", Advice: "repair"}},
		"promoted": {func(t *testing.T) func(pair) rueidis.ClientOption { return run(t, "REPLICAOF", "NO", "ONE") },
			redisstore.Finding{Check: "read-replicas", Severity: "warning", Found: "is not a replica but a primary", Advice: "REPLICAOF"}},
		"detached": {func(t *testing.T) func(pair) rueidis.ClientOption {
			return func(p pair) rueidis.ClientOption {
				if err := p.replica.Detach(p.primary); err != nil {
					t.Fatal(err)
				}
				return byReplica(p.primary, p.replica)
			}
		}, redisstore.Finding{Check: "read-replicas", Severity: "warning", Found: "no connection to its primary", Advice: "synchronised"}},
		"refuses reads": {func(t *testing.T) func(pair) rueidis.ClientOption {
			return func(p pair) rueidis.ClientOption {
				do(t, p.replica, "CONFIG", "SET", "replica-serve-stale-data", "no")
				if err := p.replica.Detach(p.primary); err != nil {
					t.Fatal(err)
				}
				return byReplica(p.primary, p.replica)
			}
		}, redisstore.Finding{Check: "read-replicas", Severity: "warning", Found: "MASTERDOWN", Advice: "log"}},
		"serves no stale data": {func(t *testing.T) func(pair) rueidis.ClientOption {
			return run(t, "CONFIG", "SET", "replica-serve-stale-data", "no")
		}, redisstore.Finding{Check: "read-replicas", Severity: "info", Found: "replica-serve-stale-data is no", Advice: "yes"}},
		"writable": {func(t *testing.T) func(pair) rueidis.ClientOption {
			return run(t, "CONFIG", "SET", "replica-read-only", "no")
		}, redisstore.Finding{Check: "read-replicas", Severity: "warning", Found: "replica-read-only is no", Advice: "yes"}},
		"of another primary": {func(t *testing.T) func(pair) rueidis.ClientOption {
			return func(p pair) rueidis.ClientOption { return byReplica(redistest.Start(t, nil), p.replica) }
		}, redisstore.Finding{Check: "read-replicas", Severity: "warning", Found: "another primary", Advice: "address"}},
		"behind": {func(t *testing.T) func(pair) rueidis.ClientOption {
			return func(p pair) rueidis.ClientOption { return lagging(t, p.primary, p.replica) }
		}, redisstore.Finding{Check: "read-replicas", Severity: "warning", Found: "bytes behind", Advice: "network"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := redistest.Start(t, nil)
			p := pair{primary, redistest.StartReplica(t, primary)}
			opt := test.fault(t)(p)
			test.want.Addr = p.replica.Addr()
			wantFinding(t, diagnoseReplicas(t, redisstore.Dialer{}, opt), test.want)
		})
	}
}

func wantFinding(t *testing.T, found []redisstore.Finding, want redisstore.Finding) {
	t.Helper()
	if !slices.ContainsFunc(found, func(f redisstore.Finding) bool {
		return f.Check == want.Check && f.Severity == want.Severity && f.Addr == want.Addr &&
			stdstrings.Contains(f.Found, want.Found) && stdstrings.Contains(f.Advice, want.Advice)
	}) {
		t.Errorf("found %v; want %v", found, want)
	}
	for _, f := range found {
		if stdstrings.Contains(f.Advice, ". ") || !stdstrings.HasSuffix(f.Advice, ".") || stdstrings.Contains(f.String(), "\n") {
			t.Errorf("the advice is not one sentence: %v", f)
		}
	}
}

// lagging has a replica whose primary is behind a network that passes nothing more.
func lagging(t *testing.T, primary, replica *redistest.Server) rueidis.ClientOption {
	way := redistest.StartProxy(t, primary.Addr())
	_, port, _ := stdstrings.Cut(way.Addr(), ":")
	do(t, replica, "REPLICAOF", "127.0.0.1", port)
	redistest.WaitFor(t, "the replica to follow through the proxy", func() bool {
		info, err := replica.Info("replication")
		return err == nil && info["master_port"] == port && info["master_link_status"] == "up"
	})
	if err := replica.CaughtUp(primary); err != nil {
		t.Fatal(err)
	}
	way.HoleReplies(true)
	do(t, primary, "SET", "k", stdstrings.Repeat("x", 2<<20))
	return byReplica(primary, replica)
}

// A replica that is too far away for reads to wait for it is found.
func TestDiagnose_replicaFar(t *testing.T) {
	primary := redistest.Start(t, nil)
	way := redistest.StartProxy(t, redistest.StartReplica(t, primary).Addr())
	way.Delay(600 * time.Millisecond)
	opt := to(primary)
	opt.Standalone.ReplicaAddress = []string{way.Addr()}
	wantFinding(t, diagnoseReplicas(t, redisstore.Dialer{Timeout: 4 * time.Second}, opt),
		redisstore.Finding{Check: "read-replicas", Severity: "warning", Addr: way.Addr(), Found: "an eighth of Timeout", Advice: "closer"})
}

// Primaries without replicas are found, and addresses that are missing are the error of Dial.
func TestDiagnose_noReplicas(t *testing.T) {
	cl := redistest.StartCluster(t, 2)
	found := diagnoseReplicas(t, redisstore.Dialer{}, rueidis.ClientOption{InitAddress: cl.Addrs()})
	for _, node := range cl.Nodes {
		wantFinding(t, found, redisstore.Finding{Check: "read-replicas", Severity: "warning", Addr: node.Addr(), Found: "has no replica", Advice: "Add a replica"})
	}
	for want, test := range map[string]diagnosed{
		"replica=HOST:PORT":           {redisstore.Dialer{ReadReplicas: true}, to(cl.Nodes[0])},
		"NoTracking and ReadReplicas": {redisstore.Dialer{ReadReplicas: true, NoTracking: true}, byReplica(server(t), server(t))},
		"sentinels name the replicas": {redisstore.Dialer{ReadReplicas: true}, func() rueidis.ClientOption {
			o := byReplica(server(t), server(t))
			o.Sentinel.MasterSet = "m"
			return o
		}()},
	} {
		if want == "replica=HOST:PORT" {
			test.opt = to(server(t))
		}
		test.d.Timeout = patience
		if _, err := test.d.Diagnose(ctx, test.opt, "p:"); err == nil || !stdstrings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Replicas that sentinels and clusters name are looked at, too.
func TestDiagnose_replicasNamed(t *testing.T) {
	set, cl := redistest.StartSentinel(t), redistest.StartReplicatedCluster(t, 2)
	for _, s := range []*redistest.Server{set.Replica, cl.Replicas[1]} {
		do(t, s, "CONFIG", "SET", "replica-read-only", "no")
	}
	writable := redisstore.Finding{Check: "read-replicas", Severity: "warning", Found: "replica-read-only is no"}
	writable.Addr = set.Replica.Addr()
	wantFinding(t, diagnoseReplicas(t, redisstore.Dialer{}, behindSentinels(set)), writable)
	writable.Addr = cl.Replicas[1].Addr()
	wantFinding(t, diagnoseReplicas(t, redisstore.Dialer{}, rueidis.ClientOption{InitAddress: cl.Addrs()}), writable)
}

// A diagnosis of a replica that hangs ends with its context.
func TestDiagnose_replicaHangs(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	way := redistest.StartProxy(t, replica.Addr())
	way.Hole(true)
	opt := to(primary)
	opt.Standalone.ReplicaAddress = []string{way.Addr()}
	wantFinding(t, diagnoseReplicas(t, redisstore.Dialer{Timeout: time.Second}, opt),
		redisstore.Finding{Check: "read-replicas", Severity: "warning", Addr: way.Addr(), Found: "no answer in time", Advice: "Start"})
	short, cancel := stdctx.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := (&redisstore.Dialer{Timeout: 10 * time.Minute, ReadReplicas: true}).Diagnose(short, opt, "strata:")
		ended <- err
	}()
	redistest.WaitFor(t, "the replica to be dialled", func() bool { _, _, n := way.Traffic(); return n > 1 })
	cancel()
	if err := <-ended; !errors.Is(err, stdctx.Canceled) {
		t.Error(err)
	}
}
