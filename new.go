package strata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/encodedstore"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/ristrettostore"
)

// New returns a cache. name must be unique in the backend; it is part of the keys in Redis.
// o may be nil.
//
// load gets a value from the source, or returns an error that wraps store.ErrNotFound if
// there is none. It runs once for all concurrent callers of one id. Its context has the
// values of the first caller's context, and is cancelled when no caller waits any more. The
// context of a background load is cancelled by Close. load may be nil: then Get finds only
// values that were Set.
//
// K must be a string or integer kind, a struct of strings, integers, bools and byte arrays
// (see keys.StructText), or have a MarshalText method that returns a distinct text for each
// id. Ids with the same text are the same id, even if they are not equal by
// ==, such as two time.Times of one instant. K must not contain floats or interfaces.
func New[K comparable, V any](b *Backend, name string, load func(context.Context, K) (V, error), o *Options[K, V]) (*Cache[K, V], error) {
	key, err := keyFunc[K]()
	return newCache(b, name, load, o, idTexts[K]{key: key, id: idFunc[K](), textual: isText[K](), err: err})
}

// idTexts are the conversions of ids to keys and back, and to tags; id is nil if there is none
// back.
type idTexts[K comparable] struct {
	key     func(K) (string, error)
	id      func(key string) (K, error)
	tags    func(K) []string // those that an id has whatever its value; nil: none
	textual bool             // ids that are not equal may have one key
	err     error            // there are none
}

func newCache[K comparable, V any](b *Backend, name string, load func(context.Context, K) (V, error), o *Options[K, V], texts idTexts[K]) (*Cache[K, V], error) {
	if b == nil {
		return nil, fmt.Errorf("strata: cache %q: the backend is nil; use Open", name)
	}
	var c codec.Codec[V]
	if o != nil {
		c = o.Codec
	}
	u := &untyped[K]{name: name, values: reflect.TypeFor[V](), backend: b, load: untypedLoader(load), opts: o.untyped()}
	if err := u.open(texts, func() error { return setCodec(u, c) }); err != nil {
		return nil, fmt.Errorf("strata: cache %q: %w", name, err)
	}
	return &Cache[K, V]{u}, nil
}

// open completes c and registers it in its backend. setCodec sets the codec and the schema.
func (c *untyped[K]) open(texts idTexts[K], setCodec func() error) error {
	b := c.backend
	if c.opts.TTL == 0 {
		c.opts.TTL = keys.Medium
	}
	if c.opts.MaxTTL > 0 {
		c.opts.TTL = c.opts.capTTL(c.opts.TTL)
		c.opts.AbsentFor = c.opts.capTTL(cmp.Or(c.opts.AbsentFor, layered.DefaultAbsentFor)) // of loads that find nothing
	}
	if c.opts.Reload != nil && !c.loads() {
		return errors.New("option Reload requires a loader for the first load")
	}
	if err := checkName(c.name); err != nil {
		return err
	}
	cerr := setCodec()
	space, err := keys.New(c.name, &keys.Options{SchemaVersion: c.opts.SchemaVersion, Schema: c.opts.Schema})
	deps, derr := keys.New(c.name, &keys.Options{SchemaVersion: c.opts.SchemaVersion})
	window, werr := newWindow(&c.opts, c.loadNoting)
	if err := oneline.Join(err, derr, texts.err, werr, c.checkLoaders(), c.opts.checkIdle(c.loads()), c.opts.isolation(), cerr); err != nil {
		return err
	}
	c.key, c.id, c.idTags, c.window = texts.key, texts.id, texts.tags, window
	c.textual, c.clone = texts.textual, c.cloner()
	c.space, c.deps, c.captures = space.Prefix(), deps.Prefix(), b.cfg.CaptureDeps
	c.known = newKnown(c.opts.RefreshEvery, c.opts.RefreshFor, c.refreshKnown)
	c.detour = c.uses(context.Background()) || c.captures
	return b.register(c.name, func() (tiers, error) {
		if c.tiers, err = c.openTiers(); err == nil {
			c.raw = c.tiers.Completing(c.completeKey)
		}
		return windowed{c.tiers, c.ended, c.space}, err
	})
}

func (c *untyped[K]) openTiers() (*layered.Store[any], error) {
	b, o := c.backend, &c.opts
	var l1 store.Store[any]
	switch {
	case o.DecodeEach && b.otter != nil:
		l1 = encodedstore.New(otterstore.New[[]byte](b.otter, nil), o.Codec)
	case o.DecodeEach && b.ristretto != nil:
		l1 = encodedstore.New(ristrettostore.New[[]byte](b.ristretto, nil), o.Codec)
	case b.otter != nil:
		l1 = otterstore.New[any](b.otter, nil)
	case b.ristretto != nil:
		l1 = ristrettostore.New[any](b.ristretto, nil)
	}
	store.SampleRemovals(l1, func(cause string, age time.Duration) { b.removals.call(c.name, cause, age) })
	l2, err := openL2(&b.l2, l2Space{
		name: c.name, prefix: b.cfg.Prefix + c.space, codec: o.Codec,
		values:      c.values,
		observer:    b.cfg.Observer,
		readTimeout: o.RedisTimeout,
	})
	if err != nil {
		return nil, err
	}
	changed, invalidated := c.changedHooks()
	return layered.New(l1, l2, &layered.Options[any]{
		Name:            c.name,
		TTL:             o.TTL,
		StaleFor:        o.StaleFor,
		StrictStale:     o.StrictStale,
		AbsentFor:       o.AbsentFor,
		L1TTL:           o.L1TTL,
		Jitter:          o.Jitter,
		LoadTimeout:     o.LoadTimeout,
		MaxDisconnected: b.cfg.MaxDisconnected,
		Observer:        b.cfg.Observer,
		Tags:            &b.tags,

		KeepL1:  o.keepL1(c.id),
		KeepHot: o.KeepHot,
		Copy:    copies(o),

		Changed:        changed,
		Invalidated:    invalidated,
		Refused:        c.reportRefused(),
		RetryQueueLong: c.reportQueue(),

		RefreshSoon:          o.RefreshEvery > 0,
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

// changedHooks returns what the tiers call after changes of this process, and of others. Either
// may be nil.
func (c *untyped[K]) changedHooks() (own func(context.Context, []string) error, others func([]string)) {
	if c.captures {
		own = c.changed
	}
	if c.backend.cfg.Hooks.Changed == nil {
		return own, nil
	}
	note, capture := func(keys []string) { c.backend.cfg.Hooks.notifyChanged(c.name, keys) }, own
	return func(ctx context.Context, keys []string) error {
		note(keys)
		if capture == nil {
			return nil
		}
		return capture(ctx, keys)
	}, note
}

// Close closes the cache, waits for its loads, and frees its name in the backend.
// Backend.Close closes all caches.
func (c *untyped[K]) Close() error {
	err := c.tiers.Close()
	c.ended()
	c.backend.release(c.name)
	return err
}

// ended ends what runs beside the tiers, once they are closed.
func (c *untyped[K]) ended() {
	c.window.wait()
	c.known.stop()
}
