package strata

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/memfleet"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// An l2 is what the caches of several processes share: Redis, or the memory of package
// stratatest. In the zero l2 they share nothing.
type l2 struct {
	redis *redisstore.Client
	tags  *redisstore.Tags // of all caches; nil without Redis
	fleet *memfleet.Process
}

// exists reports whether processes share values.
func (l *l2) exists() bool { return l.redis != nil || l.fleet != nil }

// ping checks the connection.
func (l *l2) ping(ctx context.Context) error {
	switch {
	case l.fleet != nil:
		return l.fleet.Ping(ctx)
	case l.redis != nil:
		return l.redis.Ping(ctx)
	}
	return nil
}

// sync waits until the invalidations of all changes before the call have arrived.
func (l *l2) sync(ctx context.Context) error {
	if l.fleet != nil {
		return l.fleet.Sync(ctx)
	}
	return l.redis.Sync(ctx)
}

// invalidate invalidates tags for all processes.
func (l *l2) invalidate(ctx context.Context, tags []string) error {
	switch {
	case l.fleet != nil:
		return l.fleet.InvalidateTags(ctx, tags...)
	case l.tags != nil:
		return l.tags.Invalidate(ctx, tags...)
	}
	return nil
}

// An l2Space describes the part of an l2 that belongs to one cache.
type l2Space struct {
	name, prefix string
	values       reflect.Type // the type of the values
	codec        codec.Codec[any]
	observer     store.Observer
	readTimeout  time.Duration
}

// openL2 returns the second tier of a cache, or nil.
func openL2(l *l2, s l2Space) (store.Store[any], error) {
	switch {
	case l.fleet != nil:
		return memfleet.Open(l.fleet, s.prefix, s.values, func(key string, v any) error {
			if _, err := codec.AppendFor(s.codec, nil, key, v); err != nil {
				return fmt.Errorf("%w: %w", store.ErrUnstorable, err)
			}
			return nil
		})
	case l.redis != nil:
		return redisstore.New(l.redis, &redisstore.Options[any]{
			Name: s.name, Prefix: s.prefix, Tags: l.tags, Codec: s.codec, Observer: s.observer, ReadTimeout: s.readTimeout,
		}), nil
	}
	return nil, nil
}
