package benchmarks_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// hot is the number of keys, which are read by Zipf's law.
const hot = 1000

var (
	names  = makeNames() // of the hot keys
	number = makeNumbers()
	order  = makeOrder()
)

// errWrong reports a contender that returned a wrong result, so its time does not count.
var errWrong = errors.New("missed, or not the value that was asked for")

// A contender is one implementation of an operation. do gets the number of a hot key.
type contender struct {
	name string
	do   func(key int) error
}

func makeNames() []string {
	names := make([]string, hot)
	for i := range names {
		names[i] = "listing:" + strconv.Itoa(i)
	}
	return names
}

func makeNumbers() map[string]int {
	number := make(map[string]int, hot)
	for i, name := range names {
		number[name] = i
	}
	return number
}

// makeOrder draws the keys to read beforehand. They are the same in every run.
func makeOrder() []uint16 {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.01, 1, hot-1)
	order := make([]uint16, 1<<14)
	for i := range order {
		order[i] = uint16(z.Uint64())
	}
	return order
}

// key returns the i-th key to read.
func key(i int) int { return int(order[i%len(order)]) }

// serially runs n operations one after the other, starting at a position in the order.
func serially(c contender, start, n int) error {
	for i := start; i < start+n; i++ {
		if err := c.do(key(i)); err != nil {
			return err
		}
	}
	return nil
}

// together runs n operations on several goroutines, each with its own order.
func together(c contender, callers, n int) error {
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for g := range callers {
		share := n/callers + btoi(g < n%callers)
		wg.Go(func() { errs[g] = serially(c, g*7919, share) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// benchSerial measures c on one goroutine.
func benchSerial(b *testing.B, c contender) {
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := c.do(key(i)); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// benchParallel measures c on all processors.
func benchParallel(b *testing.B, c contender) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(len(order)); pb.Next(); i++ {
			if err := c.do(key(i)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// benchCallers measures c on a fixed number of goroutines, which RunParallel cannot do.
func benchCallers(b *testing.B, c contender, callers int) {
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	if err := together(c, callers, b.N); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "ops/s")
}

// processors is the number of goroutines that keep the machine busy.
func processors() int { return runtime.GOMAXPROCS(0) }
