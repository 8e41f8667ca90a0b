package otelcache

// A kind is the kind of an instrument.
type kind string

// Kinds.
const (
	counter       kind = "counter"         // only grows
	upDownCounter kind = "up-down counter" // a sum over all processes makes sense
	gauge         kind = "gauge"           // it does not
	histogram     kind = "histogram"
)

// An instrument describes one of this package.
type instrument struct {
	Name        string // without Options.Prefix
	Kind        kind
	Unit        string   // of UCUM
	Attributes  []string // without Options.Prefix
	Description string
}

// Attributes. Their values come from small sets: names of caches, and words of this package.
const (
	cacheName = "cache.name"
	tier      = "cache.tier"
	result    = "cache.result"
	reason    = "cache.reason"
	scope     = "cache.scope"
	origin    = "cache.origin"
	staleness = "cache.staleness"
	operation = "redis.operation"
	state     = "redis.breaker.state"
	policy    = "ratelimit.policy"
	source    = "ratelimit.source"
	decision  = "ratelimit.result"
)

// metrics are all instruments. docs/metrics.md is made of this table.
var metrics = []instrument{
	{"cache.requests", counter, "{request}", []string{cacheName, tier, result}, "Reads by what answered them: l1, l2, or the source (miss)."},
	{"cache.loads", counter, "{load}", []string{cacheName, result}, "Calls of the loader: ok or error. An absent value is no error."},
	{"cache.load.duration", histogram, "s", []string{cacheName, result}, "How long calls of the loader took: ok, absent or error."},
	{"cache.coalesced", counter, "{request}", []string{cacheName, scope}, "Reads that waited for a load of another caller, of this process or the fleet."},
	{"cache.refreshes", counter, "{refresh}", []string{cacheName, result}, "Loads of values that are cached: ok or error."},
	{"cache.stale.served", counter, "{answer}", []string{cacheName, reason}, "Stale answers because the source failed or is slow, or Redis could not confirm the copy either (suspect)."},
	{"cache.defaults", counter, "{answer}", []string{cacheName}, "Answers of Options.Default."},
	{"cache.overloads", counter, "{load}", []string{cacheName}, "Loads refused by MaxLoads or LoadBudget."},
	{"cache.entries", upDownCounter, "{entry}", []string{cacheName, tier}, "Entries in l1."},
	{"cache.size", upDownCounter, "By", []string{cacheName, tier}, "Bytes that entries in l1 are counted as."},
	{"cache.size.limit", upDownCounter, "By", []string{tier}, "The budget of l1, which all caches share."},
	{"cache.evictions", counter, "{eviction}", []string{cacheName, reason}, "Entries of l1 that made room (capacity), or were not admitted (rejected)."},
	{entryAgeName, histogram, "s", []string{cacheName, reason}, "Age of entries of l1 when they go, since their load began, of one in 64: expired, evicted, invalidated or replaced."},
	{"cache.invalidations", counter, "{invalidation}", []string{cacheName, origin}, "Invalidations by origin: keys that this process changed (local); keys that Redis has pushed, because any process changed them, or they expired or were evicted (redis); copies in l1 that a read finds with a tag that any process has invalidated (tag), unless another process has loaded the value again: Redis pushes that."},
	{"cache.invalidation.lag", gauge, "s", nil, "Upper bound of the delay of invalidations: how long the last heartbeat took, whose reply shares their connection."},
	{"cache.suspect", counter, "{event}", []string{cacheName}, "Times that invalidations may have been missed, after which all copies in l1 were suspect."},
	{"cache.revalidated", counter, "{entry}", []string{cacheName}, "Suspect copies that Redis confirmed."},
	{"cache.sampled", counter, "{answer}", []string{cacheName, result}, "Answers of l1 that were compared with Redis: current or stale."},
	{"cache.sampled.staleness", counter, "{answer}", []string{cacheName, staleness}, "Stale ones of those, by the time until l1 dropped the copy."},
	{"cache.verified", counter, "{value}", []string{cacheName, result}, "Cached values that Verify compared with the source: current or stale."},
	{"cache.verified.age", histogram, "s", []string{cacheName}, "Age of the stale ones of those, since their load began."},
	{"cache.errors", counter, "{operation}", []string{cacheName, tier}, "Operations of Redis that failed while a value was read."},
	{"cache.corrupt", counter, "{value}", []string{cacheName}, "Reads of a value in Redis that could not be decoded. They are misses."},
	{"cache.unstorable", counter, "{value}", []string{cacheName}, "Values that could not be cached: the codec failed, or they are too large."},
	{"cache.retry.queue", upDownCounter, "{key}", []string{cacheName}, "Keys with a change that Redis has not acknowledged; -1: all keys of the cache."},
	{"cache.retry.oldest", gauge, "s", []string{cacheName}, "Age of the oldest of these changes."},
	{"cache.refused", counter, "{change}", []string{cacheName}, "Changes that Redis refused permanently."},
	{"redis.connected", upDownCounter, "1", nil, "1 while invalidations arrive from Redis, or are not needed; otherwise 0."},
	{"redis.breaker.state", upDownCounter, "1", []string{state}, "1 for the state of the circuit breaker: closed, half-open or open; 0 for the others."},
	{"redis.errors", counter, "{error}", nil, "Times that Redis could not be used."},
	{"redis.replica.reads", counter, "{value}", []string{result}, "With ReadReplicas, reads of large values: hit if a replica sent the value, or miss if the primary did."},
	{"redis.tags.queue", upDownCounter, "{tag}", nil, "Invalidated tags that Redis has not acknowledged; -1: all tags."},
	{"redis.operation.duration", histogram, "s", []string{cacheName, operation, result}, "How long Redis operations took: ok, miss (no key was found) or error."},
	{"ratelimit.decisions", counter, "{decision}", []string{policy, decision, source}, "Decisions of limiters that Limiter wraps: allowed, denied or error."},
}

// synchronous are the counters that collect does not read, elsewhere the metrics that
// Instrument does not report.
var (
	synchronous = []string{decisionsName, verifiedName}
	elsewhere   = []string{decisionsName, verifiedName, verifiedAgeName}
)

const (
	entryAgeName  = "cache.entry.age"
	decisionsName = "ratelimit.decisions"
)

// bounds are the bounds of the buckets of durations, in seconds: 1 us to 10 s. The default
// bounds of the SDK begin at 5, as if the unit were a millisecond.
var bounds = []float64{
	1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
}

// ages are the bounds of the buckets of ages, in seconds: 10 ms to a week.
var ages = []float64{.01, .1, 1, 10, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600}
