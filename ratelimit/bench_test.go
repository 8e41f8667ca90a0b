package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lokroom/strata/ratelimit"
)

func BenchmarkLocal(b *testing.B) {
	for algorithm := ratelimit.GCRA; algorithm <= ratelimit.Concurrency; algorithm++ {
		for _, n := range []int{1, 10_000} {
			limit := 1_000_000
			if algorithm == ratelimit.Concurrency {
				limit = 100
			}
			l := local(b, ratelimit.Policy{Name: "p", Algorithm: algorithm, Limit: limit, Window: time.Second})
			ks := make([]string, n)
			for i := range ks {
				ks[i] = fmt.Sprint("user:", i)
				allowN(b, l, ks[i], 1)
			}
			b.Run(fmt.Sprintf("algorithm=%v/keys=%d/serial", algorithm, n), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					l.Allow(ctx, ks[i*7919%n])
				}
			})
			b.Run(fmt.Sprintf("algorithm=%v/keys=%d/parallel", algorithm, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for i := rand.IntN(n); pb.Next(); i += 7919 {
						l.Allow(ctx, ks[i%n])
					}
				})
			})
		}
	}
}
