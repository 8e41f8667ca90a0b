package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/adapter"
)

// A contender reads and writes versions by the documented API of a library.
type contender struct {
	name string
	peer string // its adapter; empty for the two of the tests

	// aside is set for caches of another source: a write changes the source and then
	// invalidates the key. Otherwise Redis itself is the source, and a write is a SET.
	aside bool

	wait bool // the invalidation returns when no process has the old value

	single bool // documented for one server, not for a cluster

	how string
}

func contenders() []contender {
	return []contender{
		{name: "strata", peer: "strata", aside: true, how: "Get with a loader; write the source, then Delete. Per-key tracking."},
		{name: "strata, DeleteAndWait", peer: "strata", aside: true, wait: true, how: "The same with DeleteAndWait, which returns when no process can return the old value."},
		{name: "strata, broadcast", peer: "strata-broadcast", aside: true, how: "Get with a loader; write the source, then Delete. Tracking: Broadcast."},
		{name: "rueidisaside", peer: "rueidisaside", aside: true, how: "Get with a function that loads; write the source, then Del."},
		{name: "rueidis DoCache", peer: "rueidis-docache", how: "Redis is the source: DoCache of GET, and SET."},
		{name: "go-redis, client-side cache", peer: "go-redis-csc", single: true, how: "Redis is the source: GET with ClientSideCacheConfig, and SET. Documented as eventually consistent, not monotonic, and for one server."},
	}
}

func find(name string) (contender, error) {
	for _, c := range append(contenders(), contender{name: "none", aside: true}, contender{name: "frozen", aside: true}) {
		if c.name == name {
			return c, nil
		}
	}
	return contender{}, fmt.Errorf("no contender is named %q", name)
}

// access is an open contender.
type access struct {
	read  func(ctx context.Context, key int) (uint64, error)
	write func(ctx context.Context, key int, version uint64) error
	close func()
}

// loadTime is how long a load of a cache with another source takes after it has read the row.
const loadTime = time.Millisecond

// open connects a contender to Redis.
func (c contender) open(addrs []string, reg *register) (access, error) {
	switch c.name {
	case "none": // reads the source itself: nothing is stale
		return ofSource(reg, func(key int) uint64 { return reg.source(key).Load() }), nil
	case "frozen": // keeps the first version for ever
		return ofSource(reg, func(int) uint64 { return 0 }), nil
	}
	p, err := adapter.Find(c.peer)
	if err != nil {
		return access{}, err
	}
	e := adapter.Env{Addr: addrs[0], Addrs: addrs, Prefix: "coherence:", Capacity: 10 * keys, TTL: 10 * time.Minute}
	if c.aside {
		e.Load = func(_ context.Context, key string) (adapter.Item, error) {
			k, err := strconv.Atoi(key)
			if err != nil {
				return adapter.Item{}, err
			}
			v := reg.source(k).Load()
			time.Sleep(loadTime)
			return adapter.Item{ID: int64(v)}, nil
		}
	}
	cache, err := p.Open(e)
	if err != nil {
		return access{}, err
	}
	get, del := cache.Get, cache.Delete
	if c.aside {
		get = cache.Load
	}
	if c.wait {
		del = cache.DeleteEverywhere
	}
	a := access{close: cache.Close, read: func(ctx context.Context, key int) (uint64, error) {
		v, err := get(ctx, names[key])
		return uint64(v.ID), err
	}}
	if a.write = func(ctx context.Context, key int, v uint64) error {
		return cache.Set(ctx, names[key], adapter.Item{ID: int64(v)})
	}; c.aside {
		a.write = func(ctx context.Context, key int, v uint64) error {
			reg.source(key).Store(v)
			return del(ctx, names[key])
		}
	}
	return a, nil
}

func ofSource(reg *register, read func(key int) uint64) access {
	return access{
		read:  func(_ context.Context, key int) (uint64, error) { return read(key), nil },
		write: func(_ context.Context, key int, v uint64) error { reg.source(key).Store(v); return nil },
		close: func() {},
	}
}

var names = func() []string {
	all := make([]string, keys)
	for i := range all {
		all[i] = strconv.Itoa(i)
	}
	return slices.Clip(all)
}()
