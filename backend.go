package strata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/memfleet"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/ristrettostore"
)

// A Backend is what the caches of a process share: a memory budget and a Redis client. Its
// methods are safe for concurrent use.
type Backend struct {
	cfg       Config
	otter     *otterstore.Budget     // at most one of the two engines
	ristretto *ristrettostore.Budget //
	l2        l2
	tags      layered.Tags // of values that L1 keeps without Redis
	tokens    tokens
	values    valueFaults
	off       switches
	observers store.Observers // Config.Observer, Hooks, and those of Observe
	removals  removals

	mu     sync.Mutex
	caches map[string]tiers // by name
	closed bool
}

// tiers is the part of a cache that does not depend on its types.
type tiers interface {
	Close() error
	RetryQueue() (n int, oldest time.Duration)
	RetryQueueErr() error
	Refused() (n uint64, last error)
}

// counted are the tiers of a cache, with their counters and what invalidates values.
type counted interface {
	tiers
	Counts() layered.Counts

	Delete(ctx context.Context, texts ...string) error
	DeleteHolding(ctx context.Context, h store.Hold, texts ...string) error
	DeletePattern(ctx context.Context, pattern string) (int, error)
	Clear(ctx context.Context) error

	Inspect(ctx context.Context, text string) (l1, l2 *store.Entry[any], err error)
	Hottest(n int) ([]store.Hot, error)
}

// Open returns a Backend. A nil Config is the zero Config: L1 alone.
//
// Open reports all mistakes in the Config at once. If Redis is unreachable, the error wraps
// store.ErrUnavailable, unless Config.RedisOptional is set. If Redis rejects the
// credentials or the user lacks rights that the caches need, the error wraps store.ErrAuth
// and names the missing rights. It checks the rights of a connected Config.Redis too. ctx
// bounds how long Open waits for Redis.
func Open(ctx context.Context, c *Config) (*Backend, error) {
	b := &Backend{caches: make(map[string]tiers), l2: l2{fleet: memfleet.From(ctx)}}
	b.tokens.init()
	if c != nil {
		b.cfg = *c
	}
	if err := b.cfg.normalize(); err != nil {
		return nil, fmt.Errorf("strata: %w", err)
	}
	if o := b.cfg.Hooks.observer(b.cfg.Observer); o != nil {
		b.observers.Add(o)
	}
	b.cfg.Observer = &b.observers
	if err := b.openMemory(); err != nil {
		return nil, fmt.Errorf("strata: %w", err)
	}
	if err := b.openRedis(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("strata: %w", err)
	}
	return b, nil
}

