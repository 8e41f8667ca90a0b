package strata

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// A Counter counts by id, for all processes: views of a listing, attempts to log in. A
// counter is a number in Redis, and every call asks Redis: there are no copies. All methods
// are safe for concurrent use.
type Counter[K comparable] struct {
	name    string
	backend *Backend
	key     func(K) (string, error)
	ttl     time.Duration
	counts  store.Store[any]
}

// maxCounters bounds the counters of a Counter without Redis.
const maxCounters = 100_000

// NewCounter returns counters. name must be unique among the caches and counters of the
// backend. A counter lives for ttl after the Add that created it; later calls do not prolong
// it. 0 or store.Forever: until Reset or eviction. Ids are those of [New].
//
// Without Redis, counters are in the memory of this process: at most 100,000, of which another
// one takes the place of any.
func NewCounter[K comparable](b *Backend, name string, ttl time.Duration) (*Counter[K], error) {
	if b == nil {
		return nil, fmt.Errorf("strata: counter %q: the backend is nil; use Open", name)
	}
	var terr error
	if ttl < 0 {
		terr = fmt.Errorf("the TTL %v is negative", ttl)
	}
	space, serr := keys.New(name, &keys.Options{Schema: "counter"})
	key, kerr := keyFunc[K]()
	c := &Counter[K]{name: name, backend: b, key: key, ttl: ttl}
	err := oneline.Join(checkName(name), terr, serr, kerr)
	if err == nil {
		err = b.register(name, func() (tiers, error) { return counterTiers{}, c.open(space.Prefix()) })
	}
	if err != nil {
		return nil, fmt.Errorf("strata: counter %q: %w", name, err)
	}
	return c, nil
}

func (c *Counter[K]) open(space string) (err error) {
	b := c.backend
	if !b.l2.exists() {
		c.counts = memstore.New[any](&memstore.Options{MaxEntries: maxCounters})
		return nil
	}
	c.counts, err = openL2(&b.l2, l2Space{name: c.name, prefix: b.cfg.Prefix + space, observer: b.cfg.Observer})
	return err
}

// Add adds delta, which may be negative or 0, and returns the sum. A counter that does not
// exist is created, and begins at 0. A sum that does not fit an int64 is an error.
//
// If Redis is unreachable, the error wraps store.ErrUnavailable. The call may have counted,
// and is not retried.
func (c *Counter[K]) Add(ctx context.Context, id K, delta int64) (int64, error) {
	key, err := c.begin("add", id)
	if err != nil {
		return 0, err
	}
	n, err := store.Add(ctx, c.counts, key, delta, c.ttl)
	return n, store.InCache(err, c.name)
}

// Get returns the sum, or 0 for a counter that does not exist, which it does not create.
func (c *Counter[K]) Get(ctx context.Context, id K) (int64, error) {
	key, err := c.begin("count", id)
	if err != nil {
		return 0, err
	}
	n, err := store.Count(ctx, c.counts, key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return n, store.InCache(err, c.name)
}

// Reset removes the counters of ids: the next Add creates them again. An id that has no key
// does not keep the others from being reset. If Redis is unreachable, the error wraps
// store.ErrUnavailable, and Reset is not retried.
func (c *Counter[K]) Reset(ctx context.Context, ids ...K) error {
	var ks []string
	var errs []error
	for _, id := range ids {
		key, err := c.begin("reset", id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ks = append(ks, key)
	}
	if len(ks) > 0 {
		errs = append(errs, store.InCache(c.counts.Delete(ctx, ks...), c.name))
	}
	return oneline.Join(errs...)
}

// begin returns the key of id, unless the backend is closed.
func (c *Counter[K]) begin(op string, id K) (string, error) {
	key, err := c.key(id)
	if c.backend.isClosed() {
		err = store.ErrClosed
	}
	if err != nil {
		return "", &store.Error{Store: "strata", Cache: c.name, Op: op, Err: err}
	}
	return key, nil
}

// Name returns the name.
func (c *Counter[K]) Name() string { return c.name }

// Close frees the name in the backend. Counters in Redis stay. Backend.Close closes all.
func (c *Counter[K]) Close() error {
	c.backend.release(c.name)
	return nil
}

// A counterTiers is a Counter as the backend sees it: nothing is retried, because it might
// count twice.
type counterTiers struct{}

func (counterTiers) Close() error                              { return nil }
func (counterTiers) RetryQueue() (n int, oldest time.Duration) { return 0, 0 }
func (counterTiers) RetryQueueErr() error                      { return nil }
func (counterTiers) Refused() (n uint64, last error)           { return 0, nil }
