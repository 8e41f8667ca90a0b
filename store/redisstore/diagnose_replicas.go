package redisstore

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/rediserr"
	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// This file looks at the replicas that [Dialer.ReadReplicas] reads from. None of what it finds
// changes an answer: the primary sends what a replica does not.

var (
	rightReadonly    = optionalRight{"readonly", "the replica sends each read to its primary"}
	rightReplicaGet  = optionalRight{"get", "the replica sends no value"}
	rightReplicaInfo = optionalRight{"info", "whether the replica follows its primary is not looked at"}
)

// readReplicas looks at the replicas: those of addrs, or those that the servers name.
func (g *diagnosis) readReplicas(ctx context.Context, addrs, prefixes []string) error {
	all := map[string][]string{"": addrs}
	if len(addrs) == 0 {
		var err error
		if all, err = g.client.link.ReplicaAddrs(ctx, g.links.W); err != nil {
			g.add("read-replicas", SeverityWarning, "", "Try again when the servers answer.", "the replicas could not be found: %v", g.client.link.Cause(ctx, err))
			return ctx.Err()
		}
	}
	for _, primary := range slices.Sorted(maps.Keys(all)) {
		if len(all[primary]) == 0 {
			g.add("read-replicas", SeverityWarning, primary, "Add a replica, or switch ReadReplicas off.", "ReadReplicas is on, and the primary has no replica: it sends all values")
		}
		for _, addr := range all[primary] {
			if err := g.readReplica(ctx, addr, primary, prefixes); err != nil {
				return err
			}
		}
	}
	return nil
}

// A readReplica is a replica that is looked at.
type readReplica struct {
	g       *diagnosis
	addr    string
	c       rueidis.Client
	key     string // one that its primary serves
	primary *facts // nil: nothing is known of it
}

// readReplica looks at the replica at addr of a primary.
func (g *diagnosis) readReplica(ctx context.Context, addr, primary string, prefixes []string) error {
	c, err := g.client.link.DialReplica(ctx, addr)
	if err != nil {
		if ctx.Err() == nil {
			g.add("read-replicas", SeverityWarning, addr, "Start the replica or repair its address.", "the replica cannot be connected to, and its primary sends all values: %v", err)
		}
		return ctx.Err()
	}
	defer c.Close()
	r := readReplica{g: g, addr: addr, c: c, key: g.prefix, primary: g.primary[primary]}
	for _, n := range g.nodes {
		if n.Addr == primary {
			r.key = n.Key
		}
	}
	if r.reads(ctx, prefixes) {
		r.facts(ctx)
		r.distance(ctx)
	}
	return ctx.Err()
}

// exchange sends commands to the replica.
func (r *readReplica) exchange(ctx context.Context, cmds ...rueidis.Completed) []rueidis.RedisResult {
	call, cancel := r.g.client.link.Deadlines.Begin(ctx)
	defer cancel()
	return r.c.DoMulti(call, cmds...)
}

// warn adds a finding about the replica.
func (r *readReplica) warn(advice, found string, args ...any) {
	r.g.add("read-replicas", SeverityWarning, r.addr, advice, found, args...)
}

