package strata

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/encodedstore"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/ristrettostore"
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
	Tags func(id K, v V) []string

	// KeepHot is how many of the ids that are read most in this process are added
	// once a minute to the list of hot ids that Redis keeps for all processes:
	// see WarmHot. Without Redis it means nothing. 0: none, but by SaveHot.
	KeepHot int

	// Codec turns values into bytes for Redis. nil: codec.Msgpack.
	Codec codec.Codec[V]

	// Clone copies a value, so that who gets it may change it: it is called for
	// every value that the cache gives to a caller, and for what Set is given
	// where it stays in memory. Values that the loader returns are the cache's from
	// then on. It must not change its argument, must leave nothing shared that is
	// to be changed, and may run concurrently, also on one value. nil: values are
	// shared, and nobody may change one.
	Clone func(v V) V

	// DecodeEach keeps values in L1 as bytes, by Codec, and decodes them anew for
	// each caller, so that all may change what they get. A hit then takes
	// microseconds. What Codec cannot encode is not kept, and callers who share a
	// load of it get an error. It is for values that are hard to Clone; not
	// together with that. With codec.Seal L1 seals, too, which counts.
	DecodeEach bool

	// Version is part of the key in Redis. Raise it when V changes so that old
	// values cannot be read: processes with different versions do not see each
	// other's values.
	Version uint
}

// A Cache keeps the values of one kind of thing by their ids. Values are shared: who
// gets one must not change it, nor what was passed to Set, unless Options.Clone or
// DecodeEach says otherwise. All methods may be called concurrently.
type Cache[K comparable, V any] struct {
	name    string
	backend *Backend
	load    func(context.Context, K) (V, error) // nil: nothing is loaded
	opts    Options[K, V]
	key     func(K) (string, error)
	id      func(key string) (K, error) // the other way round; nil if there is none
	space   string                      // what begins the keys in Redis, after the prefix of the backend

	captures bool // Config.CaptureDeps
	tiers    *layered.Store[V]
	window   *window[K, store.Entry[V]] // nil: single ids are loaded alone
}

// New makes a cache called name, which is unique in its backend and part of its
// keys in Redis. load gets a value from the source; if there is none, it returns
// an error that is store.ErrNotFound. It runs once for all who want an id at the
// same time, on a context that has the values of the first caller's and is
// cancelled when none of them waits any more; in the background, where Options
// have it run there, by Close. load may be nil: Get then finds only what was Set.
// o may be nil.
//
// K is a string or integer kind, or has a MarshalText method that gives each id
// its own text.
func New[K comparable, V any](b *Backend, name string, load func(context.Context, K) (V, error), o *Options[K, V]) (*Cache[K, V], error) {
	c := &Cache[K, V]{name: name, backend: b, load: load}
	if o != nil {
		c.opts = *o
	}
	if c.opts.TTL == 0 {
		c.opts.TTL = keys.Medium
	}
	if c.opts.Reload != nil && !c.loads() {
		return nil, fmt.Errorf("strata: cache %q: Reload needs a loader for the first time", name)
	}
	space, err := keys.New(name, &keys.Options{Version: c.opts.Version})
	key, kerr := keyFunc[K]()
	window, werr := newWindow(&c.opts, c.loadNoting)
	if err := errors.Join(err, kerr, werr, c.checkLoaders(), c.opts.isolation()); err != nil {
		return nil, fmt.Errorf("strata: cache %q: %w", name, err)
	}
	c.key, c.id, c.window = key, idFunc[K](), window
	c.space, c.captures = space.Prefix(), b.cfg.CaptureDeps
	err = b.register(name, func() (tiers, error) {
		c.tiers, err = c.openTiers()
		return windowed{c.tiers, c.window.wait}, err
	})
	if err != nil {
		return nil, fmt.Errorf("strata: cache %q: %w", name, err)
	}
	return c, nil
}

