package redisstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
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

func (s Severity) rank() int {
	return slices.Index([]Severity{SeverityError, SeverityWarning, SeverityInfo}, s)
}

// A Finding is a result of [Diagnose].
type Finding struct {
	// Check is the name of the check. Names are stable: tracking, rights, commands,
	// eviction, tracking-table, persistence, replicas, clock, slots, latency,
	// read-replicas.
	Check string `json:"check"`

	Severity Severity `json:"severity"`

	// Addr is the server. Empty: it concerns all of them.
	Addr string `json:"addr,omitempty"`

	// Found is the fact, and Advice is one sentence on what to do about it.
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

// A diagnosis is one call of Diagnose.
type diagnosis struct {
	client   *Client // without tracking
	links    *link.Pair
	prefix   string            // of the keys that are written
	replicas int               // that changes wait for
	nodes    []heartbeat.Node  // the primaries: one without an address, or those of a cluster
	primary  map[string]*facts // of each, by its address in a cluster; else ""
	findings []Finding
}

func (g *diagnosis) add(check string, s Severity, addr, advice, found string, args ...any) {
	f := Finding{Check: check, Severity: s, Addr: addr, Found: fmt.Sprintf(found, args...), Advice: advice}
	if !slices.Contains(g.findings, f) {
		g.findings = append(g.findings, f)
	}
}

// at returns the client of n among those that l has.
func (g *diagnosis) at(ctx context.Context, l rueidis.Client, n heartbeat.Node) (rueidis.Client, error) {
	if l.Mode() != rueidis.ClientModeCluster {
		return l, nil
	}
	return link.NodeOf(ctx, l, n.Addr, n.Key)
}
