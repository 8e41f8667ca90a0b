package main

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A sample has the durations of many reads in ascending order.
type sample []time.Duration

func (s sample) median() time.Duration { return s[len(s)/2] }
func (s sample) p99() time.Duration    { return s[len(s)*99/100] }

// measure calls read with 0 to n-1 from several goroutines that start together. It returns
// the duration of each call and the first error.
func measure(n, goroutines int, read func(i int) error) (sample, error) {
	took := make(sample, n)
	errs := make([]error, goroutines) // first error of each
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for g := range goroutines {
		wg.Go(func() {
			<-begin
			for i := g; i < n; i += goroutines {
				start := time.Now()
				err := read(i)
				took[i] = time.Since(start)
				if errs[g] == nil {
					errs[g] = err
				}
			}
		})
	}
	close(begin)
	wg.Wait()
	slices.Sort(took)
	return took, cmp.Or(errs...)
}

// popular returns n ids of listings, some much more frequent than others (Zipf's law, s =
// 1.01). They are the same in every run.
func popular(n int) []int64 {
	random := rand.New(rand.NewPCG(1, 2))
	byRank := random.Perm(listingCount)
	rank := rand.NewZipf(random, 1.01, 1, listingCount-1)
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = int64(byRank[rank.Uint64()]) + 1
	}
	return ids
}
