package redisstore

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// Diagnose looks at the servers that opt names, and returns what caches would suffer from,
// errors first. It is (&Dialer{}).Diagnose(ctx, opt, prefixes...).
func Diagnose(ctx context.Context, opt rueidis.ClientOption, prefixes ...string) ([]Finding, error) {
	return (&Dialer{}).Diagnose(ctx, opt, prefixes...)
}

// DiagnoseURL is Diagnose of the servers that url names: see [Dialer.DialURL].
func (d *Dialer) DiagnoseURL(ctx context.Context, url string, prefixes ...string) ([]Finding, error) {
	opt, err := parseURL(url)
	if err != nil {
		return nil, &store.Error{Store: link.StoreName, Op: "diagnose", Err: err}
	}
	return d.Diagnose(ctx, opt, prefixes...)
}

// Diagnose looks at the servers that opt names, and returns what caches of a client that d
// dials would suffer from, errors first. It connects by itself, and needs no other rights than
// caches do: a right that is missing is a finding. The prefixes are those of the keys of the
// stores and [Tags]; without them only the rights to commands are checked. It writes keys that
// begin with the first prefix and "diagnose", and deletes them. With ReadReplicas it also looks
// at the replicas.
//
// The error is that of the connection, as [Dialer.DialContext] returns it, or of ctx. A server
// that refuses the credentials is an error, too.
func (d *Dialer) Diagnose(ctx context.Context, opt rueidis.ClientOption, prefixes ...string) ([]Finding, error) {
	g := &diagnosis{prefix: "!diagnose"}
	if len(prefixes) > 0 {
		g.prefix = prefixes[0] + "diagnose"
	}
	replicas, err := d.toDiagnose(&opt)
	if err != nil {
		return nil, &store.Error{Store: link.StoreName, Op: "diagnose", Err: err}
	}
	plain := Dialer{Timeout: d.Timeout, WaitReplicas: d.WaitReplicas, NoTracking: true, BreakAfter: -1, MaxDisconnected: -1}
	c, err := plain.DialContext(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	l, err := c.link.Connected(ctx)
	if err != nil {
		return nil, &store.Error{Store: link.StoreName, Op: "diagnose", Err: c.link.Cause(ctx, err)}
	}
	g.client, g.links, g.replicas = c, l, d.WaitReplicas
	if d.ReadReplicas {
		err = link.CheckReplicas(l.W, replicas)
	}
	if err == nil {
		g.nodes, err = g.primaries(ctx)
	}
	if err == nil {
		if !d.NoTracking {
			g.tracking(ctx, d, opt, prefixes)
			c.link.MaxStale = 0 // the rights are those of a client with tracking
		}
		g.rights(ctx, prefixes)
		err = g.servers(ctx)
	}
	if err == nil && d.ReadReplicas {
		err = g.readReplicas(ctx, replicas, prefixes)
	}
	if err != nil {
		return nil, &store.Error{Store: link.StoreName, Op: "diagnose", Err: c.link.Cause(ctx, err)}
	}
	slices.SortStableFunc(g.findings, func(a, b Finding) int {
		return cmp.Compare(a.Severity.rank(), b.Severity.rank())
	})
	return g.findings, ctx.Err()
}

// toDiagnose returns the addresses of the replicas to look at, which it removes from opt.
func (d *Dialer) toDiagnose(opt *rueidis.ClientOption) (replicas []string, err error) {
	if d.ReadReplicas {
		_, err = d.untracked()
		err = oneline.Join(link.CheckSettings(opt, true), err)
		replicas = opt.Standalone.ReplicaAddress
	}
	opt.Standalone.ReplicaAddress = nil
	return replicas, err
}

// primaries returns the servers to look at, with a key of each.
func (g *diagnosis) primaries(ctx context.Context) (nodes []heartbeat.Node, err error) {
	if g.links.W.Mode() != rueidis.ClientModeCluster {
		return []heartbeat.Node{{Addr: g.client.link.Address(), Key: g.prefix}}, nil
	}
	ranges, err := g.client.link.SlotMap(ctx, g.links.W)
	if err != nil {
		return nil, err
	}
	g.slots(ranges)
	for _, r := range ranges {
		if !slices.ContainsFunc(nodes, func(n heartbeat.Node) bool { return n.Addr == r.Addr }) {
			nodes = append(nodes, heartbeat.Node{Addr: r.Addr, Key: heartbeat.KeyInSlot(g.prefix, r.First)})
		}
	}
	return nodes, nil
}

// servers looks at each primary.
func (g *diagnosis) servers(ctx context.Context) error {
	for _, n := range g.nodes {
		c, err := g.at(ctx, g.links.W, n)
		if err != nil {
			return err
		}
		f := g.factsOf(ctx, c, n)
		g.remember(n, f)
		g.eviction(f)
		g.trackingTable(f)
		g.persistence(f)
		g.replication(f)
		if err := g.latency(ctx, c, n); err != nil {
			return err
		}
	}
	return nil
}

// slots looks for slots that nobody serves.
func (g *diagnosis) slots(ranges []link.SlotRange) {
	served := 0
	for _, r := range ranges {
		served += int(r.Last) - int(r.First) + 1
	}
	if served < 16384 {
		g.add("slots", SeverityError, "", "Give the slots to a primary, or bring back the one that had them.",
			"%d of 16384 slots have no primary: their keys cannot be read or written", 16384-served)
	}
}

// rights looks for commands and keys that the user may not use.
func (g *diagnosis) rights(ctx context.Context, prefixes []string) {
	for _, p := range prefixes {
		g.client.rights.use(p)
	}
	err := g.client.rights.check(ctx, g.links, nil)
	switch {
	case err == nil:
	case errors.Is(err, store.ErrAuth):
		g.add("rights", SeverityError, "", "Grant what is named with ACL SETUSER.", "%v", err)
	case errors.Is(err, errors.ErrUnsupported):
		g.add("commands", SeverityError, "", "Use a server, or connect without the proxy, that has these commands.", "%v", err)
	default:
		g.add("rights", SeverityWarning, "", "Try again when the server answers.", "the rights could not be checked: %v", g.client.link.Cause(ctx, err))
	}
}
