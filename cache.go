package strata

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/encodedstore"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/ristrettostore"
)

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
	deps    string                      // what names the cache in tags of CaptureDeps, which all schemas share

	encodes  bool               // values are encoded: there is Redis, or DecodeEach
	captures bool               // Config.CaptureDeps
	clone    func(V) (V, error) // Options.Clone; may be nil
	textual  bool               // see isText
	tiers    *layered.Store[V]
	raw      *layered.Store[V]          // the same for callers: see Tiers
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
// its own text. Ids of one text are one id, also if == tells them apart, as it does
// with two time.Times of one moment. K must not contain floats or interfaces.
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
	if strings.HasPrefix(name, "!") {
		return nil, fmt.Errorf("strata: cache %q: %w: a name must not begin with \"!\", as the keys of tags do", name, store.ErrInvalidKey)
	}
	cerr := c.setCodec()
	space, err := keys.New(name, &keys.Options{Version: c.opts.Version, Schema: c.schema()})
	deps, derr := keys.New(name, &keys.Options{Version: c.opts.Version})
	key, kerr := keyFunc[K]()
	window, werr := newWindow(&c.opts, c.loadNoting)
	if err := oneline.Join(err, derr, kerr, werr, c.checkLoaders(), c.opts.isolation(), cerr); err != nil {
		return nil, fmt.Errorf("strata: cache %q: %w", name, err)
	}
	c.key, c.id, c.window = key, idFunc[K](), window
	c.textual, c.clone = isText[K](), c.cloner()
	c.space, c.deps, c.captures = space.Prefix(), deps.Prefix(), b.cfg.CaptureDeps
	err = b.register(name, func() (tiers, error) {
		if c.tiers, err = c.openTiers(); err == nil {
			c.raw = c.tiers.Completing(c.completeKey)
		}
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
			Name:     c.name,
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
		Name:        c.name,
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
		Refused: c.reportRefused(),

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
	if hasToken(ctx) || c.captures && c.reader(ctx) != nil {
		return c.get(ctx, key, id)
	}
	l, ok := c.tiers.Look(ctx, key)
	if !ok {
		return c.getPast(ctx, key, l, id)
	}
	e := l.Entry()
	if c.tiers.Due(e) {
		c.refreshSoon(ctx, key, id, e)
	}
	if c.clone != nil {
		return c.out(e.Value, e.MissError())
	}
	return e.Value, e.MissError()
}

// get and getPast are not part of Get so that a hit in L1 need not clear a Found.
func (c *Cache[K, V]) get(ctx context.Context, key string, id K) (V, error) {
	f, err := c.find(ctx, key, id)
	return c.out(f.Value, err)
}

func (c *Cache[K, V]) getPast(ctx context.Context, key string, l layered.Look[V], id K) (V, error) {
	f, err := c.findPast(ctx, key, l, id)
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
	return c.fallBack(ctx, id, f, err)
}

// findPast is find after a look at L1.
func (c *Cache[K, V]) findPast(ctx context.Context, key string, l layered.Look[V], id K) (layered.Found[V], error) {
	f, err := c.tiers.FindPast(ctx, key, l, c.loader(id))
	return c.fallBack(ctx, id, f, err)
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

// entry makes an entry of v, of which nothing else is known.
func (c *Cache[K, V]) entry(id K, v V) store.Entry[V] {
	return c.complete(id, store.Entry[V]{Value: v})
}

// given is entry of a value that a caller has passed. A panic of a function of the options
// is an error.
func (c *Cache[K, V]) given(id K, v V) (e store.Entry[V], err error) {
	defer flight.Catch("a function of Options", &err)
	return c.entry(id, c.in(v)), nil
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
	e, err := c.given(id, v)
	if err != nil {
		return c.failed("set", err)
	}
	return c.tiers.Set(ctx, key, e)
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
//
// The options hold for the entries that are written or loaded through it. An entry without
// an expiry lives as TTLOf, TTL and StaleFor say, an absent one as AbsentFor says, unless
// it comes from NewEntry. The tags of Options.Tags are added to its own, and RevisionOf
// gives a revision to an entry that has none. For an id that those functions cannot be
// called with, because the key is not its text, the error is store.ErrInvalidKey. If K has
// MarshalText but not UnmarshalText, it is errors.ErrUnsupported.
//
// Reads through it return the shared value, without Clone, and CaptureDeps does not note
// them.
func (c *Cache[K, V]) Tiers() *layered.Store[V] { return c.raw }

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
	return &store.Error{Store: "strata", Cache: c.name, Op: op, Err: err}
}
