package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
)

// PlainOptions configure a [Plain]. The zero value, and nil, give a usable one. The
// fields are those of [Options].
type PlainOptions[T any] struct {
	// Prefix begins every key. Clear requires one.
	Prefix string

	// Codec is that of the other programs. Nil: codec.Msgpack.
	Codec codec.Codec[T]

	// MaxKeySize is [Options].MaxKeySize.
	MaxKeySize int

	// MaxValueSize is [Options].MaxValueSize.
	MaxValueSize int

	// Observer receives every operation. Nil: none.
	Observer store.Observer

	// Timeout is the longest time of an operation. 0: that of the client.
	Timeout time.Duration
}

// A Plain is a view of Redis for keys that other programs use as well: a value is
// nothing but the bytes that the codec makes of it, in a Redis string, and its life is
// that of the key. A change of such a key by any program is noticed: reads are
// tracked like those of a [Store], and watchers are notified.
//
// There is no room for what Strata says of an entry beyond that, so a Plain does less:
//
//   - A soft expiry is the end: a stale value is not kept for the time that the source
//     fails.
//   - What is absent at the source, and what has tags, is not kept at all. Nor are
//     versions, revisions, and the time of the load.
//   - There are no leases, and no write intents or holds: a load that began before a change
//     may be kept after it, until the key expires or changes again, and several processes
//     may load a key at the same time. Nothing is refreshed ahead of its expiry.
//   - Clear looks at every key of the server, like [Plain.DeletePattern].
//
// A key that is no string, or that the codec does not understand, is a miss, and is
// counted as corrupt. All methods may be called concurrently.
type Plain[T any] struct{ s *Store[T] }

var (
	_ store.Store[int]      = (*Plain[int])(nil)
	_ store.ManyGetter[int] = (*Plain[int])(nil)
	_ store.ManySetter[int] = (*Plain[int])(nil)
	_ store.Watcher         = (*Plain[int])(nil)
	_ store.Expirer         = (*Plain[int])(nil)
	_ store.PatternDeleter  = (*Plain[int])(nil)
	_ store.Clearer         = (*Plain[int])(nil)
	_ store.Pinger          = (*Plain[int])(nil)
	_ store.Reporter        = (*Plain[int])(nil)
)

// NewPlain returns a plain store of values of type T on c. Nil options are the
// defaults. Closing c ends the store.
func NewPlain[T any](c *Client, o *PlainOptions[T]) *Plain[T] {
	if o == nil {
		o = &PlainOptions[T]{}
	}
	s := newStore(c, o.Codec, o.Prefix)
	s.observer, s.maxKey, s.maxValue, s.plain = o.Observer, o.MaxKeySize, o.MaxValueSize, true
	s.init(nil, o.Timeout, 0)
	return &Plain[T]{s}
}

// Get returns the value under key with one exchange.
func (p *Plain[T]) Get(ctx context.Context, key string) (store.Entry[T], error) {
	return p.s.Get(ctx, key)
}

// Set keeps the value of e under key until e is stale. If e is absent or has tags, it
// removes what is there.
func (p *Plain[T]) Set(ctx context.Context, key string, e store.Entry[T]) error {
	return p.s.Set(ctx, key, e)
}

// Delete removes keys.
func (p *Plain[T]) Delete(ctx context.Context, keys ...string) error { return p.s.Delete(ctx, keys...) }

// GetMany returns the values that are there in the places of their keys, with one exchange
// for 400 keys.
func (p *Plain[T]) GetMany(ctx context.Context, keys []string) ([]*store.Entry[T], error) {
	return p.s.GetMany(ctx, keys)
}

// SetMany sets every entry, with one exchange for 400 of them.
func (p *Plain[T]) SetMany(ctx context.Context, entries map[string]store.Entry[T]) error {
	return p.s.SetMany(ctx, entries)
}

// Watch is as that of a [Store].
func (p *Plain[T]) Watch(w store.Watching) (stop func(), err error) { return p.s.Watch(w) }

// TTL returns how long key has left.
func (p *Plain[T]) TTL(ctx context.Context, key string) (time.Duration, error) {
	return p.s.TTL(ctx, key)
}

// Exists reports whether there is something under key.
func (p *Plain[T]) Exists(ctx context.Context, key string) (bool, error) { return p.s.Exists(ctx, key) }

// Expire sets the time that key has left.
func (p *Plain[T]) Expire(ctx context.Context, key string, ttl time.Duration) error {
	return p.s.Expire(ctx, key, ttl)
}

// DeletePattern removes the keys that begin with the prefix of the store and match
// pattern after it, of any program. See [Store.DeletePattern].
func (p *Plain[T]) DeletePattern(ctx context.Context, pattern string) (int, error) {
	return p.s.DeletePattern(ctx, pattern)
}

// errNoPrefix keeps Clear from removing what belongs to others.
var errNoPrefix = errors.New("a plain store without a prefix would clear all of Redis")

// Clear removes every key that begins with the prefix of the store, of any program, as
// DeletePattern does. Without a prefix it is an error that is errors.ErrUnsupported.
func (p *Plain[T]) Clear(ctx context.Context) error {
	if p.s.prefix == "" {
		return &store.Error{Store: link.StoreName, Cache: p.s.name, Op: "clear", Err: oneline.Join(errNoPrefix, errors.ErrUnsupported)}
	}
	_, err := p.s.removeMatching(ctx, "clear", "*")
	return err
}

// Ping asks Redis whether it is there.
func (p *Plain[T]) Ping(ctx context.Context) error { return p.s.Ping(ctx) }

// Stats is as that of a [Store].
func (p *Plain[T]) Stats(ctx context.Context) (store.Stats, error) { return p.s.Stats(ctx) }

// MaxStale is as that of a [Store].
func (p *Plain[T]) MaxStale() time.Duration { return p.s.MaxStale() }
