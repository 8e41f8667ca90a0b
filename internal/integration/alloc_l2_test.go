//go:build !race

package integration_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// allocs returns the average number of allocations of f, in the round with the fewest:
// heartbeats and shared deadlines allocate too, more often on a busy machine.
func allocs(f func()) float64 {
	const rounds, runs = 10, 50
	least := math.Inf(1)
	for range rounds {
		least = min(least, testing.AllocsPerRun(1, func() {
			for range runs {
				f()
			}
		})/runs)
	}
	return least
}

// A hit in L2 allocates what GET of rueidis and the decoding do, and the Redis key, also where
// others may join: what they would share is used again.
func TestAlloc_hitInL2(t *testing.T) {
	ctx := context.Background() // a cancellable one has an additional deadline
	server := redistest.Start(t, nil)
	remote := redisstore.New(dial(t, server.Addr()), &redisstore.Options[[]byte]{Prefix: "p:", Codec: codec.Bytes()})
	s := tiers(t, nil, store.Store[[]byte](remote), nil) // tracked: a hit is one GET
	e := store.Entry[[]byte]{Value: make([]byte, 500), ExpiresAt: store.In(time.Hour)}
	if err := s.Set(ctx, "k", e); err != nil {
		t.Fatal(err)
	}
	raw, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, PipelineMultiplex: -1, DisableCache: true, AlwaysPipelining: true})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	m := codec.Bytes()
	base := allocs(func() {
		blob, _ := raw.Do(ctx, raw.B().Get().Key("p:k").Build()).AsBytes()
		m.Decode(blob)
	})
	for _, c := range []struct {
		name string
		more float64
		do   func() (store.Entry[[]byte], error)
	}{
		{"redisstore Get", 1, func() (store.Entry[[]byte], error) { return remote.Get(ctx, "k") }},
		{"layered Get", 1, func() (store.Entry[[]byte], error) { return s.Get(ctx, "k") }},
		{"layered GetOrLoad", 1, func() (store.Entry[[]byte], error) { return s.GetOrLoad(ctx, "k", nil) }},
	} {
		n := allocs(func() {
			if _, err := c.do(); err != nil {
				t.Error(err)
			}
		})
		t.Logf("%s allocates %v times, GET %v", c.name, n, base)
		if n > base+c.more+0.5 {
			t.Errorf("%s allocates %v times, GET and the decoding %v; want at most %v more", c.name, n, base, c.more)
		}
	}
}

// A miss in memory allocates little more than the engine needs to keep the value: the call that
// others may join, the channel that they wait for, and the work for the load.
func TestAlloc_miss(t *testing.T) {
	ctx := context.Background() // one that ends has an additional context of its values
	c, err := strata.Open(ctx, &strata.Config{Memory: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cache, err := strata.New(c, "x", func(_ context.Context, id int64) (int64, error) { return id, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	var id int64
	n := allocs(func() {
		id++
		if v, err := cache.Get(ctx, id); v != id || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
	})
	const most = 11
	t.Logf("a miss allocates %v times", n)
	if n > most+0.5 {
		t.Errorf("a miss allocates %v times, want at most %v", n, most)
	}
}

// A batch of hits in L2 allocates what the same batch does with a bare client, a few
// allocations for the batch, and none per key.
func TestAlloc_batchInL2(t *testing.T) {
	ctx := context.Background()
	server := redistest.Start(t, nil)
	remote := redisstore.New(dial(t, server.Addr()), &redisstore.Options[int]{Prefix: "p:"})
	s := tiers(t, nil, store.Store[int](remote), nil) // tracked: a hit is one GET
	c, err := strata.Open(ctx, &strata.Config{RedisURL: server.URL(), Memory: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cache, err := strata.New(c, "x", func(_ context.Context, key string) (int, error) { return len(key), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	of := func(n int, f func(ks []string) (int, error)) float64 {
		ks := numbers(n)
		get := func() {
			if got, err := f(ks); got != n || err != nil {
				t.Errorf("got %d, %v", got, err)
			}
		}
		get() // all are in Redis from here on
		return allocs(get)
	}
	load := func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
		m := map[string]store.Entry[int]{}
		for _, key := range ks {
			m[key] = store.Entry[int]{Value: 1}
		}
		return m, nil
	}
	for _, tc := range []struct {
		name string
		most float64 // beside those of the reply
		f    func(ks []string) (int, error)
	}{
		{"layered FindMany", 22, func(ks []string) (n int, err error) {
			s.FindMany(ctx, ks, layered.Source[int]{LoadMany: load}, func(_ int, f *layered.Found[int], ferr error) {
				n++
				err = errors.Join(err, ferr)
			})
			return n, err
		}},
		{"strata GetMany", 31, func(ks []string) (int, error) {
			m, err := cache.GetMany(ctx, ks)
			return len(m), err
		}},
	} {
		few, many := of(50, tc.f), of(100, tc.f)
		t.Logf("%s allocates %v times for 50 keys, %v for 100", tc.name, few, many)
		if more := (many - few) / 50; more > 1.2 { // the reply
			t.Errorf("%s allocates %v times for each key", tc.name, more)
		}
		if many > 100+tc.most {
			t.Errorf("%s allocates %v times for 100 keys, want at most %v", tc.name, many, 100+tc.most)
		}
	}
}
