package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
)

// The cost of a hit in L1 without and with a refresh time, and during a refresh.
func BenchmarkL1Hit_refreshAhead(b *testing.B) {
	budget, err := otterstore.NewBudget(1 << 20)
	if err != nil {
		b.Fatal(err)
	}
	defer budget.Close()
	for _, bench := range []struct {
		name string
		o    layered.Options[int]
	}{
		{"without", layered.Options[int]{}},
		{"with", layered.Options[int]{RefreshAhead: 0.9}},
		{"while", layered.Options[int]{RefreshAhead: 1e-9, Jitter: -1, LoadTimeout: -1}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := tiers(b, otterstore.New[int](budget, nil), store.Store[int](nil), &bench.o)
			if _, err := s.Find(b.Context(), "k", layered.Source[int]{Load: now(1)}); err != nil {
				b.Fatal(err)
			}
			load := func(ctx context.Context, _ string) (store.Entry[int], error) {
				<-ctx.Done() // for as long as the benchmark runs
				return store.Entry[int]{}, ctx.Err()
			}
			for bench.name == "while" && s.Counts().Refreshes == 0 {
				s.GetOrLoad(b.Context(), "k", load) // the first one starts it
				time.Sleep(time.Millisecond)
			}
			b.ReportAllocs()
			for b.Loop() {
				if e, err := s.GetOrLoad(b.Context(), "k", load); err != nil || e.Value != 1 {
					b.Fatal("missed")
				}
			}
			if n := s.Counts().Refreshes; (n == 1) != (bench.name == "while") {
				b.Fatalf("%d refreshes", n)
			}
		})
	}
}
