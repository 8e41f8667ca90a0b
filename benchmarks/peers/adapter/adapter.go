// Package adapter gives the caches and clients that Strata is compared with one shape. Each
// Peer is opened with the settings that its authors recommend, which Peer.Settings states, and
// is called through the API that its documentation shows.
package adapter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/codec"
)

// An Item is the value of all measurements: three fields, as a small row has.
type Item struct {
	ID    int64
	Price int64
	Title string
}

// ErrMiss is returned by Cache.Get for a key that is not in the cache.
var ErrMiss = errors.New("adapter: not in the cache")

// An Env is what a peer is opened with.
type Env struct {
	Addr     string        // of Redis; empty for peers without
	Addrs    []string      // of the nodes of a cluster, in place of Addr
	Prefix   string        // of every key in Redis
	Capacity int           // how many entries fit into the process
	TTL      time.Duration // of every entry

	// Load reads the source. With nil, the peer is opened without a loader, and Cache.Load
	// must not be called.
	Load func(ctx context.Context, key string) (Item, error)
}

// addrs returns the addresses of Redis.
func (e Env) addrs() []string {
	if len(e.Addrs) > 0 {
		return e.Addrs
	}
	return []string{e.Addr}
}

// A Cache is an open peer. Functions that a peer does not have are nil.
type Cache struct {
	// Get returns what is in the cache, or ErrMiss.
	Get func(ctx context.Context, key string) (Item, error)

	// Set writes, with Env.TTL.
	Set func(ctx context.Context, key string, v Item) error

	// Load returns what is in the cache, or calls Env.Load and keeps its result.
	Load func(ctx context.Context, key string) (Item, error)

	// Many returns those of keys that are in the cache.
	Many func(ctx context.Context, keys []string) (map[string]Item, error)

	// Delete removes a key from the cache.
	Delete func(ctx context.Context, key string) error

	// DeleteEverywhere removes a key, and returns when no process returns it any more.
	DeleteEverywhere func(ctx context.Context, key string) error

	// Settle waits until earlier writes can be read. It is nil if they can be at once.
	Settle func()

	Close func()
}

// A Tier says where a peer keeps entries.
type Tier string

// The tiers.
const (
	Local  Tier = "process"
	Remote Tier = "redis"
	Both   Tier = "process+redis"
)

// A Peer is one way to use one library.
type Peer struct {
	Name     string
	Tier     Tier
	Modules  []string // import paths of modules, for versions
	Settings string   // what is set, and where its authors say so

	// Coalesces reports whether concurrent calls of Load for one key in one process share
	// one call of Env.Load.
	Coalesces bool

	// OneLoader reports whether they do so across processes.
	OneLoader bool

	Open func(Env) (*Cache, error)
}

// Peers returns all peers, Strata's own first.
func Peers() []Peer {
	peers := append([]Peer{}, strataPeers()...)
	peers = append(peers, localPeers()...)
	peers = append(peers, moreLocalPeers()...)
	peers = append(peers, remotePeers()...)
	return append(peers, sharedPeers()...)
}

// Find returns the peer with a name.
func Find(name string) (Peer, error) {
	for _, p := range Peers() {
		if p.Name == name {
			return p, nil
		}
	}
	return Peer{}, fmt.Errorf("adapter: no peer is named %q", name)
}

// format is the encoding of clients that have none: Strata's default, so that all decode the
// same bytes with the same code.
var format = codec.Msgpack[Item]()

func encode(v Item) (string, error) {
	b, err := format.Append(nil, v)
	return string(b), err
}

// through returns a Load of a cache that has none: Get, Env.Load and Set.
func through(c *Cache, e Env) func(context.Context, string) (Item, error) {
	if e.Load == nil {
		return nil
	}
	return func(ctx context.Context, key string) (Item, error) {
		v, err := c.Get(ctx, key)
		if !errors.Is(err, ErrMiss) {
			return v, err
		}
		if v, err = e.Load(ctx, key); err != nil {
			return v, err
		}
		return v, c.Set(ctx, key, v)
	}
}

// each returns a Many of a cache that has none: one Get after the other.
func each(c *Cache) func(context.Context, []string) (map[string]Item, error) {
	return func(ctx context.Context, keys []string) (map[string]Item, error) {
		found := make(map[string]Item, len(keys))
		for _, key := range keys {
			v, err := c.Get(ctx, key)
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
}

// asGet turns the (value, ok) of libraries in a process into a Get.
func asGet(get func(string) (Item, bool)) func(context.Context, string) (Item, error) {
	return func(_ context.Context, key string) (Item, error) {
		v, ok := get(key)
		if !ok {
			return v, ErrMiss
		}
		return v, nil
	}
}