func (c *Config) normalize() error {
	var errs []error
	if c.Redis != nil && c.RedisURL != "" {
		errs = append(errs, errors.New("Config.Redis and Config.RedisURL are mutually exclusive"))
	}
	if c.RedisURL != "" {
		if err := redisstore.CheckURL(redisdial.WithPassword(c.RedisURL, c.RedisPassword)); err != nil {
			errs = append(errs, fmt.Errorf("Config.RedisURL: %w", err))
		}
	}
	if int(c.Tracking) >= len(trackings) {
		errs = append(errs, fmt.Errorf("Config.Tracking is unknown: %v", c.Tracking))
	}
	if c.Redis != nil && c.Tracking != PerKey {
		errs = append(errs, errors.New("Config.Tracking requires RedisURL; with Config.Redis, set redisstore.Dialer.Broadcast, NoTracking or PubSub instead"))
	}
	if c.MaxStale != 0 && !c.Tracking.untracked() {
		errs = append(errs, fmt.Errorf("Config.MaxStale requires Tracking NoTracking (STRATA_TRACKING=off) or PubSub, not %v", c.Tracking))
	}
	if c.MaxStale < 0 {
		errs = append(errs, fmt.Errorf("Config.MaxStale %v is negative", c.MaxStale))
	}
	if c.BreakAfter != 0 && c.RedisURL == "" {
		errs = append(errs, errors.New("Config.BreakAfter requires RedisURL; with Config.Redis, set redisstore.Dialer.BreakAfter instead"))
	}
	if c.Redis == nil && c.RedisURL == "" && c.RedisPassword != "" {
		errs = append(errs, errors.New("Config.RedisPassword requires RedisURL"))
	}
	if c.WaitReplicas < 0 {
		errs = append(errs, fmt.Errorf("Config.WaitReplicas %d is negative", c.WaitReplicas))
	}
	if c.WaitReplicas > 0 && c.RedisURL == "" {
		errs = append(errs, errors.New("Config.WaitReplicas requires RedisURL; with Config.Redis, set redisstore.Dialer.WaitReplicas instead"))
	}
	if c.ReadReplicas && c.RedisURL == "" {
		errs = append(errs, errors.New("Config.ReadReplicas requires RedisURL; with Config.Redis, set redisstore.Dialer.ReadReplicas instead"))
	}
	if c.ReadReplicas && c.Tracking.untracked() {
		errs = append(errs, fmt.Errorf("Config.ReadReplicas requires Tracking PerKey or Broadcast, not %v", c.Tracking))
	}
	if c.Engine != Otter && c.Engine != Ristretto {
		errs = append(errs, fmt.Errorf("Config.Engine is unknown: %v", c.Engine))
	}
	if err := checkPrefix(c.Prefix); err != nil {
		errs = append(errs, fmt.Errorf("Config.Prefix %q: %w", c.Prefix, err))
	}
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if c.Memory > 0 && c.Memory < minMemory {
		errs = append(errs, fmt.Errorf("Config.Memory %d is in bytes and at least %d; a negative one turns L1 off", c.Memory, minMemory))
	}
	if slices.Contains(c.NotFound, nil) {
		errs = append(errs, errors.New("Config.NotFound contains nil"))
	}
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	return oneline.Join(errs...)
}

func (b *Backend) openMemory() (err error) {
	if b.cfg.Memory < 0 {
		return nil
	}
	switch b.cfg.Engine {
	case Ristretto:
		b.ristretto, err = ristrettostore.NewBudget(b.cfg.Memory)
	default:
		b.otter, err = otterstore.NewBudget(b.cfg.Memory)
	}
	return err
}

// SetMemory changes the budget of L1 to so many bytes, at least 1 MiB: see Config.Memory. What
// does not fit any more is evicted, with Ristretto as other values arrive. It is an error if
// L1 is off.
func (b *Backend) SetMemory(bytes int64) error {
	if bytes < minMemory {
		return fmt.Errorf("strata: %w: a memory of %d bytes: want at least %d", store.ErrRefused, bytes, minMemory)
	}
	switch {
	case b.otter != nil:
		return b.otter.Resize(bytes)
	case b.ristretto != nil:
		return b.ristretto.Resize(bytes)
	}
	return fmt.Errorf("strata: %w: L1 is off: Config.Memory is negative", store.ErrRefused)
}

func (b *Backend) openRedis(ctx context.Context) (err error) {
	if b.cfg.RedisURL == "" {
		b.l2.redis = b.cfg.Redis
	} else if err := b.dialRedis(ctx); err != nil {
		return err
	}
	if b.l2.redis == nil {
		return nil
	}
	b.l2.tags = redisstore.NewTags(b.l2.redis, b.cfg.Prefix+"!") // Ping checks the rights to its keys
	optional := b.cfg.RedisOptional || b.cfg.Redis != nil
	if optional && !b.l2.redis.Health().Dialed {
		return nil
	}
	err = b.l2.redis.Ping(ctx)
	if optional && !errors.Is(err, store.ErrAuth) && !errors.Is(err, errors.ErrUnsupported) {
		return nil // it can be used later
	}
	return err
}

func (b *Backend) dialRedis(ctx context.Context) (err error) {
	address := redisdial.WithPassword(b.cfg.RedisURL, b.cfg.RedisPassword)
	dialer := redisstore.Dialer{
		Lazy: b.cfg.RedisOptional, MaxDisconnected: max(b.cfg.MaxDisconnected, 0), WaitReplicas: b.cfg.WaitReplicas, ReadReplicas: b.cfg.ReadReplicas,
		BreakAfter: b.cfg.BreakAfter, Logger: b.cfg.Logger, NoTracking: b.cfg.Tracking.untracked(), MaxStale: b.cfg.MaxStale,
	}
	switch b.cfg.Tracking {
	case Broadcast:
		dialer.Broadcast = []string{b.cfg.Prefix}
	case PubSub:
		dialer.PubSub = b.cfg.Prefix + changesChannel
	}
	b.l2.redis, err = dialer.DialURLContext(ctx, address)
	return err
}

