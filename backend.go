package strata

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/ristrettostore"
)

// A Backend is what the caches of a process share: one budget of memory and one
// client of Redis. Its methods may be called concurrently.
type Backend struct {
	cfg       Config
	otter     *otterstore.Budget     // at most one of the two engines
	ristretto *ristrettostore.Budget //
	redis     *redisstore.Client     // nil: no L2
	redisTags *redisstore.Tags       // of its caches
	tags      layered.Tags           // of what L1 keeps without Redis
	tokens    tokens
	values    valueFaults

	mu     sync.Mutex
	caches map[string]tiers // by name
	closed bool
}

// tiers are those of a cache of any type.
type tiers interface {
	Close() error
	Pending() (n int, oldest time.Duration)
	PendingErr() error
	Refused() (n uint64, last error)
}

// Open makes a Backend. A nil Config is the zero one: L1 alone.
//
// It reports every mistake in the Config at once. If Redis cannot be reached, it
// returns an error that is store.ErrUnavailable, unless Config.RedisOptional is
// set. If Redis refuses the credentials, or the user lacks rights that the caches need, it
// returns an error that is store.ErrAuth and names what is missing, also for a Config.Redis
// that is connected. ctx bounds how long it waits for Redis to answer.
func Open(ctx context.Context, c *Config) (*Backend, error) {
	b := &Backend{caches: make(map[string]tiers)}
	b.tokens.init()
	if c != nil {
		b.cfg = *c
	}
	if err := b.cfg.normalize(); err != nil {
		return nil, fmt.Errorf("strata: %w", err)
	}
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
		errs = append(errs, errors.New("Config has both Redis and RedisURL"))
	}
	if int(c.Tracking) >= len(trackings) {
		errs = append(errs, fmt.Errorf("Config has an unknown %v", c.Tracking))
	}
	if c.Redis != nil && c.Tracking != PerKey {
		errs = append(errs, errors.New("Config has both Redis and Tracking: set it in the redisstore.Dialer of the client"))
	}
	if c.MaxStale != 0 && !c.Tracking.untracked() {
		errs = append(errs, fmt.Errorf("Config has MaxStale but Tracking is %v: MaxStale requires NoTracking (STRATA_TRACKING=off) or PubSub", c.Tracking))
	}
	if c.MaxStale < 0 {
		errs = append(errs, fmt.Errorf("Config has a negative MaxStale of %v", c.MaxStale))
	}
	if c.BreakAfter != 0 && c.RedisURL == "" {
		errs = append(errs, errors.New("Config has BreakAfter but no RedisURL: of a client of one's own its Dialer has to say it"))
	}
	if c.Redis == nil && c.RedisURL == "" && c.RedisPassword != "" {
		errs = append(errs, errors.New("Config has a RedisPassword but no RedisURL"))
	}
	if c.WaitReplicas < 0 {
		errs = append(errs, fmt.Errorf("Config waits for %d replicas", c.WaitReplicas))
	}
	if c.WaitReplicas > 0 && c.RedisURL == "" {
		errs = append(errs, errors.New("Config has WaitReplicas but no RedisURL: of a client of one's own its Dialer has to say it"))
	}
	if c.Engine != Otter && c.Engine != Ristretto {
		errs = append(errs, fmt.Errorf("Config has an unknown %v", c.Engine))
	}
	if err := checkPrefix(c.Prefix); err != nil {
		errs = append(errs, fmt.Errorf("Config has the Prefix %q: %w", c.Prefix, err))
	}
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
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

func (b *Backend) openRedis(ctx context.Context) (err error) {
	if b.cfg.RedisURL == "" {
		b.redis = b.cfg.Redis
	} else if err := b.dialRedis(ctx); err != nil {
		return err
	}
	if b.redis == nil {
		return nil
	}
	b.redisTags = redisstore.NewTags(b.redis, b.cfg.Prefix+"!") // Ping asks for the rights to its keys
	optional := b.cfg.RedisOptional || b.cfg.Redis != nil
	if optional && !b.redis.Health().Connected {
		return nil
	}
	err = b.redis.Ping(ctx)
	if optional && !errors.Is(err, store.ErrAuth) && !errors.Is(err, errors.ErrUnsupported) {
		return nil // it can be used later
	}
	return err
}

