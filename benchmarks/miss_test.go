package benchmarks_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/maypok86/otter/v2"
	"github.com/redis/rueidis"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

var lastCold atomic.Int64

func load(context.Context, string) (listing, error) { return newListing(1), nil }

func loadEntry(context.Context, string) (store.Entry[listing], error) {
	return store.Entry[listing]{Value: newListing(1)}, nil
}

// BenchmarkMissAndLoad reads new keys from a source that answers at once: the rest is the
// time of the cache to look up, load and store. With tiers=L1 the baselines are the bare
// engine, with and without its loader. With tiers=L1+L2 it is GET and SET of a bare client.
func BenchmarkMissAndLoad(b *testing.B) {
	for _, c := range loadsL1(b) {
		b.Run("tiers=L1/callers=1/impl="+c.name, func(b *testing.B) { benchCallers(b, c, 1) })
	}
	impls := loadsL2(b)
	for _, callers := range []int{1, 64} {
		for _, c := range impls {
			b.Run(fmt.Sprintf("tiers=L1+L2/callers=%d/impl=%s", callers, c.name), func(b *testing.B) { benchCallers(b, c, callers) })
		}
	}
	fill(b, flush(b))
}

// BenchmarkMiss reads missing keys from Redis, without a loader.
func BenchmarkMiss(b *testing.B) {
	raw := dialRaw(b, false, false)
	remote := redisstore.New(dial(b), &redisstore.Options[listing]{Prefix: prefix()})
	both := openLayered(b, openL1[listing](b, strata.Otter), remote)
	missing := func(s store.Store[listing]) func(int) error {
		return func(int) error {
			if _, err := s.Get(ctx, coldKey()); !errors.Is(err, store.ErrNotFound) {
				return errWrong
			}
			return nil
		}
	}
	for _, callers := range []int{1, 64} {
		for _, c := range []contender{
			{"rueidis", func(int) error {
				if err := raw.Do(ctx, raw.B().Get().Key(coldKey()).Build()).Error(); !rueidis.IsRedisNil(err) {
					return errWrong
				}
				return nil
			}},
			{"redisstore", missing(remote)},
			{"layered", missing(both)},
		} {
			b.Run(fmt.Sprintf("callers=%d/impl=%s", callers, c.name), func(b *testing.B) { benchCallers(b, c, callers) })
		}
	}
}

// flush removes the cold keys from the server.
func flush(t testing.TB) error {
	_, err := server(t).Do("FLUSHALL")
	return err
}

func loadsL1(t testing.TB) []contender {
	t.Helper()
	bare, loading := rawOtter[listing](t), rawOtter[listing](t)
	ls := openLayered(t, openL1[listing](t, strata.Otter), nil)
	cache := openCache(t, strata.Otter, load)
	return []contender{
		{"otter", func(int) error {
			key := coldKey()
			if _, ok := bare.GetIfPresent(key); !ok {
				v, err := load(ctx, key)
				if err != nil {
					return err
				}
				bare.Set(key, v)
			}
			return nil
		}},
		{"otter-loader", func(int) error {
			_, err := loading.Get(ctx, coldKey(), otter.LoaderFunc[string, listing](load))
			return err
		}},
		{"layered", func(int) error { _, err := ls.GetOrLoad(ctx, coldKey(), loadEntry); return err }},
		{"strata", func(int) error { _, err := cache.Get(ctx, coldKey()); return err }},
	}
}

func loadsL2(t testing.TB) []contender {
	t.Helper()
	raw, local := dialRaw(t, false, false), rawOtter[listing](t)
	m := codec.Msgpack[listing]()
	at := prefix()
	remote := redisstore.New(dial(t), &redisstore.Options[listing]{Prefix: prefix()})
	both := openLayered(t, openL1[listing](t, strata.Otter), remote)
	cache := openCacheOn(t, &strata.Config{RedisURL: server(t).URL(), Memory: memory, Prefix: prefix()}, load)
	return []contender{
		{"otter+rueidis", func(int) error {
			key := at + coldKey()
			if _, ok := local.GetIfPresent(key); ok {
				return errWrong
			}
			if err := raw.Do(ctx, raw.B().Get().Key(key).Build()).Error(); !rueidis.IsRedisNil(err) {
				return errWrong
			}
			v, err := load(ctx, key)
			if err != nil {
				return err
			}
			blob, err := m.Append(nil, v)
			if err != nil {
				return err
			}
			local.Set(key, v)
			return raw.Do(ctx, raw.B().Set().Key(key).Value(rueidis.BinaryString(blob)).Px(life).Build()).Error()
		}},
		{"layered", func(int) error { _, err := both.GetOrLoad(ctx, coldKey(), loadEntry); return err }},
		{"strata", func(int) error { _, err := cache.Get(ctx, coldKey()); return err }},
	}
}
