package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/adapter"
	"github.com/lokroom/strata/benchmarks/peers/report"
)

// errWrong reports a contender that returned a wrong value, so its time does not count.
var errWrong = errors.New("not the value that was asked for")

// A contender does one operation; i counts those of a goroutine, from another start in each.
type contender struct {
	peer string
	do   func(i int) error
}

// A plan says how contenders take turns.
type plan struct {
	callers int
	batch   int // operations between two looks at the clock
	rounds  int
	slice   time.Duration // of a turn
}

// inTurns lets contenders take turns, each round in another order, since times on a shared
// machine drift by more than what is to be shown. It returns the nanoseconds of wall time for
// an operation of each contender, by round. One turn before the first is not counted.
func inTurns(p plan, cs []contender) ([]report.Row, error) {
	rows := make([]report.Row, len(cs))
	runtime.GC()
	for k, c := range cs {
		rows[k].Peer = c.peer
		if _, err := one(p, p.slice/4, c.do); err != nil {
			return nil, fmt.Errorf("%s: %w", c.peer, err)
		}
	}
	for round := range p.rounds {
		for j := range cs {
			k := (round*5 + j) % len(cs)
			took, err := one(p, p.slice, cs[k].do)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", cs[k].peer, err)
			}
			rows[k].Values = append(rows[k].Values, took)
		}
	}
	return rows, nil
}

// one runs a turn.
func one(p plan, slice time.Duration, do func(i int) error) (float64, error) {
	var ops atomic.Int64
	var failure atomic.Pointer[error]
	var wg sync.WaitGroup
	start := time.Now()
	for g := range p.callers {
		first := g*7919 + rand.IntN(1<<16)
		wg.Go(func() {
			done := 0
			for ; time.Since(start) < slice && failure.Load() == nil; done += p.batch {
				for i := range p.batch {
					if err := do(first + done + i); err != nil {
						failure.Store(&err)
						return
					}
				}
			}
			ops.Add(int64(done))
		})
	}
	wg.Wait()
	took := time.Since(start)
	if err := failure.Load(); err != nil {
		return 0, *err
	}
	return float64(took) / float64(max(1, ops.Load())), nil
}

// Keys of the measurements, and orders to read them in.

const (
	hot  = 1000    // keys of most works
	many = 1 << 20 // keys of the works with many
)

var names = sync.OnceValue(func() []string {
	all := make([]string, many)
	for i := range all {
		all[i] = nameOf(i)
	}
	return all
})

func nameOf(i int) string { return "item:" + strconv.Itoa(i) }

func itemOf(i int) adapter.Item {
	return adapter.Item{ID: int64(i), Price: int64(i) * 100, Title: "Rooms with a view, no. " + strconv.Itoa(i)}
}

// zipf returns keys by Zipf's law with an exponent of 1.01, the same in every run.
func zipf(keys int) []uint32 {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.01, 1, uint64(keys-1))
	order := make([]uint32, 1<<18)
	for i := range order {
		order[i] = uint32(z.Uint64())
	}
	return order
}

// numbers maps hot keys to their numbers.
var numbers = sync.OnceValue(func() map[string]int {
	all := make(map[string]int, hot)
	for i := range hot {
		all[nameOf(i)] = i
	}
	return all
})

func check(v adapter.Item, err error, i int) error {
	if err == nil && v.ID != int64(i) {
		err = errWrong
	}
	return err
}