// reads reads a key of each prefix, and reports whether the replica answers.
func (r *readReplica) reads(ctx context.Context, prefixes []string) bool {
	cmds := []rueidis.Completed{r.c.B().Get().Key(r.key).Build()}
	for _, p := range prefixes {
		cmds = append(cmds, r.c.B().Get().Key(p+"diagnose").Build())
	}
	if r.g.links.W.Mode() == rueidis.ClientModeCluster {
		r.g.optional(r.exchange(ctx, r.c.B().Readonly().Build())[0].Error(), r.addr, rightReadonly)
	}
	for i, got := range r.exchange(ctx, cmds...) {
		err := got.Error()
		reply, isReply := rueidis.IsRedisErr(err)
		switch {
		case err == nil, rueidis.IsRedisNil(err):
		case !isReply:
			r.warn("Look at its log.", "the replica does not answer, and its primary sends all values: %v", r.g.client.link.Cause(ctx, err))
			return false
		case strings.HasPrefix(reply.Error(), "MASTERDOWN"), strings.HasPrefix(reply.Error(), "LOADING"):
			r.warn("Wait until it follows its primary, or look at its log.", "the replica refuses reads, and its primary sends all values: %v", reply)
		case link.IsDenied(err):
			if command, _ := rediserr.Denied(reply.Error()); command != "" {
				r.g.optional(err, r.addr, rightReplicaGet)
			} else if i > 0 {
				r.g.add("rights", SeverityWarning, r.addr, "Grant ~"+prefixes[i-1]+"*.", "the user has no right to keys that begin with %q: the replica sends no value", prefixes[i-1])
			}
		}
	}
	return true
}

// facts looks at what the replica reports of itself.
func (r *readReplica) facts(ctx context.Context) {
	got := r.exchange(ctx, r.c.B().Arbitrary("INFO", "replication").Build(), r.c.B().Arbitrary("CONFIG", "GET", "replica-serve-stale-data").Build())
	info, err := got[0].ToString()
	r.g.optional(err, r.addr, rightReplicaInfo)
	r.follows(&facts{info: info})
	if conf, err := got[1].AsStrMap(); err == nil && conf["replica-serve-stale-data"] == "no" {
		r.g.add("read-replicas", SeverityInfo, r.addr, "Set replica-serve-stale-data yes unless another program needs no.",
			"replica-serve-stale-data is no: while the replica has lost its primary it refuses reads, though most of its values are still the current ones")
	}
}

// follows looks whether the replica has what its primary has. f has the section replication.
func (r *readReplica) follows(f *facts) {
	switch role := f.text("role"); {
	case role == "":
		return
	case role == "master":
		r.warn("Remove its address, or make it a replica with REPLICAOF.", "the server is not a replica but a primary: it has other values, and the right primary sends them")
		return
	case f.text("master_link_status") != "up":
		r.warn("Wait until it has synchronised, or look at its log.", "the replica has no connection to its primary, which sends all values that have changed since")
		return
	}
	if f.stat("slave_read_only") == 0 {
		r.warn("Set replica-read-only yes.", "replica-read-only is no: the primary sends the values that another program changes on the replica")
	}
	if r.primary == nil || r.primary.text("master_replid") == "" {
		return
	}
	if f.text("master_replid") != r.primary.text("master_replid") {
		r.warn("Give the address of a replica of this primary.", "the server is a replica of another primary: it has other values, and the right primary sends them")
	} else if behind := r.primary.stat("master_repl_offset") - f.stat("slave_repl_offset"); behind > farBehind {
		r.warn("Look at the load of the replica and at the network.", "the replica is %d bytes behind: the primary sends the values that it lacks", behind)
	}
}

// distance looks whether the replica answers within the time for which reads wait for it.
func (r *readReplica) distance(ctx context.Context) {
	const tries = 3
	best := time.Duration(-1)
	for range tries {
		sent := time.Now()
		err := r.exchange(ctx, r.c.B().Get().Key(r.key).Build())[0].NonRedisError()
		if took := time.Since(sent); err == nil && (best < 0 || took < best) {
			best = took
		}
	}
	if wait := r.g.client.link.ReplicaWait(); best > wait {
		r.warn("Use a replica that is closer, or raise Timeout.",
			"the fastest of %d exchanges took %v, and reads wait for a replica for %v, an eighth of Timeout: its primary sends all values", tries, best.Round(10*time.Microsecond), wait)
	}
}

// remember keeps what is known of the primary of a node.
func (g *diagnosis) remember(n heartbeat.Node, f *facts) {
	name := n.Addr
	if g.links.W.Mode() != rueidis.ClientModeCluster {
		name = ""
	}
	if g.primary == nil {
		g.primary = make(map[string]*facts)
	}
	g.primary[name] = f
}
