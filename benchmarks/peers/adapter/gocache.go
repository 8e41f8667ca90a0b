package adapter

import (
	"context"
	"errors"

	old "github.com/dgraph-io/ristretto"
	"github.com/eko/gocache/lib/v4/cache"
	"github.com/eko/gocache/lib/v4/store"
	ristrettostore "github.com/eko/gocache/store/ristretto/v4"
)

func moreLocalPeers() []Peer {
	return []Peer{{
		Name: "gocache", Tier: Local, Modules: []string{"github.com/eko/gocache/lib/v4", "github.com/eko/gocache/store/ristretto/v4"},
		Settings: "its ristretto store with a cost of 1 (README: NumCounters 10 times the entries, BufferItems 64), NewLoadable", Coalesces: true, Open: openGocache,
	}}
}

func openGocache(e Env) (*Cache, error) {
	engine, err := old.NewCache(&old.Config{
		NumCounters: 10 * int64(e.Capacity), MaxCost: int64(e.Capacity), BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, err
	}
	options := []store.Option{store.WithCost(1), store.WithExpiration(e.TTL)}
	simple := cache.New[Item](ristrettostore.NewRistretto(engine, options...))
	c := &Cache{
		Get: func(ctx context.Context, key string) (Item, error) {
			v, err := simple.Get(ctx, key)
			if err != nil && errors.Is(err, store.NotFound{}) {
				err = ErrMiss
			}
			return v, err
		},
		// A Set that the engine turns down is an error of the store, although a cache may.
		Set:    func(ctx context.Context, key string, v Item) error { _ = simple.Set(ctx, key, v); return nil },
		Delete: func(ctx context.Context, key string) error { return simple.Delete(ctx, key) },
		Settle: engine.Wait,
		Close:  engine.Close,
	}
	c.Many = each(c)
	if e.Load != nil {
		loadable := cache.NewLoadable(func(ctx context.Context, key any) (Item, []store.Option, error) {
			v, err := e.Load(ctx, key.(string))
			return v, options, err
		}, simple)
		c.Load = func(ctx context.Context, key string) (Item, error) { return loadable.Get(ctx, key) }
		c.Close = func() { _ = loadable.Close(); engine.Close() }
	}
	return c, nil
}
