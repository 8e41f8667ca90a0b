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

// PlainOptions configure a [Plain]. Nil and the zero value select the defaults. The fields are
// those of [Options].
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

// A Plain is a view of Redis for keys that other programs also use. A value is a Redis string
// with the output of the codec and nothing else, and expires with the key. Changes by any program
// are noticed: reads are tracked like those of a [Store], and watchers are notified.
//
// There is no place for the metadata of an entry, so a Plain does less:
//
//   - An entry expires at its soft expiry: it is not kept as a fallback for a failing source.
//   - Absent entries and entries with tags are not kept. Versions, revisions and the time of the
//     load are not kept either.
//   - There are no leases, write intents or holds. A value whose load began before a change may be
//     kept after it, until the key expires or changes again. Several processes may load a key
//     at the same time. Nothing is refreshed ahead of its expiry.
//   - Clear scans every key of the server, like [Plain.DeletePattern].
//
// A key that is no string, or that the codec cannot decode, is a miss and counts as corrupt. All
// methods are safe for concurrent use.
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
