// Package encodedstore keeps values as bytes in a store of this process, and decodes
// them for each read. No two callers share a value, so each may change the one that it
// gets.
//
// A hit costs what decoding costs, a hundred times what a shared value costs and more.
// It is for values that callers must be free to change and that are hard to copy
// otherwise.
package encodedstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
)

// An Inner store keeps the bytes. It has all the capabilities that a [Store] has, so
// that none is hidden.
type Inner interface {
	store.Store[[]byte]
	store.Expirer
	store.PatternDeleter
	store.Clearer
	store.Reporter
	store.HitSampler
}

// A Store is a view of an Inner store for values of one type, and costs nothing. What
// cannot be decoded is a miss, is counted in Stats.Corrupt, and is removed. A value that
// cannot be encoded is an error of Set that is [store.ErrUnstorable], and what was there
// stays.
type Store[T any] struct {
	inner   Inner
	codec   codec.Codec[T]
	corrupt atomic.Uint64
}

// ErrCannotEncode says that the codec cannot encode a value. Such an error is
// [store.ErrUnstorable] as well.
var ErrCannotEncode = errors.New("cannot encode the value")

var (
	_ store.Store[int]     = (*Store[int])(nil)
	_ store.Viewer[int]    = (*Store[int])(nil)
	_ store.Expirer        = (*Store[int])(nil)
	_ store.PatternDeleter = (*Store[int])(nil)
	_ store.Clearer        = (*Store[int])(nil)
	_ store.Reporter       = (*Store[int])(nil)
	_ store.HitSampler     = (*Store[int])(nil)
)

// New returns a store over inner, which nothing else may write to. A nil c is
// codec.Msgpack.
func New[T any](inner Inner, c codec.Codec[T]) *Store[T] {
	if c == nil {
		c = codec.Msgpack[T]()
	}
	return &Store[T]{inner: inner, codec: c}
}

// Get implements [store.Store].
func (s *Store[T]) Get(ctx context.Context, key string) (store.Entry[T], error) {
	e, err := s.View(ctx, key)
	if err != nil {
		return store.Entry[T]{}, err
	}
	return *e, e.MissError()
}

// View implements [store.Viewer]. The entry is the caller's own.
func (s *Store[T]) View(ctx context.Context, key string) (*store.Entry[T], error) {
	kept, err := store.View(ctx, s.inner, key)
	if err != nil {
		return nil, err
	}
	e := store.WithValue(kept, *new(T))
	if !e.Absent {
		if e.Value, err = codec.DecodeFor(s.codec, key, kept.Value); err != nil {
			s.corrupt.Add(1)
			_ = s.inner.Delete(ctx, key) // in memory
			return nil, store.ErrNotFound
		}
	}
	return &e, nil
}

// Set implements [store.Store].
func (s *Store[T]) Set(ctx context.Context, key string, e store.Entry[T]) error {
	kept := store.WithValue(&e, []byte(nil))
	if !e.Absent {
		var err error
		if kept.Value, err = codec.AppendFor(s.codec, nil, key, e.Value); err != nil {
			if !errors.Is(err, store.ErrUnstorable) {
				err = fmt.Errorf("%w: %w: %w", store.ErrUnstorable, ErrCannotEncode, err)
			}
			return &store.Error{Store: "encoded", Op: "set", Key: key, Err: err}
		}
		kept.Size = len(kept.Value)
	}
	return s.inner.Set(ctx, key, kept)
}

// Delete implements [store.Store].
func (s *Store[T]) Delete(ctx context.Context, keys ...string) error {
	return s.inner.Delete(ctx, keys...)
}

// TTL implements [store.Expirer].
func (s *Store[T]) TTL(ctx context.Context, key string) (time.Duration, error) {
	return s.inner.TTL(ctx, key)
}

// Expire implements [store.Expirer].
func (s *Store[T]) Expire(ctx context.Context, key string, ttl time.Duration) error {
	return s.inner.Expire(ctx, key, ttl)
}

// Exists implements [store.Expirer].
func (s *Store[T]) Exists(ctx context.Context, key string) (bool, error) {
	return s.inner.Exists(ctx, key)
}

// DeletePattern implements [store.PatternDeleter].
func (s *Store[T]) DeletePattern(ctx context.Context, pattern string) (int, error) {
	return s.inner.DeletePattern(ctx, pattern)
}

// Clear implements [store.Clearer].
func (s *Store[T]) Clear(ctx context.Context) error { return s.inner.Clear(ctx) }

// SampleHits implements [store.HitSampler].
func (s *Store[T]) SampleHits(fn func(key string)) (every int, stop func()) {
	return s.inner.SampleHits(fn)
}

// SampleRemovals implements [store.RemovalSampler]. It does nothing if the inner store is none.
func (s *Store[T]) SampleRemovals(fn func(cause string, age time.Duration)) {
	store.SampleRemovals(s.inner, fn)
}

// Stats implements [store.Reporter]. An entry that cannot be decoded counts as a hit of
// the inner store; here it is a miss.
func (s *Store[T]) Stats(ctx context.Context) (store.Stats, error) {
	corrupt := s.corrupt.Load() // read first: it never exceeds the hits then
	st, err := s.inner.Stats(ctx)
	st.Hits -= min(corrupt, st.Hits)
	st.Misses += corrupt
	st.Corrupt += corrupt
	st.Deletes -= min(corrupt, st.Deletes)
	return st, err
}
