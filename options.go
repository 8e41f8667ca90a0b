package strata

import (
	"context"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
)

// Options of a [Cache]. The zero Options are the defaults.
type Options[K comparable, V any] struct {
	// TTL is how long a value is fresh. 0: keys.Medium. store.Forever: until
	// evicted or changed.
	TTL time.Duration

	// TTLOf gives a value a TTL of its own. 0: TTL. NoStore, or any below zero:
	// the value is answered but not kept. It must be quick and may run
	// concurrently.
	TTLOf func(id K, v V) time.Duration

	// RevisionOf tells the version of a value at the source, as a number that
	// grows with every change there: a row version, or a commit time in
	// microseconds. See SetVersion and DeleteOlder. Zero: it has none. It must
	// be quick and may run concurrently. nil: no value has one.
	RevisionOf func(id K, v V) uint64

	// StaleFor is how much longer than TTL a value is kept, to be served if the
	// source fails. If Redis cannot be reached either, what L1 has of that age is
	// served, even if it may have been changed elsewhere since Redis was heard of:
	// never what this process has changed, or was told of.
	StaleFor time.Duration

	// StaleWhileRevalidate serves it at once then, while one process loads it in
	// the background. What was deleted or set is never among that; what was
	// made stale by Expire is. Without it, readers wait for the load.
	StaleWhileRevalidate bool

	// StrictStale has nothing served as stale that may have been changed elsewhere:
	// if neither the source nor Redis can answer, Get returns the error of the
	// loader.
	StrictStale bool

	// RefreshAhead is the share of a value's TTL, in 0..1, after which the first
	// who reads it has it loaded in the background, by one process, so that
	// nobody waits for what is read all the time. 0: no value is. 0.8 is a
	// good one where loads take long.
	RefreshAhead float64

	// RefreshBeta does so the earlier, the longer the load of the value took, and at
	// random: by RefreshBeta times that time on average, earlier in a fleet. 0: not.
	// 1 is a good one. See layered.Options.
	RefreshBeta float64

	// RevalidateFor bounds StaleWhileRevalidate: a value whose TTL has been over for
	// longer is waited for, and served as it is only if the source fails. What
	// Expire has made stale counts as older than any bound. 0: StaleFor is the
	// only one.
	RevalidateFor time.Duration

	// Reload is called instead of the loader where there is a value that may still
	// be the one: in the background, by Refresh, and for one that has become stale,
	// but not by GetMany. It asks the source whether that has changed, by a version
	// or an ETag in old.Value, or by old.LoadedAt, and returns the value of now, or
	// an error that is store.ErrNotModified: then old stays for another TTL. A
	// Delete, a Set or an InvalidateTags since old was read, by anybody, wins over
	// that. nil: the loader is called always.
	Reload func(ctx context.Context, id K, old store.Entry[V]) (V, error)

	// AbsentFor is how long it is remembered that the source has no value.
	// 0: 30 seconds. Negative: not at all.
	AbsentFor time.Duration

	// L1TTL bounds the life in L1, which never exceeds the life in L2.
	// 0: no other bound.
	L1TTL time.Duration

	// Jitter is the share of every life, in 0..1, that is taken off at random.
	// 0: 0.1. Negative: none.
	Jitter float64

	// RedisTimeout is how long a read waits for Redis before the loader is called; the
	// deadline of the caller holds, too. What is loaded then is kept in L1 for
	// Config.MaxUnheard, and not in Redis. It is meant for a source that is quicker
	// than the timeout of the client, which is 1 second: 0, or more than that, is that.
	RedisTimeout time.Duration

	// LoadTimeout bounds a load. 0: 30 seconds. Negative: no bound.
	LoadTimeout time.Duration

	// SoftTimeout is how long a load is waited for where a value past its TTL is
	// there: then that is the answer, which GetEntry flags as stale with
	// store.ErrSlow as its Cause, and the load goes on. It counts from the begin
	// of the load. It is also how long a load waits for MaxLoads and LoadBudget.
	// 0: there is no such answer, and the budget is waited for for a second.
	SoftTimeout time.Duration

	// FinishLoads lets loads that nobody waits for any more go on, so that the
	// next read finds what they bring. Without it they are cancelled, unless
	// somebody was served a stale value meanwhile.
	FinishLoads bool

	// RetryAfter is how long a source that failed is left alone where there is a
	// stale value to serve, a Default, or a value to load anew. 0: 5 seconds.
	// Negative: the next read tries again.
	RetryAfter time.Duration

	// Default gives a value of last resort, where the source has failed with err
	// and there is none, not even a stale one; false: there is none either, and
	// the reader gets err. It is not kept. GetEntry flags it as stale, with
	// layered.Default as its Tier and err as its Cause. GetFresh does without.
	// It may run concurrently. nil: there is none.
	Default func(id K, err error) (V, bool)

	// MaxLoads is how many loads may be under way in this process at the same
	// time; a batch counts as one. One more waits, for SoftTimeout at most. Then
	// a stale value is served if there is one, with an error that is
	// store.ErrOverload as its Cause; else that error is returned. 0: no bound.
	MaxLoads int

	// LoadBudget is asked before each load; a batch counts as one. It waits until
	// the load may begin, or returns an error, at the latest when its context
	// ends, if it must not: that is then as with MaxLoads. The Wait of a
	// ratelimit.Limiter does it, with redislimit for all processes together. It
	// may run concurrently. nil: there is none.
	LoadBudget func(ctx context.Context) error

	// LoadEntry is a loader that says more of a value than the value itself
	// tells: how long it may be kept, its tags, its revision. It stands in the
	// place of the loader that is passed to New, which must be nil then.
	LoadEntry func(ctx context.Context, id K) (Loaded[V], error)

	// LoadMany loads many values in one go, for GetMany. An id that is not in
	// the map is absent at the source. Together with an error it may return what
	// it has: ids that are not in the map have then failed. If it knows which
	// have, and why, it says so by a *ManyError[K]: ids that are in neither are
	// absent. nil: the loader is called for each id, a few at a time.
	LoadMany func(ctx context.Context, ids []K) (map[K]V, error)

	// LoadEntries is LoadMany as LoadEntry is a loader. There must be only one of
	// the two.
	LoadEntries func(ctx context.Context, ids []K) (map[K]Loaded[V], error)

	// BatchWindow has the loads of single ids that begin within that time of one
	// another done by LoadMany or LoadEntries together; a loader of single ids is
	// then not called, and may be nil. It is how much longer a load may take,
	// LoadTimeout and SoftTimeout included, for fewer questions to the source.
	// 0: each is loaded alone.
	BatchWindow time.Duration

	// BatchSize is how many ids at most are loaded together by BatchWindow. With
	// so many the load begins at once. 0: 100.
	BatchSize int

	// Tags gives a value its invalidation tags: see Backend.InvalidateTags. They
	// may depend on what was loaded. It must be quick and may run concurrently.
	// Redis has a small key for each tag, which lasts for twice the life of the value:
	// see redisstore.Tags.
	Tags func(id K, v V) []string

	// KeepHot is how many of the ids that are read most in this process are added
	// once a minute to the list of hot ids that Redis keeps for all processes:
	// see WarmHot. With it, reads are counted from the beginning, which takes up to
	// 400 KB and the texts of the keys, beside Config.Memory; without Redis that is
	// all it does. 0: none is added, and reads are counted from the first call of
	// Hottest or SaveHot.
	KeepHot int

	// Codec turns values into bytes for Redis, and for L1 with DecodeEach. With either, New
	// returns an error for a V that Codec does not carry whole, and the times of every value
	// are in UTC, also in the process that has loaded it. nil: codec.Msgpack.
	Codec codec.Codec[V]

	// AllowLossy lets New accept a V whose values Codec changes, as codec.Check describes
	// it, and does without Verify. The process that loads a value then answers with another
	// one than the processes that read it from Redis. False: New refuses such a V.
	AllowLossy bool

	// Verify has every value that is encoded decoded again and compared, as codec.Verify
	// describes it, in place of the first one and one in 10,000 of the others. A value that
	// does not come back equal is answered, logged to Config.Logger, counted in
	// Stats().EncodeErrors and shown by Backend.Health, and is not kept in Redis.
	Verify bool

	// Clone copies a value, so that who gets it may change it: it is called for
	// every value that the cache gives to a caller, and for what Set is given
	// where it stays in memory. Values that the loader returns are the cache's from
	// then on. It must not change its argument, must leave nothing shared that is
	// to be changed, and may run concurrently, also on one value. nil: values are
	// shared, and nobody may change one.
	Clone func(v V) V

	// DecodeEach keeps values in L1 as bytes, by Codec, and decodes them anew for
	// each caller, so that all may change what they get. A hit then takes
	// microseconds. A value that Codec does not carry is not kept, so each read loads it,
	// and callers who wait for the same load share it. It is for values that are hard to Clone; not
	// together with that. With codec.Seal L1 seals, too, which counts.
	DecodeEach bool

	// Schema is part of the keys in Redis. By default it is SchemaOf(Codec), a hash of the
	// fields of V, so that a deploy that changes V begins with new keys, and no process reads
	// the bytes of another V. Processes of different schemas do not see each other's values,
	// nor each other's Delete, Set and Clear: until the last process of the old one has
	// ended, what those change is stale in the others until its TTL ends, or its tags are
	// invalidated. A Schema that is set stays as it is: with it, all processes share their
	// values while V changes, fields that the encoding lacks are zero, and whoever changes a
	// type or a meaning has to change the Schema. Empty: the default.
	Schema string

	// Version is part of the key in Redis, too. Raise it when the meaning of the values
	// changes but V does not: processes with different versions do not see each other's
	// values.
	Version uint
}
