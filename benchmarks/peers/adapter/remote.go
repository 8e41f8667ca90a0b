package adapter

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/valkey-io/valkey-go"
)

// Clients without a copy in the process. All encode with Strata's default codec.

func remotePeers() []Peer {
	return []Peer{
		{
			Name: "rueidis", Tier: Remote, Modules: []string{"github.com/redis/rueidis"},
			Settings: "defaults; MGet for batches (README). Load: Do GET, load, SET PX",
			Open:     func(e Env) (*Cache, error) { return openRueidis(e, false) },
		},
		{
			Name: "valkey-go", Tier: Remote, Modules: []string{"github.com/valkey-io/valkey-go"}, Open: openValkey,
			Settings: "defaults; MGet for batches (README)",
		},
		{
			Name: "go-redis", Tier: Remote, Modules: []string{"github.com/redis/go-redis/v9"},
			Settings: "defaults, whose pool has 10 connections for each processor; PoolSize 64 as callers wait otherwise; MGET for batches",
			Open:     func(e Env) (*Cache, error) { return openGoRedis(e, false) },
		},
		{
			Name: "go-redis-autopipeline", Tier: Remote, Modules: []string{"github.com/redis/go-redis/v9"},
			Settings: "AutoPipeline() with its defaults (README: for many concurrent callers)",
			Open:     func(e Env) (*Cache, error) { return openGoRedis(e, true) },
		},
	}
}

// decode returns the value of the bytes of a reply; missing is what the client returns for
// none.
func decode(b []byte, err error, missing bool) (Item, error) {
	if missing {
		return Item{}, ErrMiss
	}
	if err != nil {
		return Item{}, err
	}
	return format.Decode(b)
}

// openRueidis opens rueidis, with DoCache if cached.
func openRueidis(e Env, cached bool) (*Cache, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: e.addrs(), DisableCache: !cached})
	if err != nil {
		return nil, err
	}
	do := func(ctx context.Context, key string) rueidis.RedisResult {
		if cached {
			return client.DoCache(ctx, client.B().Get().Key(key).Cache(), e.TTL)
		}
		return client.Do(ctx, client.B().Get().Key(key).Build())
	}
	c := &Cache{
		Get: func(ctx context.Context, key string) (Item, error) {
			b, err := do(ctx, e.Prefix+key).AsBytes()
			return decode(b, err, rueidis.IsRedisNil(err))
		},
		Set: func(ctx context.Context, key string, v Item) error {
			s, err := encode(v)
			if err != nil {
				return err
			}
			return client.Do(ctx, client.B().Set().Key(e.Prefix+key).Value(s).Px(e.TTL).Build()).Error()
		},
		Many: func(ctx context.Context, keys []string) (map[string]Item, error) {
			full := e.full(keys)
			var replies map[string]rueidis.RedisMessage
			var err error
			if cached {
				replies, err = rueidis.MGetCache(client, ctx, e.TTL, full)
			} else {
				replies, err = rueidis.MGet(client, ctx, full)
			}
			return collect(e, keys, err, func(key string) (Item, error) {
				m := replies[key]
				b, err := m.AsBytes()
				return decode(b, err, rueidis.IsRedisNil(err))
			})
		},
		Delete: func(ctx context.Context, key string) error {
			return client.Do(ctx, client.B().Del().Key(e.Prefix+key).Build()).Error()
		},
		Close: client.Close,
	}
	c.Load = through(c, e)
	return c, nil
}

func openValkey(e Env) (*Cache, error) {
	client, err := valkey.NewClient(valkey.ClientOption{InitAddress: e.addrs(), DisableCache: true})
	if err != nil {
		return nil, err
	}
	c := &Cache{
		Get: func(ctx context.Context, key string) (Item, error) {
			b, err := client.Do(ctx, client.B().Get().Key(e.Prefix+key).Build()).AsBytes()
			return decode(b, err, valkey.IsValkeyNil(err))
		},
		Set: func(ctx context.Context, key string, v Item) error {
			s, err := encode(v)
			if err != nil {
				return err
			}
			return client.Do(ctx, client.B().Set().Key(e.Prefix+key).Value(s).Px(e.TTL).Build()).Error()
		},
		Many: func(ctx context.Context, keys []string) (map[string]Item, error) {
			replies, err := valkey.MGet(client, ctx, e.full(keys))
			return collect(e, keys, err, func(key string) (Item, error) {
				m := replies[key]
				b, err := m.AsBytes()
				return decode(b, err, valkey.IsValkeyNil(err))
			})
		},
		Delete: func(ctx context.Context, key string) error {
			return client.Do(ctx, client.B().Del().Key(e.Prefix+key).Build()).Error()
		},
		Close: client.Close,
	}
	c.Load = through(c, e)
	return c, nil
}

// pool is the number of connections of go-redis: as many as callers in most measurements.
const pool = 64

// openGoRedis opens go-redis, with its automatic pipelining if batching.
func openGoRedis(e Env, batching bool) (*Cache, error) {
	client := redis.NewClient(&redis.Options{Addr: e.Addr, PoolSize: pool})
	var commands redis.Cmdable = client
	stop := func() { _ = client.Close() }
	if batching {
		auto, err := client.AutoPipeline()
		if err != nil {
			return nil, errors.Join(err, client.Close())
		}
		commands = auto
		stop = func() { _ = auto.Close(); _ = client.Close() }
	}
	return overGoRedis(e, commands, stop), nil
}

func overGoRedis(e Env, client redis.Cmdable, stop func()) *Cache {
	c := &Cache{
		Get: func(ctx context.Context, key string) (Item, error) {
			b, err := client.Get(ctx, e.Prefix+key).Bytes()
			return decode(b, err, errors.Is(err, redis.Nil))
		},
		Set: func(ctx context.Context, key string, v Item) error {
			s, err := encode(v)
			if err != nil {
				return err
			}
			return client.Set(ctx, e.Prefix+key, s, e.TTL.Round(time.Millisecond)).Err()
		},
		Many: func(ctx context.Context, keys []string) (map[string]Item, error) {
			values, err := client.MGet(ctx, e.full(keys)...).Result()
			found := make(map[string]Item, len(keys))
			for i, v := range values {
				s, ok := v.(string)
				if !ok {
					continue
				}
				var failed error
				if found[keys[i]], failed = format.Decode([]byte(s)); failed != nil {
					return found, failed
				}
			}
			return found, err
		},
		Delete: func(ctx context.Context, key string) error { return client.Del(ctx, e.Prefix+key).Err() },
		Close:  stop,
	}
	c.Load = through(c, e)
	return c
}

// full returns the keys in Redis.
func (e Env) full(keys []string) []string {
	full := make([]string, len(keys))
	for i, key := range keys {
		full[i] = e.Prefix + key
	}
	return full
}

// collect decodes the replies of a batch.
func collect(e Env, keys []string, err error, of func(full string) (Item, error)) (map[string]Item, error) {
	found := make(map[string]Item, len(keys))
	if err != nil {
		return found, err
	}
	for _, key := range keys {
		v, err := of(e.Prefix + key)
		if errors.Is(err, ErrMiss) {
			continue
		}
		if err != nil {
			return found, err
		}
		found[key] = v
	}
	return found, nil
}