func (c *Cache[K, V]) openTiers() (*layered.Store[V], error) {
	b, o := c.backend, &c.opts
	var l1, l2 store.Store[V]
	switch {
	case o.DecodeEach && b.otter != nil:
		l1 = encodedstore.New(otterstore.New[[]byte](b.otter, nil), o.Codec)
	case o.DecodeEach && b.ristretto != nil:
		l1 = encodedstore.New(ristrettostore.New[[]byte](b.ristretto, nil), o.Codec)
	case b.otter != nil:
		l1 = otterstore.New[V](b.otter, nil)
	case b.ristretto != nil:
		l1 = ristrettostore.New[V](b.ristretto, nil)
	}
	if b.redis != nil {
		l2 = redisstore.New(b.redis, &redisstore.Options[V]{
			Prefix:   b.cfg.Prefix + c.space,
			Tags:     b.redisTags,
			Codec:    o.Codec,
			Observer: b.cfg.Observer,

			ReadTimeout: o.RedisTimeout,
		})
	}
	var changed func(context.Context, []string) error
	if c.captures {
		changed = c.changed
	}
	return layered.New(l1, l2, &layered.Options[V]{
		TTL:         o.TTL,
		StaleFor:    o.StaleFor,
		StrictStale: o.StrictStale,
		AbsentFor:   o.AbsentFor,
		L1TTL:       o.L1TTL,
		Jitter:      o.Jitter,
		LoadTimeout: o.LoadTimeout,
		MaxUnheard:  b.cfg.MaxUnheard,
		Observer:    b.cfg.Observer,
		Tags:        &b.tags,

		KeepHot: o.KeepHot,
		Copy:    o.copies(),

		Changed: changed,

		RefreshAhead:         o.RefreshAhead,
		RefreshBeta:          o.RefreshBeta,
		StaleWhileRevalidate: o.StaleWhileRevalidate,
		RevalidateFor:        o.RevalidateFor,

		SoftTimeout: o.SoftTimeout,
		FinishLoads: o.FinishLoads,
		RetryAfter:  o.RetryAfter,
		HoldErrors:  o.Default != nil,
		MaxLoads:    o.MaxLoads,
		LoadBudget:  o.LoadBudget,
	})
}

// Get returns the value of id: from L1, from Redis, or from the loader. If the
// source has none, the error is store.ErrNotFound. An error of the loader comes
// back as it is, unless there is a stale value to answer with.
func (c *Cache[K, V]) Get(ctx context.Context, id K) (V, error) {
	key, err := c.key(id)
	if err != nil {
		var zero V
		return zero, c.failed("get", err)
	}
	if !hasToken(ctx) && c.reader(ctx) == nil {
		if e, ok := c.tiers.Local(ctx, key); ok {
			if c.tiers.Due(e) {
				c.refreshSoon(ctx, key, id, e)
			}
			return c.out(e.Value, e.MissError())
		}
	}
	f, err := c.find(ctx, key, id)
	return c.out(f.Value, err)
}

// An Entry is a value and what is known about it.
type Entry[V any] struct {
	store.Entry[V]
	Tier  layered.Tier  // where it came from
	Age   time.Duration // since its load began; 0 if not known
	Stale bool          // it should have been loaded anew, but could not be, or is being
	Cause error         // why it could not, or not in time; nil if it is being loaded
}

// GetEntry is Get that tells what is known about the value. Of an id that the
// source does not have it returns an Entry that is Absent, and store.ErrNotFound.
func (c *Cache[K, V]) GetEntry(ctx context.Context, id K) (Entry[V], error) {
	key, err := c.key(id)
	if err != nil {
		return Entry[V]{}, c.failed("get", err)
	}
	f, err := c.find(ctx, key, id)
	return c.entryOf(&f, err)
}

func (c *Cache[K, V]) entryOf(f *layered.Found[V], err error) (Entry[V], error) {
	e := Entry[V]{Entry: f.Entry, Tier: f.Tier, Stale: f.Stale, Cause: f.Cause}
	if e.LoadedAt != 0 {
		e.Age = max(store.Now().Sub(e.LoadedAt), 0)
	}
	e.Value, err = c.out(e.Value, err)
	return e, err
}

// find is not part of Get so that a hit in L1 need not pay for the closure.
func (c *Cache[K, V]) find(ctx context.Context, key string, id K) (layered.Found[V], error) {
	f, err := c.findInTiers(ctx, key, id)
	return c.fallBack(id, f, err)
}

