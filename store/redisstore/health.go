package redisstore

import (
	"strings"
	"time"
)

// Health is what a [Client] knows of Redis without asking.
type Health struct {
	// Breaker is "closed" while Redis is asked, "open" while it is not because it does
	// not answer, and "half-open" while a few operations are tried: see
	// [Dialer.BreakAfter].
	Breaker string    `json:"breaker"`
	Since   time.Time `json:"since,omitzero"` // when it became so; zero: it was never open
	Opened  uint64    `json:"opened"`         // how often Redis was given up

	// Dialed reports whether the client was ever connected to Redis. It is false only for
	// a client of a [Dialer] with Lazy.
	Dialed bool `json:"dialed"`

	// LastError is why Redis could not be used the last time that it could not, at
	// LastErrorAt; Errors is how often that was so. Empty: never. It holds no
	// credentials.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	Errors      uint64    `json:"errors"`

	// Connected reports whether invalidations arrive, so that L1 may serve. LastContact is
	// when the last heartbeat that Redis has answered was sent. Without listeners, or without
	// a heartbeat, they are false and zero.
	Connected   bool      `json:"connected"`
	LastContact time.Time `json:"last_contact,omitzero"`

	// Lag is how long the last heartbeat took that Redis has answered. Replies and pushes share
	// the connections, so that invalidations took no longer than this at that time. Zero: none
	// was answered.
	Lag time.Duration `json:"lag_ns"`

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

	// Nodes are those of a cluster with a breaker that is not closed.
	Nodes []NodeHealth `json:"nodes,omitempty"`

	// QueuedTags is how many tags were invalidated here and not acknowledged by Redis,
	// the oldest for QueuedTagsFor; -1: so many that every tag is to be.
	QueuedTags    int           `json:"queued_tags"`
	QueuedTagsFor time.Duration `json:"queued_tags_for_ns"`

	// RefusedTags counts the tags that were to be invalidated by retry and that Redis refuses
	// for good: other processes may keep values that carry them. RefusedTagsErr is why, for
	// the last one.
	RefusedTags    uint64 `json:"refused_tags,omitempty"`
	RefusedTagsErr string `json:"refused_tags_error,omitempty"`

	// ReplicaReads counts the values that replicas have sent: see [Dialer.ReadReplicas].
	// ReplicaFallbacks counts the large values that primaries have sent instead, and
	// ReplicaError is why a replica did not answer, the last time that one did not. It is
	// empty for a replica that answers, but has other values than its primary.
	ReplicaReads     uint64 `json:"replica_reads,omitempty"`
	ReplicaFallbacks uint64 `json:"replica_fallbacks,omitempty"`
	ReplicaError     string `json:"replica_error,omitempty"`
}

// Health returns what is known of Redis. It does no I/O.
func (c *Client) Health() Health {
	s := c.link.Breakers.Whole.Status()
	h := Health{Breaker: s.State.String(), Since: s.Since, Opened: s.Opened}
	for _, n := range c.link.Breakers.Health() {
		h.Nodes = append(h.Nodes, NodeHealth{n.Addr, n.State, n.Since})
	}
	h.Dialed = c.link.Pair.Load() != nil
	h.LastError, h.LastErrorAt, h.Errors = c.link.Errors.Get()
	if h.LastError != "" && !strings.Contains(h.LastError, c.link.Address()) {
		h.LastError = c.link.Address() + ": " + h.LastError
	}
	if refused := c.rights.get(); refused != nil {
		h.Refused = refused.Error()
	}
	h.Connected, h.LastContact, h.NoPushes, h.NoFailovers = c.heartbeat.Health()
	h.Lag = c.heartbeat.Took()
	h.MaxStale = c.link.MaxStale
	h.ReplicaReads, h.ReplicaFallbacks, h.ReplicaError = c.link.Replicas.Counts()
	for _, t := range c.tags.list() {
		n, oldest := t.Retry.Counts()
		h.QueuedTagsFor = max(h.QueuedTagsFor, oldest)
		if n < 0 || h.QueuedTags < 0 {
			h.QueuedTags = -1
		} else {
			h.QueuedTags += n
		}
		if n, last := t.Retry.Refused(); n > 0 {
			h.RefusedTags += n
			h.RefusedTagsErr = last.Error()
		}
	}
	return h
}

// NodeHealth is of a node of a cluster.
type NodeHealth struct {
	Addr    string    `json:"addr"`
	Breaker string    `json:"breaker"`
	Since   time.Time `json:"since"`
}
