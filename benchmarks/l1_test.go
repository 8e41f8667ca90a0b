package benchmarks_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/dgraph-io/ristretto/v2"
	"github.com/maypok86/otter/v2"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/ristrettostore"
)

const (
	// life is the TTL of our entries, which do not expire in a run. The entries of the bare
	// engines have no TTL to check.
	life = time.Hour

	// memory is the budget of each cache: many times the size of the hot keys.
	memory = 64 << 20

	// rawCost is what the bare engines count for an entry.
	rawCost = 1 << 10
)

var engines = []strata.Engine{strata.Otter, strata.Ristretto}

// BenchmarkL1Hit reads hot keys from memory, through more and more layers of Strata. The
// baseline is layer=raw: Get of the bare engine, without a TTL.
func BenchmarkL1Hit(b *testing.B) {
	for _, engine := range engines {
		benchL1Hit(b, engine, "struct", newListing)
		benchL1Hit(b, engine, "pointer", newPointer)
	}
}

func benchL1Hit[V any](b *testing.B, engine strata.Engine, value string, of func(int) V) {
	for _, layer := range l1Layers(b, engine, of) {
		name := "engine=" + engine.String() + "/value=" + value + "/layer=" + layer.name
		b.Run(name+"/mode=serial", func(b *testing.B) { benchSerial(b, layer) })
		b.Run(name+"/mode=parallel", func(b *testing.B) { benchParallel(b, layer) })
	}
}

// l1Layers returns contenders with all hot keys in memory. The first is the bare engine;
// "strata" has ids of type string, "strata-int64" has integers, which it converts to keys.
func l1Layers[V any](t testing.TB, engine strata.Engine, of func(int) V) []contender {
	t.Helper()
	byKey := func(_ context.Context, key string) (store.Entry[V], error) {
		return store.Entry[V]{Value: of(number[key])}, nil
	}
	st := openL1[V](t, engine)
	ls := openLayered(t, openL1[V](t, engine), nil)
	cs := openCache(t, engine, func(_ context.Context, key string) (V, error) { return of(number[key]), nil })
	ci := openCache(t, engine, func(_ context.Context, id int64) (V, error) { return of(int(id)), nil })
	for i, name := range names {
		fill(t, st.Set(ctx, name, store.Entry[V]{Value: of(i), ExpiresAt: store.In(life)}))
		_, err := ls.GetOrLoad(ctx, name, byKey)
		fill(t, err)
		_, err = cs.Get(ctx, name)
		fill(t, err)
		_, err = ci.Get(ctx, int64(i))
		fill(t, err)
	}
	layers := []contender{
		{"raw", rawEngine(t, engine, of)},
		{"store", func(i int) error { _, err := st.Get(ctx, names[i]); return err }},
		{"layered", func(i int) error { _, err := ls.GetOrLoad(ctx, names[i], nil); return err }},
		{"strata", func(i int) error { _, err := cs.Get(ctx, names[i]); return err }},
		{"strata-int64", func(i int) error { _, err := ci.Get(ctx, int64(i)); return err }},
	}
	for _, c := range layers {
		for i := range names {
			if err := c.do(i); err != nil {
				t.Fatalf("%v, %s: key %d: %v", engine, c.name, i, err)
			}
		}
	}
	return layers
}

func fill(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openL1 returns a store over engine, with a separate budget.
func openL1[V any](t testing.TB, engine strata.Engine) store.Store[V] {
	t.Helper()
	if engine == strata.Ristretto {
		budget, err := ristrettostore.NewBudget(memory)
		fill(t, err)
		t.Cleanup(budget.Close)
		return ristrettostore.New[V](budget, nil)
	}
	budget, err := otterstore.NewBudget(memory)
	fill(t, err)
	t.Cleanup(budget.Close)
	return otterstore.New[V](budget, nil)
}

// openCache returns a cache of L1 alone.
func openCache[K comparable, V any](t testing.TB, engine strata.Engine, load func(context.Context, K) (V, error)) *strata.Cache[K, V] {
	t.Helper()
	return openCacheOn(t, &strata.Config{Engine: engine, Memory: memory}, load)
}

func openCacheOn[K comparable, V any](t testing.TB, config *strata.Config, load func(context.Context, K) (V, error)) *strata.Cache[K, V] {
	t.Helper()
	backend, err := strata.Open(ctx, config)
	fill(t, err)
	t.Cleanup(func() { backend.Close() })
	cache, err := strata.New(backend, "listing", load, &strata.Options[K, V]{TTL: life})
	fill(t, err)
	return cache
}

// rawEngine returns Get of the bare engine with the hot keys.
func rawEngine[V any](t testing.TB, engine strata.Engine, of func(int) V) func(int) error {
	t.Helper()
	if engine == strata.Ristretto {
		cache := rawRistretto[V](t)
		for i, name := range names {
			cache.Set(name, of(i), rawCost)
			cache.Wait() // it drops Sets that arrive faster
		}
		return func(i int) error {
			if _, ok := cache.Get(names[i]); !ok {
				return errWrong
			}
			return nil
		}
	}
	cache := rawOtter[V](t)
	for i, name := range names {
		cache.Set(name, of(i))
	}
	return func(i int) error {
		if _, ok := cache.GetIfPresent(names[i]); !ok {
			return errWrong
		}
		return nil
	}
}

func rawRistretto[V any](t testing.TB) *ristretto.Cache[string, V] {
	t.Helper()
	cache, err := ristretto.NewCache(&ristretto.Config[string, V]{
		NumCounters: 10 * memory / rawCost, MaxCost: memory, BufferItems: 64, IgnoreInternalCost: true,
	})
	fill(t, err)
	t.Cleanup(cache.Close)
	return cache
}

func rawOtter[V any](t testing.TB) *otter.Cache[string, V] {
	t.Helper()
	cache, err := otter.New(&otter.Options[string, V]{
		MaximumWeight: memory, Weigher: func(string, V) uint32 { return rawCost },
	})
	fill(t, err)
	t.Cleanup(func() { cache.StopAllGoroutines() })
	return cache
}

// coldKey returns a new key.
func coldKey() string { return "cold:" + strconv.FormatInt(lastCold.Add(1), 10) }
