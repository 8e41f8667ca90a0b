package adapter

import (
	"context"
	"errors"
	"net/url"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

// perEntry is more than any entry of the measurements takes in memory.
const perEntry = 1 << 10

func strataPeers() []Peer {
	const module = "github.com/lokroom/strata"
	of := func(name string, tier Tier, settings string, set func(*strata.Config)) Peer {
		return Peer{
			Name: name, Tier: tier, Modules: []string{module}, Settings: settings, Coalesces: true, OneLoader: tier != Local,
			Open: func(e Env) (*Cache, error) { return openStrata(e, tier, set) },
		}
	}
	return []Peer{
		of("strata", Both, "defaults: otter, per-key tracking", func(*strata.Config) {}),
		of("strata-broadcast", Both, "Tracking: Broadcast", func(c *strata.Config) { c.Tracking = strata.Broadcast }),
		of("strata-l1", Local, "defaults without Redis: otter", func(*strata.Config) {}),
		of("strata-l1-ristretto", Local, "Engine: Ristretto, without Redis", func(c *strata.Config) { c.Engine = strata.Ristretto }),
		of("strata-l2", Remote, "Memory: -1, so that every read is of Redis", func(c *strata.Config) { c.Memory = -1 }),
	}
}

func openStrata(e Env, tier Tier, set func(*strata.Config)) (*Cache, error) {
	conf := strata.Config{Prefix: e.Prefix, Memory: int64(max(e.Capacity, 1<<10)) * perEntry}
	if tier != Local {
		addrs := e.addrs()
		conf.RedisURL = "redis://" + addrs[0] + "?" + url.Values{"addr": addrs[1:]}.Encode()
	}
	set(&conf)
	backend, err := strata.Open(context.Background(), &conf)
	if err != nil {
		return nil, err
	}
	var load func(context.Context, string) (Item, error)
	if e.Load != nil {
		load = e.Load
	}
	cache, err := strata.New(backend, "item", load, &strata.Options[string, Item]{TTL: e.TTL})
	if err != nil {
		return nil, errors.Join(err, backend.Close())
	}
	c := &Cache{
		Get: func(ctx context.Context, key string) (Item, error) {
			v, err := cache.Get(ctx, key)
			if err != nil && errors.Is(err, store.ErrNotFound) {
				err = ErrMiss
			}
			return v, err
		},
		Set:    cache.Set,
		Many:   cache.GetMany,
		Delete: func(ctx context.Context, key string) error { return cache.Delete(ctx, key) },
		Close:  func() { _ = backend.Close() },

		DeleteEverywhere: func(ctx context.Context, key string) error { return cache.DeleteAndWait(ctx, key) },
	}
	if e.Load != nil {
		c.Load = cache.Get
	}
	return c, nil
}
