package adapter

import (
	"context"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/maypok86/otter/v2"
	"github.com/samber/hot"
	"github.com/viccon/sturdyc"
)

func localPeers() []Peer {
	return []Peer{
		{
			Name: "otter", Tier: Local, Modules: []string{"github.com/maypok86/otter/v2"}, Coalesces: true, Open: openOtter,
			Settings: "MaximumSize, ExpiryWriting, Get with a LoaderFunc (README)",
		},
		{
			Name: "theine", Tier: Local, Modules: []string{"github.com/Yiling-J/theine-go"}, Coalesces: true, Open: openTheine,
			Settings: "NewBuilder(size), SetWithTTL; with a loader, its loading cache (README)",
		},
		{
			Name: "golang-lru", Tier: Local, Modules: []string{"github.com/hashicorp/golang-lru/v2"}, Open: openLRU,
			Settings: "expirable.NewLRU (README). It has no loader: Get, load, Add",
		},
		{
			Name: "ristretto", Tier: Local, Modules: []string{"github.com/dgraph-io/ristretto/v2"}, Open: openRistretto,
			Settings: "NumCounters ten times the entries, BufferItems 64 (README); IgnoreInternalCost, as the cost counts entries. It has no loader: Get, load, SetWithTTL",
		},
		{
			Name: "sturdyc", Tier: Local, Modules: []string{"github.com/viccon/sturdyc"}, Coalesces: true, Open: openSturdyc,
			Settings: "10 shards, 10 percent evicted, GetOrFetch (README)",
		},
		{
			Name: "hot", Tier: Local, Modules: []string{"github.com/samber/hot"}, Coalesces: true, Open: openHot,
			Settings: "LRU WithTTL, WithLoaders (README). Not WithSharding, with which the program ended, and each shard has the whole capacity",
		},
	}
}

func openOtter(e Env) (*Cache, error) {
	cache, err := otter.New(&otter.Options[string, Item]{
		MaximumSize: e.Capacity, ExpiryCalculator: otter.ExpiryWriting[string, Item](e.TTL),
	})
	if err != nil {
		return nil, err
	}
	c := &Cache{
		Get:    asGet(cache.GetIfPresent),
		Set:    func(_ context.Context, key string, v Item) error { cache.Set(key, v); return nil },
		Delete: func(_ context.Context, key string) error { cache.Invalidate(key); return nil },
		Settle: cache.CleanUp,
		Close:  func() { cache.StopAllGoroutines() },
	}
	c.Many = each(c)
	if e.Load != nil {
		loader := otter.LoaderFunc[string, Item](e.Load)
		c.Load = func(ctx context.Context, key string) (Item, error) { return cache.Get(ctx, key, loader) }
	}
	return c, nil
}

func openTheine(e Env) (*Cache, error) {
	builder := theine.NewBuilder[string, Item](int64(e.Capacity))
	if e.Load != nil {
		cache, err := builder.Loading(func(ctx context.Context, key string) (theine.Loaded[Item], error) {
			v, err := e.Load(ctx, key)
			return theine.Loaded[Item]{Value: v, Cost: 1, TTL: e.TTL}, err
		}).Build()
		if err != nil {
			return nil, err
		}
		return &Cache{
			Load:   cache.Get,
			Set:    func(_ context.Context, key string, v Item) error { cache.SetWithTTL(key, v, 1, e.TTL); return nil },
			Delete: func(_ context.Context, key string) error { cache.Delete(key); return nil },
			Close:  cache.Close,
		}, nil
	}
	cache, err := builder.Build()
	if err != nil {
		return nil, err
	}
	c := &Cache{
		Get:    asGet(cache.Get),
		Set:    func(_ context.Context, key string, v Item) error { cache.SetWithTTL(key, v, 1, e.TTL); return nil },
		Delete: func(_ context.Context, key string) error { cache.Delete(key); return nil },
		Settle: cache.Wait,
		Close:  cache.Close,
	}
	c.Many = each(c)
	return c, nil
}

func openLRU(e Env) (*Cache, error) {
	cache := lru.NewLRU[string, Item](e.Capacity, nil, e.TTL)
	c := &Cache{
		Get:    asGet(cache.Get),
		Set:    func(_ context.Context, key string, v Item) error { cache.Add(key, v); return nil },
		Delete: func(_ context.Context, key string) error { cache.Remove(key); return nil },
		Close:  func() {},
	}
	c.Many, c.Load = each(c), through(c, e)
	return c, nil
}

func openRistretto(e Env) (*Cache, error) {
	cache, err := ristretto.NewCache(&ristretto.Config[string, Item]{
		NumCounters: 10 * int64(e.Capacity), MaxCost: int64(e.Capacity), BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, err
	}
	c := &Cache{
		Get:    asGet(cache.Get),
		Set:    func(_ context.Context, key string, v Item) error { cache.SetWithTTL(key, v, 1, e.TTL); return nil },
		Delete: func(_ context.Context, key string) error { cache.Del(key); return nil },
		Settle: cache.Wait,
		Close:  cache.Close,
	}
	c.Many, c.Load = each(c), through(c, e)
	return c, nil
}

func openSturdyc(e Env) (*Cache, error) {
	cache := sturdyc.New[Item](e.Capacity, 10, e.TTL, 10)
	c := &Cache{
		Get:    asGet(cache.Get),
		Set:    func(_ context.Context, key string, v Item) error { cache.Set(key, v); return nil },
		Many:   func(_ context.Context, keys []string) (map[string]Item, error) { return cache.GetMany(keys), nil },
		Delete: func(_ context.Context, key string) error { cache.Delete(key); return nil },
		Close:  func() {},
	}
	if e.Load != nil {
		c.Load = func(ctx context.Context, key string) (Item, error) {
			return cache.GetOrFetch(ctx, key, func(ctx context.Context) (Item, error) { return e.Load(ctx, key) })
		}
	}
	return c, nil
}

func openHot(e Env) (*Cache, error) {
	conf := hot.NewHotCache[string, Item](hot.LRU, e.Capacity).WithTTL(e.TTL)
	if e.Load != nil {
		conf = conf.WithLoaders(func(keys []string) (map[string]Item, error) {
			found := make(map[string]Item, len(keys))
			for _, key := range keys {
				v, err := e.Load(context.Background(), key)
				if err != nil {
					return found, err
				}
				found[key] = v
			}
			return found, nil
		})
	}
	cache := conf.Build()
	get := func(_ context.Context, key string) (Item, error) {
		v, ok, err := cache.Get(key)
		if err == nil && !ok {
			err = ErrMiss
		}
		return v, err
	}
	c := &Cache{
		Set: func(_ context.Context, key string, v Item) error { cache.Set(key, v); return nil },
		Many: func(_ context.Context, keys []string) (map[string]Item, error) {
			found, _, err := cache.GetMany(keys)
			return found, err
		},
		Delete: func(_ context.Context, key string) error { cache.Delete(key); return nil },
		Close:  func() {},
	}
	if c.Get = get; e.Load != nil {
		c.Load = get
	}
	return c, nil
}
