package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A Severity says how much a [Finding] matters.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // caches do not work, or may lose what they promise
	SeverityWarning Severity = "warning" // caches work, but not as they could, or not for long
	SeverityInfo    Severity = "info"    // good to know
)

// A Finding is something that [Diagnose] has found.
type Finding struct {
	// Check is the name of the check. Names are stable: tracking, rights, commands,
	// eviction, tracking-table, persistence, replicas, clock, slots, latency.
	Check string `json:"check"`

	Severity Severity `json:"severity"`

	// Addr is the server. Empty: it concerns all of them.
	Addr string `json:"addr,omitempty"`

	// Found is what is so, and Advice one sentence on what to do about it.
	Found  string `json:"found"`
	Advice string `json:"advice"`
}

// String returns the finding in one line.
func (f Finding) String() string {
	addr := ""
	if f.Addr != "" {
		addr = f.Addr + ": "
	}
	return fmt.Sprintf("%s: %s: %s%s. %s", f.Severity, f.Check, addr, f.Found, f.Advice)
}

// Diagnose looks at the servers that opt names, and returns what caches would suffer from,
// errors first. It is (&Dialer{}).Diagnose(ctx, opt, prefixes...).
func Diagnose(ctx context.Context, opt rueidis.ClientOption, prefixes ...string) ([]Finding, error) {
	return (&Dialer{}).Diagnose(ctx, opt, prefixes...)
}

// Diagnose looks at the servers that opt names, and returns what caches of a client that d
// dials would suffer from, errors first. It connects by itself, and needs no other rights than
// caches do: a right that is missing is a finding. The prefixes are those of the keys of the
// stores and [Tags]; without them only the rights to commands are checked. It writes keys that
// begin with the first prefix and "diagnose", and deletes them.
//
// The error is that of the connection, as [Dialer.DialContext] returns it, or of ctx. A server
// that refuses the credentials is an error, too.
func (d *Dialer) Diagnose(ctx context.Context, opt rueidis.ClientOption, prefixes ...string) ([]Finding, error) {
	g := &diagnosis{prefix: "!diagnose"}
	if len(prefixes) > 0 {
		g.prefix = prefixes[0] + "diagnose"
	}
	plain := Dialer{Timeout: d.Timeout, WaitReplicas: d.WaitReplicas, NoTracking: true, BreakAfter: -1, MaxUnheard: -1}
	c, err := plain.DialContext(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	l, err := c.connected(ctx)
	if err != nil {
		return nil, &store.Error{Store: storeName, Op: "diagnose", Err: c.cause(ctx, err)}
	}
	g.client, g.links, g.replicas = c, l, d.WaitReplicas
	if g.nodes, err = g.primaries(ctx); err == nil {
		if !d.NoTracking {
			g.tracking(ctx, d, opt, prefixes)
			c.maxStale = 0 // the rights are those of a client with tracking
		}
		g.rights(ctx, prefixes)
		err = g.servers(ctx)
	}
	if err != nil {
		return nil, &store.Error{Store: storeName, Op: "diagnose", Err: c.cause(ctx, err)}
	}
	slices.SortStableFunc(g.findings, func(a, b Finding) int {
		return cmp.Compare(a.Severity.rank(), b.Severity.rank())
	})
	return g.findings, ctx.Err()
}

func (s Severity) rank() int {
	return slices.Index([]Severity{SeverityError, SeverityWarning, SeverityInfo}, s)
}

// A diagnosis is one call of Diagnose.
type diagnosis struct {
	client   *Client // without tracking
	links    *links
	prefix   string // of the keys that are written
	replicas int    // that changes wait for
	nodes    []node // the primaries: one without an address, or those of a cluster
	findings []Finding
}

func (g *diagnosis) add(check string, s Severity, addr, advice, found string, args ...any) {
	f := Finding{Check: check, Severity: s, Addr: addr, Found: fmt.Sprintf(found, args...), Advice: advice}
	if !slices.Contains(g.findings, f) {
		g.findings = append(g.findings, f)
	}
}

// primaries returns the servers to look at, with a key of each.
func (g *diagnosis) primaries(ctx context.Context) (nodes []node, err error) {
	if g.links.w.Mode() != rueidis.ClientModeCluster {
		return []node{{addr: g.client.address(), key: g.prefix}}, nil
	}
	ranges, err := g.client.slotsOf(ctx, g.links.w)
	if err != nil {
		return nil, err
	}
	g.slots(ranges)
	for _, r := range ranges {
		if !slices.ContainsFunc(nodes, func(n node) bool { return n.addr == r.addr }) {
			nodes = append(nodes, node{addr: r.addr, key: keyInSlot(g.prefix, r.first)})
		}
	}
	return nodes, nil
}

// at returns the client of n among those that l has.
func (g *diagnosis) at(ctx context.Context, l rueidis.Client, n node) (rueidis.Client, error) {
	if l.Mode() != rueidis.ClientModeCluster {
		return l, nil
	}
	return nodeOf(ctx, l, n.addr, n.key)
}

// servers looks at each primary.
func (g *diagnosis) servers(ctx context.Context) error {
	for _, n := range g.nodes {
		c, err := g.at(ctx, g.links.w, n)
		if err != nil {
			return err
		}
		f := g.factsOf(ctx, c, n)
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
func (g *diagnosis) slots(ranges []slotRange) {
	served := 0
	for _, r := range ranges {
		served += int(r.last) - int(r.first) + 1
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
	err := g.client.checkRights(ctx, g.links, nil)
	switch {
	case err == nil:
	case errors.Is(err, ErrAuth):
		g.add("rights", SeverityError, "", "Grant what is named with ACL SETUSER.", "%v", err)
	case errors.Is(err, errors.ErrUnsupported):
		g.add("commands", SeverityError, "", "Use a server, or connect without the proxy, that has these commands.", "%v", err)
	default:
		g.add("rights", SeverityWarning, "", "Try again when the server answers.", "the rights could not be checked: %v", g.client.cause(ctx, err))
	}
}
