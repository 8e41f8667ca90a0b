package strata

import (
	"context"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
)

// Options configure a [Cache]. Nil and the zero value select the defaults.
//
// Most caches need only fields of the first group. The groups, in field order:
//   - Common: TTL, TTLOf, AbsentFor, StaleFor, StaleWhileRevalidate, RefreshAhead,
//     LoadTimeout, LoadMany, Tags, Clone, Codec, SchemaVersion.
//   - Expiry: MaxTTL, OverrideOf, IdleTTL, L1TTL, KeepInL1, Jitter.
//   - Stale values and failures: RevalidateFor, StrictStale, SoftTimeout, Default,
//     RetryAfter, RedisTimeout, SourceFirst.
//   - Refresh: RefreshBeta, RefreshEvery, RefreshFor, Reload, RevisionOf.
//   - Loading: LoadEntry, LoadEntries, BatchWindow, BatchSize, FinishLoads, MaxLoads,
//     LoadBudget, KeepHot.
//   - Encoding and isolation: AllowLossy, Verify, DecodeEach, Schema.
//
// Functions in Options must be quick, except loaders, Reload and LoadBudget, and must be
// safe for concurrent use.
type Options[K comparable, V any] struct {
	// Common.

	// TTL is how long a value is fresh. 0: keys.Medium. store.Forever: until it is
	// evicted or changed.
	TTL time.Duration

	// TTLOf returns the TTL of one value. It must be quick and safe for concurrent use.
	// If it returns 0, TTL applies; if NoStore or any negative duration, the value is
	// returned to callers but not cached. nil: TTL applies to all values.
	TTLOf func(id K, v V) time.Duration

	// AbsentFor is how long the cache remembers that the source has no value for an id.
	// 0: 30 seconds. Negative: not at all.
	AbsentFor time.Duration

	// StaleFor is how long after its TTL a value is kept as a fallback for a failing
	// source. If Redis is unreachable too, L1 returns its copy, which another process may
	// have changed in the meantime. It never returns a copy that this process changed or
	// that was invalidated. 0: expired values are not kept.
	StaleFor time.Duration

	// StaleWhileRevalidate returns a stale value immediately, while one process refreshes
	// it in the background. It requires StaleFor. Values marked by MarkStale count as
	// stale; deleted or replaced values are never returned. False: readers wait for the
	// load.
	StaleWhileRevalidate bool

	// RefreshAhead is the fraction of the TTL after which a read starts a background
	// refresh, in 0..1. One process refreshes at a time. 0: no refresh before expiry.
	// 0.8 is typical for slow loads.
	RefreshAhead float64

	// LoadTimeout bounds a load. 0: 30 seconds. Negative: no bound.
	LoadTimeout time.Duration

	// LoadMany loads several values in one call, for GetMany. An id that is missing from
	// the returned map is absent at the source. With an error, LoadMany may return the
	// values that it has; ids missing from the map have then failed. To report which ids
	// failed, it returns a *ManyError[K]: ids in neither the map nor the error are absent.
	// nil: GetMany calls the loader for each id, 8 at a time.
	LoadMany func(ctx context.Context, ids []K) (map[K]V, error)

	// Tags returns the invalidation tags of a value: see Backend.InvalidateTags. They may
	// depend on the loaded value. It must be quick and safe for concurrent use. Redis keeps
	// a small key for each tag for twice the lifetime of the value: see redisstore.Tags.
	// nil: values have no tags.
	Tags func(id K, v V) []string

	// Clone copies a value, so that callers may modify what they receive. The cache calls
	// it for every value that it returns, and for a value passed to Set that stays in
	// memory. The cache owns the values that the loader returns. Clone must not modify its
	// argument or share mutable parts with it, and must be safe for concurrent use, also on
	// the same value. nil: values are shared, and callers must not modify them.
	Clone func(v V) V

	// Codec encodes values for Redis, and for L1 with DecodeEach. With either, New returns
	// an error for a V that Codec does not round-trip, and all times in values are in UTC,
	// also in the process that loaded them. nil: codec.Msgpack.
	Codec codec.Codec[V]

	// SchemaVersion is part of the keys in Redis. Increment it when the meaning of the
	// values changes but V does not. Processes with different versions do not see each
	// other's values.
	SchemaVersion uint

	// Expiry.

	// MaxTTL caps the TTL of every entry, also of an absent one, whatever function or call has
	// set it: see the table in docs/configuration.md. StaleFor is added to it. 0: no cap.
	MaxTTL time.Duration

	// OverrideOf returns the options that are different for one id. It must be quick and safe
	// for concurrent use. nil: all ids have the same options.
	OverrideOf func(id K) Override

	// IdleTTL is how long a value is kept that is not read. A read extends it to IdleTTL from
	// now, at most to the TTL of the value, its hard end. It does so in Redis, for all
	// processes, once half of IdleTTL is over. SetFor and SetTTL return an error. 0: reads
	// extend nothing.
	IdleTTL time.Duration

	// L1TTL bounds how long L1 keeps a value, which never exceeds its lifetime in L2.
	// 0: no additional bound.
	L1TTL time.Duration

	// KeepInL1 reports whether L1 keeps a copy of a value, for values that are large or
	// rarely read. If it returns false, each read of the value takes one Redis exchange. It has
	// no effect without Redis, because L1 is then the only tier. It must be quick and safe for
	// concurrent use. nil: L1 keeps all values.
	KeepInL1 func(id K, v V) bool

	// Jitter is the fraction, in 0..1, by which each TTL is shortened at random, so that
	// values loaded together do not expire together. 0: 0.1. Negative: none.
	Jitter float64

	// Stale values and failures.

	// RevalidateFor bounds StaleWhileRevalidate. Readers wait for the load of a value that
	// expired longer ago, or was marked by MarkStale, and get the stale value only if the
	// source fails. 0: StaleFor is the only bound.
	RevalidateFor time.Duration

	// StrictStale forbids stale values that another process may have changed. If neither
	// the source nor Redis can answer, Get returns the error of the loader.
	StrictStale bool

	// SoftTimeout is how long a reader waits for a load if a stale value exists. Then it
	// gets the stale value, for which GetEntry returns store.ErrSlow as the Cause, and the
	// load continues. The time counts from the start of the load. SoftTimeout also bounds
	// the wait for MaxLoads and LoadBudget. 0: readers wait for loads, and loads wait one
	// second for MaxLoads and LoadBudget.
	SoftTimeout time.Duration

	// Default returns a value of last resort when the source fails with err and there is
	// no stale value. If it returns false, the caller gets err. The value is not cached.
	// GetEntry flags it as stale, with layered.Default as its Tier and err as its Cause.
	// GetFresh does not use it. It must be safe for concurrent use. nil: no default.
	Default func(id K, err error) (V, bool)

	// RetryAfter is how long the cache does not call a source that failed. It applies to ids
	// with a stale value or a Default, and to refreshes. 0: 5 seconds. Negative: the next read
	// calls it again.
	RetryAfter time.Duration

	// RedisTimeout bounds how long a read waits for Redis before it calls the loader. The
	// deadline of the caller applies too. A value loaded after the timeout is kept in L1
	// for Config.MaxDisconnected, and not in Redis. It suits sources faster than the
	// timeout of the client, 1 second. 0, or more than 1 second: 1 second.
	RedisTimeout time.Duration

	// SourceFirst calls the loader with each read, and makes what it returns the value of
	// all processes. The cached value is returned only if the source fails, flagged as stale
	// with the error as its Cause. Concurrent reads of an id share a load that began after
	// them. GetMany loads each id alone, 8 at a time; BatchWindow groups them. False: cached
	// values are returned.
	SourceFirst bool

	// Refresh.

	// RefreshBeta starts background refreshes at random times (XFetch): the longer the
	// load of a value took, the earlier. The average lead is RefreshBeta times the load
	// time, and longer with several processes. 0: no such refresh. 1 is typical. See
	// layered.Options.
	RefreshBeta float64

	// RefreshEvery is how often values that are read are loaded again in the background, from
	// the first read of their id until RefreshFor after the last one. One process refreshes at
	// a time. It applies to 10,000 ids of each process; further ones are not refreshed. 0:
	// values are not refreshed periodically.
	RefreshEvery time.Duration

	// RefreshFor is how long after the last read of an id RefreshEvery still applies to it.
	// It requires RefreshEvery. 0: 10 times RefreshEvery.
	RefreshFor time.Duration

	// Reload replaces the loader when the cache has an old value: in background refreshes,
	// in Refresh, and for stale values, but not in GetMany. It checks whether the source
	// changed since old.LoadedAt, or by a version or ETag in old.Value. It returns the
	// current value, or an error that wraps store.ErrNotModified to keep old for another
	// TTL. A Delete, Set or InvalidateTags in any process since old was read takes
	// precedence. nil: the loader is always called.
	Reload func(ctx context.Context, id K, old store.Entry[V]) (V, error)

	// RevisionOf returns the revision of a value at the source: a number that grows with
	// every change there, such as a row version or a commit time in microseconds. See
	// SetIfNewer and DeleteOlder. 0: the value has no revision. It must be quick and safe
	// for concurrent use. nil: no value has a revision.
	RevisionOf func(id K, v V) uint64

	// Loading.

	// LoadEntry is a loader that also returns the TTL, tags and revision of a value. It
	// replaces the loader passed to New, which must then be nil.
	LoadEntry func(ctx context.Context, id K) (Loaded[V], error)

	// LoadEntries is a LoadMany that also returns the TTL, tags and revision of each value.
	// LoadMany must then be nil.
	LoadEntries func(ctx context.Context, ids []K) (map[K]Loaded[V], error)

	// BatchWindow groups loads of single ids: those that start within this time of the
	// first are loaded by one call of LoadMany or LoadEntries. The loader of single ids is
	// not called and may be nil. A load may take BatchWindow longer, which counts towards
	// LoadTimeout and SoftTimeout. 0: each id is loaded alone.
	BatchWindow time.Duration

	// BatchSize is the maximum number of ids in a batch of BatchWindow. A full batch is
	// loaded at once. 0: 100.
	BatchSize int

	// FinishLoads lets orphaned loads finish, so that the next read finds the value.
	// False: a load is cancelled when no caller waits for it any more, unless a caller got
	// a stale value in its place.
	FinishLoads bool

	// MaxLoads is the maximum number of concurrent loads in this process; a batch counts
	// as one. A load over the limit waits for SoftTimeout at most. Then the caller gets a
	// stale value with an error that wraps store.ErrOverload as its Cause, or that error if
	// there is no stale value. 0: no limit.
	MaxLoads int

	// LoadBudget is called before each load; a batch counts as one. It waits until the load
	// may start, or returns an error, at the latest when ctx ends. The effect of an error
	// is that of MaxLoads. The Wait method of a ratelimit.Limiter implements it; with
	// redislimit the budget is shared by all processes. It must be safe for concurrent use.
	// nil: no budget.
	LoadBudget func(ctx context.Context) error

	// KeepHot is how many of the most-read ids are added once a minute to the list of hot ids
	// that Redis keeps for all processes: see WarmHot. Reads are counted from the start, which
	// takes up to 400 KB and the texts of the keys in addition to Config.Memory. Without Redis
	// it only counts. 0: no ids are added, and counting starts with the first call of Hottest
	// or SaveHot.
	KeepHot int

	// Encoding and isolation.

	// AllowLossy lets New accept a V that Codec does not round-trip (see codec.Check), and
	// turns off Verify. The process that loads a value may then return a different value
	// than the processes that read it from Redis. False: New returns an error for such a V.
	AllowLossy bool

	// Verify decodes and compares every encoded value (see codec.Verify), instead of the
	// first one and one in 10,000. A value that does not round-trip is returned to callers
	// but not kept in Redis. It is logged to Config.Logger, counted in
	// Stats().EncodeErrors and reported by Backend.Health.
	Verify bool

	// DecodeEach keeps values in L1 as bytes and decodes them with Codec for each caller,
	// so that callers may modify what they receive. It is for values that are hard to copy;
	// Clone must be nil. A hit then takes microseconds. A value that Codec cannot encode is
	// not cached: each read loads it, and callers of one load share it. With codec.Seal, L1
	// encrypts values too.
	DecodeEach bool

	// Schema is part of the keys in Redis. Empty: SchemaOf(Codec), a hash of the fields of
	// V, so that a deploy that changes V starts with new keys and no process decodes values
	// of another V.
	//
	// Processes with different schemas do not see each other's values, Delete, Set or
	// Clear. While processes of the old schema run, each side may serve values that the other
	// has changed, until their TTL ends or their tags are invalidated.
	//
	// With a fixed Schema, all processes share values while V changes. Fields missing from
	// the encoding are zero. You must change Schema when a field changes its type or
	// meaning.
	Schema string
}