func (b *Backend) dialRedis(ctx context.Context) error {
	address, err := withPassword(b.cfg.RedisURL, b.cfg.RedisPassword)
	if err != nil {
		return err
	}
	dialer := redisstore.Dialer{Lazy: b.cfg.RedisOptional, MaxUnheard: max(b.cfg.MaxUnheard, 0), WaitReplicas: b.cfg.WaitReplicas,
		BreakAfter: b.cfg.BreakAfter, Logger: b.cfg.Logger, NoTracking: b.cfg.Tracking.untracked(), MaxStale: b.cfg.MaxStale}
	switch b.cfg.Tracking {
	case Broadcast:
		dialer.Broadcast = []string{b.cfg.Prefix}
	case PubSub:
		dialer.PubSub = b.cfg.Prefix + changesChannel
	}
	b.redis, err = dialer.DialURLContext(ctx, address)
	return err
}

// withPassword puts password into address unless that has one.
func withPassword(address, password string) (string, error) {
	if password == "" {
		return address, nil
	}
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return address, nil // redisstore says what is wrong
	}
	if _, ok := u.User.Password(); !ok {
		u.User = url.UserPassword(u.User.Username(), password)
	}
	return u.String(), nil
}

// Ping asks Redis whether it is there. Without Redis it returns nil.
func (b *Backend) Ping(ctx context.Context) error {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	switch {
	case closed:
		return &store.Error{Store: "strata", Op: "ping", Err: store.ErrClosed}
	case b.redis == nil:
		return nil
	default:
		return b.redis.Ping(ctx)
	}
}

// InvalidateTags makes every process forget the values, of all caches of the backend,
// that carry one of tags: see Options.Tags. That takes two exchanges with Redis,
// however many values there are. If it fails, other processes may still have the values:
// this process has forgotten them, and tries until Redis has invalidated the tags. The
// error is then store.ErrUnavailable, or that of ctx, also if ctx had ended before.
func (b *Backend) InvalidateTags(ctx context.Context, tags ...string) error {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return &store.Error{Store: "strata", Op: "invalidate tags", Err: store.ErrClosed}
	}
	b.tags.Invalidate(tags...)
	switch {
	case b.redisTags != nil:
		return b.redisTags.Invalidate(ctx, tags...)
	case ctx.Err() != nil:
		return &store.Error{Store: "strata", Op: "invalidate tags", Err: context.Cause(ctx)}
	}
	return nil
}

// unheard is how long what was loaded while Redis could not be reached may be kept.
func (b *Backend) unheard() time.Duration {
	if b.cfg.MaxUnheard == 0 {
		return defaultUnheard
	}
	return max(b.cfg.MaxUnheard, 0)
}

// Close closes every cache of the backend, waits for their loads, and gives back
// the memory and the connections. Caches return store.ErrClosed from then on.
//
// Changes that Redis could not be told of are tried once more. If it still cannot be
// reached, the error is store.ErrUnavailable and says how many are lost: others may go
// on with the old values until the end of their lives.
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
	if b.redis != nil && b.redis != b.cfg.Redis {
		b.redis.Close()
	}
	if b.otter != nil {
		b.otter.Close()
	}
	if b.ristretto != nil {
		b.ristretto.Close()
	}
	return err
}

// flushFor is how long Close waits for Redis to hear of tags.
const flushFor = time.Second

// closeCaches closes all at a time: each may have changes that Redis has not heard of, and
// so may the tags.
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
	if b.redisTags != nil && b.redis != b.cfg.Redis {
		ctx, cancel := context.WithTimeout(context.Background(), flushFor)
		defer cancel()
		add(b.redisTags.Flush(ctx))
	}
	wg.Wait()
	return oneline.Join(errs...)
}

// register takes name for a cache, and makes the cache while nobody else can
// take it.
func (b *Backend) register(name string, open func() (tiers, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return store.ErrClosed
	}
	if b.caches[name] != nil {
		return errors.New("the backend already has a cache of this name")
	}
	c, err := open()
	if err == nil {
		b.caches[name] = c
	}
	return err
}

// release gives the name of a closed cache back.
func (b *Backend) release(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		delete(b.caches, name)
	}
	b.values.forget(name)
}
