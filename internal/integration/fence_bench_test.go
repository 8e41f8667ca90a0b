package integration_test

import (
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/redisstore"
)

// What a hit in L1 costs without an L2, and with all the fences of one.
func BenchmarkL1Hit_fences(b *testing.B) {
	budget, err := otterstore.NewBudget(1 << 20)
	if err != nil {
		b.Fatal(err)
	}
	defer budget.Close()
	run := func(name string, s *layered.Store[int]) {
		b.Run(name, func(b *testing.B) {
			if _, err := s.Find(b.Context(), "k", now(1)); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if e, ok := s.Local(b.Context(), "k"); !ok || e.Value != 1 {
					b.Fatal("missed")
				}
			}
		})
	}
	run("without", tiers(b, otterstore.New[int](budget, nil), store.Store[int](nil), nil))
	server := redistest.Start(b, nil)
	remote := redisstore.New(dial(b, server.Addr()), &redisstore.Options[int]{Prefix: "f:"})
	run("with", tiers(b, otterstore.New[int](budget, nil), store.Store[int](remote), nil))
}
