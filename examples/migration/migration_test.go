package migration

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	engine "github.com/dgraph-io/ristretto"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/go-redis/cache/v9"
	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/redis/go-redis/v9"
)

type repo map[int64]Listing

func (r repo) Listing(_ context.Context, id int64) (Listing, error) { return r[id], nil }

func (r repo) Save(_ context.Context, l Listing) error {
	r[l.ID] = l
	return nil
}

// A counted repo counts loads.
type counted struct {
	repo
	loads atomic.Uint64
}

func (c *counted) Listing(ctx context.Context, id int64) (Listing, error) {
	c.loads.Add(1)
	return c.repo.Listing(ctx, id)
}

// Each of them reads, changes and reads a listing on a real server.
func TestAll(t *testing.T) {
	server := redistest.Start(t, nil)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 3, ClientSideCacheConfig: &redis.ClientSideCacheConfig{}})
	defer rdb.Close()
	local, err := ristretto.NewCache(&ristretto.Config[int64, Listing]{NumCounters: 1000, MaxCost: 1 << 20, BufferItems: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	e, err := engine.NewCache(&engine.Config{NumCounters: 1000, MaxCost: 100, BufferItems: 64, Metrics: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	loaded := &counted{repo: repo{}}
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: "redis://" + server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	after := repo{}
	s, err := NewStrata(b, after)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Repo{
		"go-redis/cache": &GoRedisCache{cache.New(&cache.Options{Redis: rdb, LocalCache: cache.NewTinyLFU(1000, time.Minute)}), repo{}},
		"ristretto":      &Ristretto{local, repo{}},
		"gocache":        NewGocache(e, loaded),
		"client-side":    &ClientSide{rdb, repo{}},
		"strata":         s,
	} {
		if name != "strata" {
			if _, err := rdb.FlushDB(t.Context()).Result(); err != nil {
				t.Fatal(err)
			}
		}
		for _, title := range []string{"Loft", "Boat"} {
			if err := c.Save(t.Context(), Listing{7, title}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			right := func() bool {
				l, err := c.Listing(t.Context(), 7)
				return err == nil && l.Title == title
			}
			if name == "client-side" { // its own Del may be followed by reads of the old value
				redistest.WaitFor(t, "the push of the change", right)
			}
			for range 3 {
				if !right() {
					t.Errorf("%s does not return %s", name, title)
				}
			}
			if name == "gocache" { // a change now would be lost
				redistest.WaitFor(t, "all loads to be cached", func() bool {
					e.Wait()
					return e.Metrics.KeysAdded()+e.Metrics.KeysUpdated() == loaded.loads.Load()
				})
			}
		}
	}
}
