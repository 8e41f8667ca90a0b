package ristrettostore_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/dgraph-io/ristretto/v2"
	"github.com/maypok86/otter/v2"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/ristrettostore"
)

type listing struct {
	ID    int64
	Title string
	Price int
}

// BenchmarkGet_hit reads 1,000 hot keys from this store and from both bare
// engines. Compare within one run.
func BenchmarkGet_hit(b *testing.B) {
	const hot = 1000
	ctx := context.Background()
	names := make([]string, hot)
	for i := range names {
		names[i] = "listing:" + strconv.Itoa(i)
	}

	budget, err := ristrettostore.NewBudget(64 << 20)
	if err != nil {
		b.Fatal(err)
	}
	defer budget.Close()
	ours := ristrettostore.New[*listing](budget, nil)
	bareOtter, err := otter.New(&otter.Options[string, *listing]{
		MaximumWeight: 64 << 20, Weigher: func(string, *listing) uint32 { return 200 },
	})
	if err != nil {
		b.Fatal(err)
	}
	bareRistretto, err := ristretto.NewCache(&ristretto.Config[string, *listing]{
		NumCounters: 655_360, MaxCost: 64 << 20, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer bareRistretto.Close()
	for i, name := range names {
		l := &listing{ID: int64(i)}
		if err := ours.Set(ctx, name, store.Entry[*listing]{Value: l, ExpiresAt: store.In(1 << 40)}); err != nil {
			b.Fatal(err)
		}
		bareOtter.Set(name, l)
		bareRistretto.Set(name, l, 200)
	}
	bareRistretto.Wait()

	for _, c := range []struct {
		name string
		get  func(key string) bool
	}{
		{"ristrettostore", func(key string) bool { _, err := ours.Get(ctx, key); return err == nil }},
		{"otter", func(key string) bool { _, ok := bareOtter.GetIfPresent(key); return ok }},
		{"ristretto", func(key string) bool { _, ok := bareRistretto.Get(key); return ok }},
	} {
		b.Run(c.name+"/serial", func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if !c.get(names[i%hot]) {
					b.Fatal("a miss")
				}
				i++
			}
		})
		b.Run(c.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if !c.get(names[i%hot]) {
						b.Error("a miss")
						return
					}
				}
			})
		})
	}
}
