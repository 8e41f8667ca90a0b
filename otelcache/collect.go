package otelcache

import (
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store/redisstore"
)

// A reading writes what a collector reads.
type reading struct {
	*instruments
	to metric.Observer
}

// count writes n for the metric called name, with attributes in pairs.
func (r reading) count(name string, n uint64, pairs ...string) {
	r.sum(name, int64(n), pairs...)
}

func (r reading) sum(name string, n int64, pairs ...string) {
	r.to.ObserveInt64(r.observed[name], n, metric.WithAttributeSet(r.set(pairs...)))
}

func (r reading) gauge(name string, d time.Duration, pairs ...string) {
	r.to.ObserveFloat64(r.gauges[name], d.Seconds(), metric.WithAttributeSet(r.set(pairs...)))
}

// collect writes the counters of b. It does no I/O.
func (in *instruments) collect(b *strata.Backend, to metric.Observer) {
	r := reading{in, to}
	caches := b.Caches()
	var budget int64
	for _, c := range caches {
		r.requests(c.Name, &c.Stats)
		r.protection(c.Name, &c.Stats)
		r.coherence(c.Name, &c.Stats)
		r.count("cache.corrupt", in.corrupt.of(c.Name).Load(), cacheName, c.Name)
		budget = max(budget, c.Stats.L1.MaxBytes)
	}
	if len(caches) > 0 {
		r.sum("cache.size.limit", budget, tier, "l1")
	}
	if h := b.Health(); h.Redis != nil && !h.Closed {
		r.redis(h.Redis)
	}
}

// requests writes what reads found, and what is in memory.
func (r reading) requests(name string, c *layered.Counts) {
	r.count("cache.requests", c.L1Hits, cacheName, name, tier, "l1", result, "hit")
	r.count("cache.requests", c.L2Hits, cacheName, name, tier, "l2", result, "hit")
	r.count("cache.requests", c.Misses, cacheName, name, tier, "none", result, "miss")
	r.count("cache.loads", c.Loads-min(c.LoadErrors, c.Loads), cacheName, name, result, "ok")
	r.count("cache.loads", c.LoadErrors, cacheName, name, result, "error")
	r.sum("cache.entries", c.L1.Entries, cacheName, name, tier, "l1")
	r.sum("cache.size", c.L1.Bytes, cacheName, name, tier, "l1")
	r.count("cache.evictions", c.L1.Evictions, cacheName, name, reason, "capacity")
	r.count("cache.evictions", c.L1.Rejected, cacheName, name, reason, "rejected")
}

// protection writes what kept load from the source.
func (r reading) protection(name string, c *layered.Counts) {
	r.count("cache.coalesced", c.Shared, cacheName, name, scope, "process")
	r.count("cache.coalesced", c.Waits, cacheName, name, scope, "fleet")
	r.count("cache.refreshes", c.Refreshes-min(c.RefreshErrors, c.Refreshes), cacheName, name, result, "ok")
	r.count("cache.refreshes", c.RefreshErrors, cacheName, name, result, "error")
	r.count("cache.stale.served", c.StaleServed-min(c.Suspect, c.StaleServed), cacheName, name, reason, "source")
	r.count("cache.stale.served", c.Suspect, cacheName, name, reason, "suspect")
	r.count("cache.defaults", c.Defaults, cacheName, name)
	r.count("cache.overloads", c.Overloads, cacheName, name)
}

// coherence writes what keeps copies current, and what failed.
func (r reading) coherence(name string, c *layered.Counts) {
	r.count("cache.invalidations", c.Invalidations, cacheName, name, origin, "redis")
	r.count("cache.invalidations", c.OwnChanges, cacheName, name, origin, "local")
	r.count("cache.invalidations", c.Outdated, cacheName, name, origin, "tag")
	r.count("cache.suspect", c.Lost, cacheName, name)
	r.count("cache.revalidated", c.Revalidated, cacheName, name)
	r.count("cache.sampled", c.Sampled-min(c.SampledStale, c.Sampled), cacheName, name, result, "current")
	r.count("cache.sampled", c.SampledStale, cacheName, name, result, "stale")
	for i, n := range c.StaleFor {
		r.count("cache.sampled.staleness", n, cacheName, name, staleness, stalenessOf(i))
	}
	r.count("cache.errors", c.L2Errors, cacheName, name, tier, "l2")
	r.count("cache.unstorable", c.EncodeErrors, cacheName, name)
	r.sum("cache.retry.queue", int64(c.RetryQueue), cacheName, name)
	r.gauge("cache.retry.oldest", c.RetryOldest, cacheName, name)
	r.count("cache.refused", c.RetryRefused, cacheName, name)
}

// stalenessOf returns the value of the attribute for bucket i of layered.Counts.StaleFor.
func stalenessOf(i int) string {
	if i == len(layered.StaleBounds) {
		return "longer"
	}
	return layered.StaleBounds[i].String()
}

// redis writes the state of the connection.
func (r reading) redis(h *redisstore.Health) {
	idle := h.LastContact.IsZero() && h.Breaker == "closed" || h.MaxStale > 0
	var connected int64
	if h.NoPushes == "" && h.Breaker == "closed" && (h.Connected || idle) {
		connected = 1
	}
	r.sum("redis.connected", connected)
	for _, s := range []string{"closed", "half-open", "open"} {
		var is int64
		if s == h.Breaker {
			is = 1
		}
		r.sum("redis.breaker.state", is, state, s)
	}
	r.count("redis.errors", h.Errors)
	r.count("redis.replica.reads", h.ReplicaReads, result, "hit")
	r.count("redis.replica.reads", h.ReplicaFallbacks, result, "miss")
	r.sum("redis.tags.queue", int64(h.QueuedTags))
	if h.Lag > 0 {
		r.gauge("cache.invalidation.lag", h.Lag)
	}
}