// Redis returns the client of Redis and the prefix of all keys, for other users of the same
// Redis, such as redislimit.On. The client is nil without Redis. Backend.Close closes it,
// unless it is Config.Redis.
func (b *Backend) Redis() (client *redisstore.Client, prefix string) {
	return b.l2.redis, b.cfg.Prefix
}

// Ping checks the connection to Redis and the rights of its user. Without Redis it returns
// nil.
func (b *Backend) Ping(ctx context.Context) error {
	if b.isClosed() {
		return &store.Error{Store: "strata", Op: "ping", Err: store.ErrClosed}
	}
	return b.l2.ping(ctx)
}

// InvalidateTags invalidates, in every process, all values of all caches that carry one of
// tags: see Options.Tags. It takes two Redis exchanges, whatever the number of values.
//
// If it fails, other processes may still serve the values. This process has dropped them,
// and retries until Redis has invalidated the tags. The error then wraps
// store.ErrUnavailable, or is that of ctx, also if ctx had already ended.
func (b *Backend) InvalidateTags(ctx context.Context, tags ...string) error {
	if b.isClosed() {
		return &store.Error{Store: "strata", Op: "invalidate tags", Err: store.ErrClosed}
	}
	b.tags.Invalidate(tags...)
	if ctx.Err() != nil && !b.l2.exists() {
		return &store.Error{Store: "strata", Op: "invalidate tags", Err: context.Cause(ctx)}
	}
	return b.l2.invalidate(ctx, tags)
}

func (b *Backend) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// maxDisconnected returns how long a value that was loaded while Redis was unreachable may be kept.
func (b *Backend) maxDisconnected() time.Duration {
	if b.cfg.MaxDisconnected == 0 {
		return defaultMaxDisconnected
	}
	return max(b.cfg.MaxDisconnected, 0)
}

// Close closes every cache of the backend, waits for their loads, and releases the memory
// and the connections. Caches return store.ErrClosed afterwards.
//
// Close retries changes that Redis has not acknowledged. If Redis is still unreachable, the
// error wraps store.ErrUnavailable and states how many changes are lost: other processes
// may serve the old values until they expire.
func (b *Backend) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	caches := b.caches
	b.mu.Unlock()

	err := b.closeCaches(caches)
	if b.l2.redis != nil && b.l2.redis != b.cfg.Redis {
		b.l2.redis.Close()
	}
	if b.otter != nil {
		b.otter.Close()
	}
	if b.ristretto != nil {
		b.ristretto.Close()
	}
	return err
}

// flushFor is how long Close waits until Redis has invalidated queued tags.
const flushFor = time.Second

// closeCaches closes all caches concurrently: each may have changes to retry, and so may
// the tags.
func (b *Backend) closeCaches(caches map[string]tiers) error {
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	add := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	}
	for _, c := range caches {
		wg.Go(func() { add(c.Close()) })
	}
	if b.l2.tags != nil && b.l2.redis != b.cfg.Redis {
		ctx, cancel := context.WithTimeout(context.Background(), flushFor)
		defer cancel()
		add(b.l2.tags.Flush(ctx))
	}
	wg.Wait()
	return oneline.Join(errs...)
}

// register reserves name and opens its cache while no other cache can take the name.
func (b *Backend) register(name string, open func() (tiers, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return store.ErrClosed
	}
	if b.caches[name] != nil {
		return errors.New("the backend already has a cache with this name")
	}
	c, err := open()
	if err == nil {
		b.caches[name] = c
	}
	return err
}

// release frees the name of a closed cache.
func (b *Backend) release(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		delete(b.caches, name)
	}
	b.values.forget(name)
}
