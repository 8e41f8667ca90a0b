package benchmarks_test

import (
	"context"
	"slices"
	"testing"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// batch is the number of keys in a batch.
const batch = 100

// keysOf returns the keys of the batch that begins at key i.
func keysOf(i int) []string {
	i = i / batch * batch
	return names[i : i+batch]
}

// BenchmarkBatch reads 100 hot keys in one call, into a map or, from stores, in the order of the
// keys. With tier=L2 the baseline is a
// bare client: 100 pipelined GETs and the same decoding of the same bytes. Beside it are
// MGET, and the same on a connection that receives invalidations, which L1 requires. With
// tier=L1 the baseline is 100 Gets of the bare engine.
func BenchmarkBatch(b *testing.B) {
	for _, c := range batchL1(b) {
		b.Run("tier=L1/impl="+c.name, func(b *testing.B) { benchSerial(b, c) })
	}
	for _, c := range batchL2(b) {
		b.Run("tier=L2/impl="+c.name, func(b *testing.B) { benchSerial(b, c) })
	}
}

func batchL1(t testing.TB) []contender {
	t.Helper()
	raw := rawOtter[listing](t)
	st := openL1[listing](t, strata.Otter)
	ls := openLayered(t, openL1[listing](t, strata.Otter), nil)
	cache := openCache(t, strata.Otter, func(_ context.Context, key string) (listing, error) { return newListing(number[key]), nil })
	for i, name := range names {
		e := store.Entry[listing]{Value: newListing(i), ExpiresAt: store.In(life)}
		raw.Set(name, e.Value)
		fill(t, st.Set(ctx, name, e))
		fill(t, ls.Set(ctx, name, e))
		_, err := cache.Get(ctx, name)
		fill(t, err)
	}
	return []contender{
		{"otter", func(i int) error {
			found := make(map[string]listing, batch)
			for _, key := range keysOf(i) {
				if v, ok := raw.GetIfPresent(key); ok {
					found[key] = v
				}
			}
			return all(found, nil)
		}},
		{"otterstore", func(i int) error { return each(store.GetMany(ctx, st, keysOf(i))) }},
		{"layered", func(i int) error { return each(store.GetMany(ctx, ls, keysOf(i))) }},
		{"strata", func(i int) error { return all(cache.GetMany(ctx, keysOf(i))) }},
	}
}

// all checks that a batch is complete.
func all[V any](found map[string]V, err error) error {
	if err == nil && len(found) != batch {
		err = errWrong
	}
	return err
}

// each checks that a batch is complete.
func each(found []*store.Entry[listing], err error) error {
	if err == nil && (len(found) != batch || slices.Contains(found, nil)) {
		err = errWrong
	}
	return err
}

func batchL2(t testing.TB) []contender {
	t.Helper()
	at := prefix()
	remote := redisstore.New(dial(t), &redisstore.Options[listing]{Prefix: at})
	_, head := fillRemote(t, remote, at, newListing)
	ls := openLayered(t, nil, remote)
	cache := openCacheOn[string, listing](t, &strata.Config{RedisURL: server(t).URL(), Memory: -1, Prefix: prefix()}, nil)
	for i, name := range names {
		fill(t, cache.Set(ctx, name, newListing(i)))
	}
	raw := &rawBatch{dialRaw(t, false, false), at, head, codec.Msgpack[listing]()}
	tracked := &rawBatch{dialRaw(t, true, false), at, head, codec.Msgpack[listing]()}
	return []contender{
		{"rueidis-domulti", func(i int) error { return all(raw.domulti(keysOf(i))) }},
		{"rueidis-mget", func(i int) error { return all(raw.mget(keysOf(i))) }},
		{"rueidis-tracked", func(i int) error { return all(tracked.domulti(keysOf(i))) }},
		{"redisstore", func(i int) error { return each(store.GetMany(ctx, remote, keysOf(i))) }},
		{"layered", func(i int) error { return each(store.GetMany(ctx, ls, keysOf(i))) }},
		{"strata", func(i int) error { return all(cache.GetMany(ctx, keysOf(i))) }},
	}
}

// A rawBatch reads batches with a bare client.
type rawBatch struct {
	client rueidis.Client
	prefix string
	head   int
	codec  codec.Codec[listing]
}

func (r *rawBatch) full(keys []string) []string {
	full := make([]string, len(keys))
	for i, key := range keys {
		full[i] = r.prefix + key
	}
	return full
}

func (r *rawBatch) mget(keys []string) (map[string]listing, error) {
	replies, err := r.client.Do(ctx, r.client.B().Mget().Key(r.full(keys)...).Build()).ToArray()
	if err != nil {
		return nil, err
	}
	found := make(map[string]listing, len(keys))
	for i, reply := range replies {
		blob, err := reply.AsBytes()
		if err != nil {
			return nil, err
		}
		if found[keys[i]], err = r.codec.Decode(blob[r.head:]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (r *rawBatch) domulti(keys []string) (map[string]listing, error) {
	cmds := make([]rueidis.Completed, len(keys))
	for i, key := range r.full(keys) {
		cmds[i] = r.client.B().Get().Key(key).Build()
	}
	found := make(map[string]listing, len(keys))
	for i, reply := range r.client.DoMulti(ctx, cmds...) {
		blob, err := reply.AsBytes()
		if err != nil {
			return nil, err
		}
		if found[keys[i]], err = r.codec.Decode(blob[r.head:]); err != nil {
			return nil, err
		}
	}
	return found, nil
}