func (c *Cache[K, V]) findInTiers(ctx context.Context, key string, id K) (layered.Found[V], error) {
	if d := c.reader(ctx); d != nil {
		return c.findNoting(ctx, d, key, id)
	}
	if hasToken(ctx) {
		return c.findSince(ctx, key, id)
	}
	return c.tiers.Find(ctx, key, c.loader(id))
}

// loader loads id for the tiers; nil if there is no source.
func (c *Cache[K, V]) loader(id K) layered.Loader[V] {
	if !c.loads() {
		return nil
	}
	load := func(ctx context.Context, _ string) (store.Entry[V], error) { return c.loadEntry(ctx, id) }
	if c.opts.Reload == nil {
		return load
	}
	return layered.Reloading(load, func(ctx context.Context, _ string, old store.Entry[V]) (store.Entry[V], error) {
		return c.reloadEntry(ctx, id, old)
	})
}

// entry gives v the life and the revision that the options say.
func (c *Cache[K, V]) entry(id K, v V) store.Entry[V] {
	var ttl time.Duration
	if c.opts.TTLOf != nil {
		ttl = c.opts.TTLOf(id, v)
	}
	e := c.tiers.NewEntry(v, ttl)
	if c.opts.Tags != nil {
		e.Tags = c.opts.Tags(id, v)
	}
	if c.opts.RevisionOf != nil {
		e.Revision = c.opts.RevisionOf(id, v)
	}
	return e
}

// Set makes v the value of id for every process: it is written to Redis, and
// copies in memory are dropped. If Redis cannot be reached, the error is
// store.ErrUnavailable: others have not heard. This process has forgotten the value
// of id, tells Redis as soon as it can, and asks the loader until then. Of two Sets at the same time the one that Redis sees last stands; where
// values come from a source, Delete and SetVersion are the safer calls.
func (c *Cache[K, V]) Set(ctx context.Context, id K, v V) error {
	key, err := c.key(id)
	if err != nil {
		return c.failed("set", err)
	}
	return c.tiers.Set(ctx, key, c.entry(id, c.in(v)))
}

// Delete makes every process forget the values of ids, however many, in one exchange
// with Redis for every 400, so that the next Get loads them. Call it after the source
// has changed. If Redis cannot be reached, the error
// is store.ErrUnavailable: see Set.
func (c *Cache[K, V]) Delete(ctx context.Context, ids ...K) error {
	ks, err := c.keys(ids)
	if err != nil {
		return c.failed("delete", err)
	}
	return c.tiers.Delete(ctx, ks...)
}

// DeleteAndWait is Delete that returns only when no process at all answers with the
// old values, not even one that has lost its connection without noticing yet. It
// takes Config.MaxUnheard and a tenth more, which all processes must have alike.
func (c *Cache[K, V]) DeleteAndWait(ctx context.Context, ids ...K) error {
	ks, err := c.keys(ids)
	if err != nil {
		return c.failed("delete", err)
	}
	return c.tiers.DeleteAndWait(ctx, ks...)
}

func (c *Cache[K, V]) keys(ids []K) ([]string, error) {
	ks := make([]string, len(ids))
	for i, id := range ids {
		key, err := c.key(id)
		if err != nil {
			return nil, err
		}
		ks[i] = key
	}
	return ks, nil
}

// Clear makes every process forget all values of this cache, and of no other.
func (c *Cache[K, V]) Clear(ctx context.Context) error { return c.tiers.Clear(ctx) }

// Name returns the name of the cache.
func (c *Cache[K, V]) Name() string { return c.name }

// Tiers returns the two tiers below, for what a Cache does not do itself:
// counters, patterns, the life of single entries. Its keys are the texts of ids.
func (c *Cache[K, V]) Tiers() *layered.Store[V] { return c.tiers }

// Stats returns what the cache did since it was made. It does no I/O.
func (c *Cache[K, V]) Stats() layered.Counts { return c.tiers.Counts() }

// Close ends the cache, waits for its loads, and gives its name back to the
// backend. Backend.Close does it for every cache.
func (c *Cache[K, V]) Close() error {
	err := c.tiers.Close()
	c.window.wait()
	c.backend.release(c.name)
	return err
}

func (c *Cache[K, V]) failed(op string, err error) error {
	return fmt.Errorf("strata: cache %q: %s: %w", c.name, op, err)
}
