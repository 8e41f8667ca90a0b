package adapter

import (
	"context"
	"errors"
	"time"

	"github.com/dtm-labs/rockscache"
	goredis "github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidisaside"
)

func sharedPeers() []Peer {
	return []Peer{
		{
			Name: "rueidis-docache", Tier: Both, Modules: []string{"github.com/redis/rueidis"},
			Settings: "DoCache and MGetCache with the TTL of the entry, defaults otherwise: opt-in tracking, 128 MiB a connection (README). Load: DoCache, load, SET PX",
			Open:     func(e Env) (*Cache, error) { return openRueidis(e, true) },
		},
		{
			Name: "rueidisaside", Tier: Both, Modules: []string{"github.com/redis/rueidis/rueidisaside"}, Coalesces: true, OneLoader: true,
			Settings: "NewClient with defaults (README)", Open: openAside,
		},
		{
			Name: "go-redis-csc", Tier: Both, Modules: []string{"github.com/redis/go-redis/v9"},
			Settings: "Protocol 3, ClientSideCacheConfig with MaxEntries (README), PoolSize 64. Load: GET, load, SET", Open: openGoRedisCached,
		},
		{
			Name: "go-redis-cache", Tier: Both, Modules: []string{"github.com/go-redis/cache/v9"}, Coalesces: true,
			Settings: "LocalCache NewTinyLFU for a minute, Once (README); its own encoding", Open: openGoRedisCache,
		},
		{
			Name: "rockscache", Tier: Remote, Modules: []string{"github.com/dtm-labs/rockscache"}, Coalesces: true, OneLoader: true,
			Settings: "NewDefaultOptions, Fetch, TagAsDeleted (README), on go-redis with PoolSize 64; after TagAsDeleted it serves the old value until a load in the background has ended", Open: openRocks,
		},
	}
}

func openGoRedisCached(e Env) (*Cache, error) {
	client := redis.NewClient(&redis.Options{
		Addr: e.Addr, PoolSize: pool, Protocol: 3,
		ClientSideCacheConfig: &redis.ClientSideCacheConfig{MaxEntries: e.Capacity},
	})
	return overGoRedis(e, client, func() { _ = client.Close() }), nil
}

// openAside opens rueidisaside, whose values are strings. It has no Set: what is written goes
// to the source, and Del invalidates. Set therefore fills an empty key by a Get.
func openAside(e Env) (*Cache, error) {
	client, err := rueidisaside.NewClient(rueidisaside.ClientOption{ClientOption: rueidis.ClientOption{InitAddress: e.addrs()}})
	if err != nil {
		return nil, err
	}
	read := func(ctx context.Context, key string, load func(context.Context, string) (string, error)) (Item, error) {
		s, err := client.Get(ctx, e.TTL, e.Prefix+key, load)
		return decode([]byte(s), err, rueidis.IsRedisNil(err))
	}
	del := func(ctx context.Context, key string) error { return client.Del(ctx, e.Prefix+key) }
	c := &Cache{
		Get: func(ctx context.Context, key string) (Item, error) { return read(ctx, key, nil) },
		Set: func(ctx context.Context, key string, v Item) error {
			if err := del(ctx, key); err != nil {
				return err
			}
			_, err := read(ctx, key, func(context.Context, string) (string, error) { return encode(v) })
			return err
		},
		Delete: del,
		Close:  client.Close,
	}
	c.Many = each(c)
	if e.Load != nil {
		c.Load = func(ctx context.Context, key string) (Item, error) {
			return read(ctx, key, func(ctx context.Context, _ string) (string, error) {
				v, err := e.Load(ctx, key)
				if err != nil {
					return "", err
				}
				return encode(v)
			})
		}
	}
	return c, nil
}

func openGoRedisCache(e Env) (*Cache, error) {
	client := redis.NewClient(&redis.Options{Addr: e.Addr, PoolSize: pool})
	cache := goredis.New(&goredis.Options{Redis: client, LocalCache: goredis.NewTinyLFU(e.Capacity, min(time.Minute, e.TTL))})
	c := &Cache{
		Get: func(ctx context.Context, key string) (v Item, err error) {
			if err = cache.Get(ctx, e.Prefix+key, &v); errors.Is(err, goredis.ErrCacheMiss) {
				err = ErrMiss
			}
			return v, err
		},
		Set: func(ctx context.Context, key string, v Item) error {
			return cache.Set(&goredis.Item{Ctx: ctx, Key: e.Prefix + key, Value: &v, TTL: e.TTL})
		},
		Delete: func(ctx context.Context, key string) error { return cache.Delete(ctx, e.Prefix+key) },
		Close:  func() { _ = client.Close() },
	}
	c.Many = each(c)
	if e.Load != nil {
		c.Load = func(ctx context.Context, key string) (v Item, err error) {
			err = cache.Once(&goredis.Item{
				Ctx: ctx, Key: e.Prefix + key, Value: &v, TTL: e.TTL,
				Do: func(*goredis.Item) (any, error) { return e.Load(ctx, key) },
			})
			return v, err
		}
	}
	return c, nil
}

func openRocks(e Env) (*Cache, error) {
	client := redis.NewClient(&redis.Options{Addr: e.Addr, PoolSize: pool})
	cache := rockscache.NewClient(client, rockscache.NewDefaultOptions())
	fetch := func(ctx context.Context, key string, load func() (Item, error)) (Item, error) {
		s, err := cache.Fetch2(ctx, e.Prefix+key, e.TTL, func() (string, error) {
			v, err := load()
			if err != nil {
				return "", err
			}
			return encode(v)
		})
		return decode([]byte(s), err, false)
	}
	c := &Cache{
		Get: func(ctx context.Context, key string) (Item, error) {
			return fetch(ctx, key, func() (Item, error) { return Item{}, ErrMiss })
		},
		Set: func(ctx context.Context, key string, v Item) error {
			s, err := encode(v)
			if err != nil {
				return err
			}
			return cache.RawSet(ctx, e.Prefix+key, s, e.TTL)
		},
		Delete: func(ctx context.Context, key string) error { return cache.TagAsDeleted2(ctx, e.Prefix+key) },
		Close:  func() { _ = client.Close() },
	}
	c.Many = func(ctx context.Context, keys []string) (map[string]Item, error) {
		return rocksMany(ctx, cache, e, keys)
	}
	if e.Load != nil {
		c.Load = func(ctx context.Context, key string) (Item, error) {
			return fetch(ctx, key, func() (Item, error) { return e.Load(ctx, key) })
		}
	}
	return c, nil
}

func rocksMany(ctx context.Context, cache *rockscache.Client, e Env, keys []string) (map[string]Item, error) {
	values, err := cache.FetchBatch2(ctx, e.full(keys), e.TTL, func([]int) (map[int]string, error) { return nil, ErrMiss })
	found := make(map[string]Item, len(keys))
	for i, s := range values {
		v, failed := format.Decode([]byte(s))
		if failed != nil {
			return found, failed
		}
		found[keys[i]] = v
	}
	return found, err
}
