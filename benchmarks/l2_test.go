package benchmarks_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

var callerCounts = []int{1, 64, 256}

// BenchmarkL2Hit reads hot keys from Redis, without an L1, so that every read is an
// exchange. The baseline is impl=rueidis: GET through a bare client with one connection,
// and the same decoding of the same bytes.
//
// gets/op is the number of GETs that Redis received per read. Concurrent callers of
// impl=strata for the same key share one.
func BenchmarkL2Hit(b *testing.B) {
	benchL2Hit(b, "reflection", newListing, idOf)
	benchL2Hit(b, "generated", newGenerated, idOfGenerated)
}

// BenchmarkL2HitInRequest is BenchmarkL2Hit with contexts that may be cancelled.
func BenchmarkL2HitInRequest(b *testing.B) {
	for _, impl := range inRequest(b) {
		b.Run("callers=64/decoding=reflection/impl="+impl.name, func(b *testing.B) { benchCallers(b, impl, 64) })
	}
}

func benchL2Hit[V any](b *testing.B, decoding string, of func(int) V, id func(V) int64) {
	impls := l2Impls(b, of, id)
	for _, callers := range callerCounts {
		for _, impl := range impls {
			b.Run(fmt.Sprintf("callers=%d/decoding=%s/impl=%s", callers, decoding, impl.name), func(b *testing.B) {
				before := reads(b)
				benchCallers(b, impl, callers)
				b.StopTimer()
				b.ReportMetric(float64(reads(b)-before)/float64(b.N), "gets/op")
			})
		}
	}
}

// l2Impls returns contenders with the hot keys in Redis. Between the baseline and our store
// are some that show the cost or gain of single parts. They are a tracked connection, one
// that batches like ours, and PTTL beside the GET. A hit needs PTTL if no heartbeat
// provides the time of the server, as for impl=redisstore-alone. impl=layered runs the
// heartbeat for impl=redisstore. impl=strata-notracking reads what impl=strata has written,
// with strata.NoTracking.
func l2Impls[V any](t testing.TB, of func(int) V, id func(V) int64) []contender {
	t.Helper()
	at := prefix()
	remote := redisstore.New(dial(t), &redisstore.Options[V]{Prefix: at})
	full, head := fillRemote(t, remote, at, of)
	alone := redisstore.New(dial(t), &redisstore.Options[V]{Prefix: at})
	bare := openLayered(t, nil, remote)
	conf := strata.Config{RedisURL: server(t).URL(), Memory: -1, Prefix: prefix()}
	cache := openCacheOn[string, V](t, &conf, nil)
	for i, name := range names {
		fill(t, cache.Set(ctx, name, of(i)))
	}
	conf.Tracking = strata.NoTracking
	untracked := openCacheOn[string, V](t, &conf, nil)

	m := codec.Msgpack[V]()
	decode := func(i int, r rueidis.RedisResult) error {
		blob, err := r.AsBytes()
		if err != nil {
			return err
		}
		v, err := m.Decode(blob[head:])
		return check(v, err, i, id)
	}
	get := func(c rueidis.Client) func(int) error {
		return func(i int) error { return decode(i, c.Do(ctx, c.B().Get().Key(full[i]).Build())) }
	}
	plain, tracked := dialRaw(t, false, false), dialRaw(t, true, false)
	return []contender{
		{"rueidis", get(plain)},
		{"rueidis-tracked", get(tracked)},
		{"rueidis-batching", get(dialRaw(t, true, true))},
		{"rueidis-pair", func(i int) error {
			b := tracked.B()
			r := tracked.DoMulti(ctx, b.Pttl().Key(full[i]).Build(), b.Get().Key(full[i]).Build())
			if _, err := r[0].AsInt64(); err != nil {
				return err
			}
			return decode(i, r[1])
		}},
		{"redisstore-alone", func(i int) error {
			e, err := alone.Get(ctx, names[i])
			return check(e.Value, err, i, id)
		}},
		{"redisstore", func(i int) error {
			e, err := remote.Get(ctx, names[i])
			return check(e.Value, err, i, id)
		}},
		{"layered", func(i int) error {
			e, err := bare.Get(ctx, names[i])
			return check(e.Value, err, i, id)
		}},
		{"strata", func(i int) error {
			v, err := cache.Get(ctx, names[i])
			return check(v, err, i, id)
		}},
		{"strata-notracking", func(i int) error {
			v, err := untracked.Get(ctx, names[i])
			return check(v, err, i, id)
		}},
	}
}

// inRequest returns the baseline and our store, called with a cancellable context, like
// that of a request. Ours bounds it, which takes a timer.
func inRequest(t testing.TB) []contender {
	t.Helper()
	request, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	at := prefix()
	remote := redisstore.New(dial(t), &redisstore.Options[listing]{Prefix: at})
	full, head := fillRemote(t, remote, at, newListing)
	cache := openCacheOn[string, listing](t, &strata.Config{RedisURL: server(t).URL(), Memory: -1, Prefix: prefix()}, nil)
	for i, name := range names {
		fill(t, cache.Set(ctx, name, newListing(i)))
	}
	m, plain := codec.Msgpack[listing](), dialRaw(t, false, false)
	return []contender{
		{"rueidis", func(i int) error {
			blob, err := plain.Do(request, plain.B().Get().Key(full[i]).Build()).AsBytes()
			if err != nil {
				return err
			}
			v, err := m.Decode(blob[head:])
			return check(v, err, i, idOf)
		}},
		{"redisstore", func(i int) error {
			e, err := remote.Get(request, names[i])
			return check(e.Value, err, i, idOf)
		}},
		{"strata", func(i int) error {
			v, err := cache.Get(request, names[i])
			return check(v, err, i, idOf)
		}},
	}
}

// fillRemote writes the hot keys to Redis. It returns their keys there, and the number of
// bytes in a record before the encoded value.
func fillRemote[V any](t testing.TB, remote *redisstore.Store[V], prefix string, of func(int) V) (full []string, head int) {
	t.Helper()
	for i, name := range names {
		fill(t, remote.Set(ctx, name, store.Entry[V]{Value: of(i), ExpiresAt: store.In(life), LoadedAt: store.Now()}))
		full = append(full, prefix+name)
	}
	e, err := remote.Get(ctx, names[0])
	fill(t, err)
	size, err := server(t).Do("STRLEN", full[0])
	fill(t, err)
	return full, int(size.(int64)) - e.Size
}

func check[V any](v V, err error, i int, id func(V) int64) error {
	if err == nil && id(v) != int64(i) {
		err = errWrong
	}
	return err
}
