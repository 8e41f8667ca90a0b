package redisstore

import (
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/breaker"
)

// Health is what a [Client] knows of Redis without asking.
type Health struct {
	// Breaker is "closed" while Redis is asked, "open" while it is not because it does
	// not answer, and "half-open" while a few operations are tried: see
	// [Dialer.BreakAfter].
	Breaker string    `json:"breaker"`
	Since   time.Time `json:"since,omitzero"` // when it became so; zero: it was never open
	Opened  uint64    `json:"opened"`         // how often Redis was given up

	// Connected says whether Redis has been connected to: false only for a client of a
	// [Dialer] with Lazy.
	Connected bool `json:"connected"`

	// LastError is why Redis could not be used the last time that it could not, at
	// LastErrorAt; Errors is how often that was so. Empty: never. It holds no
	// credentials.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	Errors      uint64    `json:"errors"`

	// Hears says whether changes are told, so that L1 may serve; Heard is when the last
	// heartbeat was sent that Redis has answered. Where nobody listens, or there is no
	// heartbeat, they are false and zero.
	Hears bool      `json:"hears"`
	Heard time.Time `json:"heard,omitzero"`

	// Refused says which rights the user of the client lacks, and what to grant: the
	// command and the user in the words of the server, with its address. It is found by
	// Ping, and by the heartbeat while there is a listener: after Redis has refused
	// something, and when there are new stores. Empty: nothing is known to be refused.
	// A Redis that refuses commands does answer, so the breaker stays closed.
	Refused string `json:"refused,omitempty"`

	// NoPushes says why L1 does not serve though Redis answers: invalidations do not
	// arrive, because a proxy drops them for instance. Empty: they do arrive.
	NoPushes string `json:"no_pushes,omitempty"`

	// NoFailovers says why a failover or a restart that loses writes is not noticed: the
	// reply of Redis, or of a proxy, to INFO, which the heartbeat sends. Empty: it is
	// noticed, as far as is known.
	NoFailovers string `json:"no_failovers,omitempty"`

	// MaxStale is that of the client: see [Client.MaxStale]. Zero: with tracking.
	MaxStale time.Duration `json:"max_stale_ns,omitempty"`

	// Nodes are those of a cluster whose breaker is not closed.
	Nodes []NodeHealth `json:"nodes,omitempty"`

	// PendingTags is how many tags were invalidated here that Redis has not heard of,
	// the oldest for PendingTagsFor; -1: so many that every tag is to be.
	PendingTags    int           `json:"pending_tags"`
	PendingTagsFor time.Duration `json:"pending_tags_for_ns"`

	// RefusedTags counts the tags that were to be invalidated by retry and that Redis refuses
	// for good: other processes may keep values that carry them. RefusedTagsErr is why, for
	// the last one.
	RefusedTags    uint64 `json:"refused_tags,omitempty"`
	RefusedTagsErr string `json:"refused_tags_error,omitempty"`
}

// NodeHealth is of a node of a cluster.
type NodeHealth struct {
	Addr    string    `json:"addr"`
	Breaker string    `json:"breaker"`
	Since   time.Time `json:"since"`
}

// Health tells what is known of Redis. It does no I/O.
func (c *Client) Health() Health {
	s := c.breakers.whole.Status()
	h := Health{Breaker: s.State.String(), Since: s.Since, Opened: s.Opened, Nodes: c.breakers.health()}
	h.Connected = c.links.Load() != nil
	h.LastError, h.LastErrorAt, h.Errors = c.errors.get()
	if h.LastError != "" && !strings.Contains(h.LastError, c.address()) {
		h.LastError = c.address() + ": " + h.LastError
	}
	if refused := c.rights.get(); refused != nil {
		h.Refused = refused.Error()
	}
	h.Hears, h.Heard, h.NoPushes, h.NoFailovers = c.pulse.health()
	h.MaxStale = c.maxStale
	for _, t := range c.tags.list() {
		n, oldest := t.pending.counts()
		h.PendingTagsFor = max(h.PendingTagsFor, oldest)
		if n < 0 || h.PendingTags < 0 {
			h.PendingTags = -1
		} else {
			h.PendingTags += n
		}
		if n, last := t.pending.refusedTags(); n > 0 {
			h.RefusedTags += n
			h.RefusedTagsErr = last.Error()
		}
	}
	return h
}

func (bs *breakers) health() (nodes []NodeHealth) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for addr, b := range bs.nodes {
		if s := b.Status(); s.State != breaker.Closed {
			nodes = append(nodes, NodeHealth{addr, s.State.String(), s.Since})
		}
	}
	slices.SortFunc(nodes, func(a, b NodeHealth) int { return strings.Compare(a.Addr, b.Addr) })
	return nodes
}

func (p *pulse) health() (hears bool, heard time.Time, noPushes, noFailovers string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil || !p.answered {
		return false, time.Time{}, "", ""
	}
	if p.mute != nil {
		noPushes = p.mute.Error()
	}
	if p.noInfo != nil {
		noFailovers = "INFO is refused: " + replyCause(p.noInfo.Error(), p.noInfo).Error()
	}
	return p.hears.Load(), p.last, noPushes, noFailovers
}