// NoStore is the TTL of a value that is returned to callers but not cached.
const NoStore time.Duration = -1

// An Override replaces fields of [Options] for one id: see Options.OverrideOf. Zero fields
// replace nothing.
type Override struct {
	// TTL replaces Options.TTL. NoStore: the value is returned but not cached.
	TTL time.Duration

	// AbsentFor replaces Options.AbsentFor. Negative: absence is not cached.
	AbsentFor time.Duration

	// StaleFor replaces Options.StaleFor. Negative: the value is not kept after its TTL.
	StaleFor time.Duration
}

// override returns what OverrideOf has for id.
func (o *Options[K, V]) override(id K) (over Override) {
	if o.OverrideOf != nil {
		over = o.OverrideOf(id)
	}
	return over
}

// capTTL returns ttl, or MaxTTL if that is shorter.
func (o *Options[K, V]) capTTL(ttl time.Duration) time.Duration {
	if o.MaxTTL > 0 {
		return min(ttl, o.MaxTTL)
	}
	return ttl
}

// keepL1 returns KeepInL1 for keys, or nil. idOf returns the id of a key.
func (o *Options[K, V]) keepL1(idOf func(key string) (K, error)) func(key string, v V) bool {
	if o.KeepInL1 == nil {
		return nil
	}
	return func(key string, v V) bool {
		id, err := idOf(key)
		return err == nil && o.KeepInL1(id, v)
	}
}
