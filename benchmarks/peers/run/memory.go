package main

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"strconv"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/adapter"
	"github.com/lokroom/strata/benchmarks/peers/report"
)

const (
	memoryEntries     = 1 << 18 // hash tables double at the same sizes
	collectionEntries = 5_000_000
	collectionCycles  = 3 // garbage collections, at least, in a measurement of their share
)

// memory measures what an entry takes, each peer in a process of its own.
func (r *run) memory() error {
	return r.children(report.Work{
		Name: "memory an entry", Group: "memory", Unit: "B",
		What: "Live bytes of the heap for each of 262,144 entries: a text key of 11 bytes, the item with a title of 29, a TTL, and all that a cache keeps beside.",
	}, "memory", min(3, r.rounds))
}

// collection measures the share of the processor that garbage collection takes.
func (r *run) collection() error {
	return r.children(report.Work{
		Name: "garbage collection, 5M entries", Group: "memory", Unit: "%",
		What: "Share of garbage collection in the CPU time of a process with 5,000,000 entries and 75 percent reads, 25 percent Sets, by a goroutine for each processor.",
	}, "collection", 1)
}

// children asks a new process of each peer with a cache in the process for a number.
func (r *run) children(w report.Work, what string, rounds int) error {
	if r.skips(w.Name) {
		return nil
	}
	r.log("%s", w.Name)
	for _, p := range adapter.Peers() {
		if p.Tier != adapter.Local {
			continue
		}
		row := report.Row{Peer: p.Name}
		for range rounds {
			v, err := number(what, p.Name)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", w.Name, p.Name, err)
			}
			row.Values = append(row.Values, v)
		}
		w.Rows = append(w.Rows, row)
	}
	r.add(w)
	return nil
}

func number(what string, args ...string) (v float64, err error) {
	p, err := start(what, args...)
	if err != nil {
		return 0, err
	}
	defer func() { _ = p.Stop() }()
	if err := p.Send("go"); err != nil {
		return 0, err
	}
	line, err := p.Line()
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(line, &v)
	return v, err
}

// live returns the bytes of live objects.
func live() float64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func childMemory(args []string) error {
	return asked(func(string) (string, error) {
		before := live()
		c, err := filled(args[0], memoryEntries)
		if err != nil {
			return "", err
		}
		bytes := (live() - before) / memoryEntries
		c.Close()
		return strconv.FormatFloat(bytes, 'f', 1, 64), nil
	})
}

// filled returns a cache with so many entries; keys and titles are its own.
func filled(peer string, n int) (*adapter.Cache, error) {
	p, err := adapter.Find(peer)
	if err != nil {
		return nil, err
	}
	c, err := p.Open(adapter.Env{Capacity: n + n/4, TTL: life})
	if err != nil {
		return nil, err
	}
	for i := range n {
		if err := c.Set(ctx, nameOf(i), itemOf(i)); err != nil {
			return nil, err
		}
		if c.Settle != nil && i%1000 == 999 {
			c.Settle()
		}
	}
	if c.Settle != nil {
		c.Settle()
	}
	return c, nil
}

func childCollection(args []string) error {
	return asked(func(string) (string, error) {
		c, err := filled(args[0], collectionEntries)
		if err != nil {
			return "", err
		}
		defer c.Close()
		runtime.GC()
		began, collected, total := cpuSeconds()
		cycles, moreCollected, moreTotal := began, collected, total
		for err == nil && cycles < began+collectionCycles {
			_, err = one(plan{callers: processors(), batch: 256}, 10*time.Second, func(i int) error {
				k := i * 7919 % collectionEntries
				if i%4 == 0 {
					return c.Set(ctx, nameOf(k), itemOf(k))
				}
				_, _ = c.Get(ctx, nameOf(k))
				return nil
			})
			cycles, moreCollected, moreTotal = cpuSeconds()
		}
		return strconv.FormatFloat(100*(moreCollected-collected)/(moreTotal-total), 'f', 2, 64), err
	})
}

// cpuSeconds returns the number of garbage collections, and up to the end of the last one the
// CPU time of collections and of everything but idling: the runtime adds it up there.
func cpuSeconds() (cycles uint64, collection, busy float64) {
	s := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(s)
	return s[3].Value.Uint64(), s[0].Value.Float64(), s[1].Value.Float64() - s[2].Value.Float64()
}
