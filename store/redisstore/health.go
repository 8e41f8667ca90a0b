package redisstore

import (
	"strings"
	"time"
)

// Health is the state of a [Client] as known without I/O.
type Health struct {
	// Breaker is the state of the circuit breaker: "closed", "open", or "half-open" while a few
	// operations test whether Redis is back. See [Dialer.BreakAfter].
	Breaker string    `json:"breaker"`
	Since   time.Time `json:"since,omitzero"` // of that state; zero: it was never open
	Opened  uint64    `json:"opened"`         // how often the breaker has opened

	// Dialed reports whether the client was ever connected to Redis. It is false only for
	// a client of a [Dialer] with Lazy.
	Dialed bool `json:"dialed"`

	// LastError is the error of the last operation that found Redis unusable, at LastErrorAt,
	// without credentials. Errors is the number of such operations. Empty: there was none.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	Errors      uint64    `json:"errors"`

	// Connected reports whether invalidations arrive, so that L1 may serve. LastContact is when
	// the last answered heartbeat was sent. Without watchers, or without heartbeats, they are
	// false and zero.
	Connected   bool      `json:"connected"`
	LastContact time.Time `json:"last_contact,omitzero"`

	// Lag is the duration of the last answered heartbeat. Invalidations took no longer at that
	// time, because replies and pushes share the connections. Zero: no heartbeat was answered.
	Lag time.Duration `json:"lag_ns"`

	// Refused names the rights that the user of the client lacks: the command and the user in the
	// words of the server, with its address, and what to grant. Ping finds it, and with watchers
	// the heartbeat, after Redis has refused a command and when there are new stores. The breaker
	// stays closed, because such a Redis answers. Empty: no refusal is known.
	Refused string `json:"refused,omitempty"`

	// NoPushes says why L1 does not serve although Redis answers: invalidations do not arrive,
	// for example because a proxy drops them. Empty: they arrive.
	NoPushes string `json:"no_pushes,omitempty"`

	// NoFailovers says why failovers and restarts that lose writes are not detected: the reply of
	// Redis, or of a proxy, to the INFO of a heartbeat. Empty: they are detected, as far as is
	// known.
	NoFailovers string `json:"no_failovers,omitempty"`

	// MaxStale is [Client.MaxStale]. Zero: the client uses tracking.
	MaxStale time.Duration `json:"max_stale_ns,omitempty"`

	// Nodes are the cluster nodes with a breaker that is not closed.
	Nodes []NodeHealth `json:"nodes,omitempty"`

	// QueuedTags is the number of tags that this process has invalidated and Redis has not
	// acknowledged; -1: all tags. QueuedTagsFor is the age of the oldest.
	QueuedTags    int           `json:"queued_tags"`
	QueuedTagsFor time.Duration `json:"queued_tags_for_ns"`

	// RefusedTags counts the tags whose retried invalidation Redis permanently refused: other
	// processes may keep values with these tags. RefusedTagsErr is the last error.
	RefusedTags    uint64 `json:"refused_tags,omitempty"`
	RefusedTagsErr string `json:"refused_tags_error,omitempty"`

	// ReplicaReads counts the values that replicas have sent: see [Dialer.ReadReplicas].
	// ReplicaFallbacks counts the large values that primaries have sent instead. ReplicaError is
	// the last error of a replica that did not answer. It is empty if replicas answer with other
	// values than their primary.
	ReplicaReads     uint64 `json:"replica_reads,omitempty"`
	ReplicaFallbacks uint64 `json:"replica_fallbacks,omitempty"`
	ReplicaError     string `json:"replica_error,omitempty"`
}

// Health returns the state of the client. It does no I/O.
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

// NodeHealth is the state of a cluster node.
type NodeHealth struct {
	Addr    string    `json:"addr"`
	Breaker string    `json:"breaker"`
	Since   time.Time `json:"since"`
}
