package ristrettostore_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/ristrettostore"
)

type listing struct {
	ID    int64
	Title string
	Price int
}

// BenchmarkGet_hit reads 1,000 hot keys from this store and from the bare
// engine. Compare within one run.
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
	bare, err := ristretto.NewCache(&ristretto.Config[string, *listing]{
		NumCounters: 655_360, MaxCost: 64 << 20, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	for i, name := range names {
		l := &listing{ID: int64(i)}
		if err := ours.Set(ctx, name, store.Entry[*listing]{Value: l, ExpiresAt: store.In(1 << 40)}); err != nil {
			b.Fatal(err)
		}
		bare.Set(name, l, 200)
	}
	bare.Wait()

	for _, c := range []struct {
		name string
		get  func(key string) bool
	}{
		{"ristrettostore", func(key string) bool { _, err := ours.Get(ctx, key); return err == nil }},
		{"ristretto", func(key string) bool { _, ok := bare.Get(key); return ok }},
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

// BenchmarkSet replaces entries of 1,000 keys, and sets new ones in a budget
// that is full.
func BenchmarkSet(b *testing.B) {
	for _, c := range []struct {
		name  string
		bytes int64
		keys  int
	}{{"replace", 64 << 20, 1000}, {"new", 1 << 20, 1 << 20}} {
		b.Run(c.name, func(b *testing.B) {
			s := ristrettostore.New[*listing](open(b, c.bytes), nil)
			names := make([]string, c.keys)
			for i := range names {
				names[i] = "listing:" + strconv.Itoa(i)
			}
			e := store.Entry[*listing]{Value: &listing{Title: "a house by the sea"}}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := s.Set(ctx, names[i%c.keys], e); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
