package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/adapter"
	"github.com/lokroom/strata/benchmarks/peers/report"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/ristrettostore"
)

// A trace is a sequence of keys that are read, with room for some of them.
type trace struct {
	name, what string
	room       int
	keys       []uint64
}

const (
	ratioRoom  = 10_000
	ratioReads = 500_000
)

func traces() ([]trace, error) {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.01, 1, 1<<20)
	small := rand.NewZipf(rand.New(rand.NewPCG(5, 6)), 1.01, 1, 1<<16)
	r := rand.New(rand.NewPCG(3, 4))
	of := func(name, what string, next func(i int) uint64) trace {
		t := trace{name, what, ratioRoom, make([]uint64, ratioReads)}
		for i := range t.keys {
			t.keys[i] = next(i)
		}
		return t
	}
	all := []trace{
		of("Zipf", "1M keys by Zipf's law, room for 10,000.", func(int) uint64 { return z.Uint64() }),
		of("loop", "12,500 keys in a circle, room for 10,000.", func(i int) uint64 { return uint64(i % (ratioRoom * 5 / 4)) }),
		of("scan", "65,536 keys by Zipf's law; every other 20,000 reads are of keys read once. Room for 10,000.", func(i int) uint64 {
			if i/20_000%2 == 1 {
				return 1<<32 + uint64(i)
			}
			return small.Uint64()
		}),
		of("drift", "New keys are read for a while, and never again. Room for 10,000.", func(i int) uint64 {
			return 1<<32 + uint64(i/8) - uint64(r.ExpFloat64()*ratioRoom/4)
		}),
	}
	gli, err := gliTrace()
	return append(all, gli), err
}

// gliTrace reads the trace that the module of ristretto has.
func gliTrace() (trace, error) {
	t := trace{name: "gli", what: "The trace in the module of ristretto: 6,015 reads of 2,529 keys, room for 1,000.", room: 1000}
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/dgraph-io/ristretto/v2").Output()
	if err != nil {
		return t, fmt.Errorf("where is the module of ristretto: %w", err)
	}
	f, err := os.Open(filepath.Join(strings.TrimSpace(string(dir)), "sim/gli.lirs.gz"))
	if err != nil {
		return t, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return t, err
	}
	for lines := bufio.NewScanner(z); lines.Scan(); {
		var key uint64
		if _, err := fmt.Sscan(lines.Text(), &key); err == nil {
			t.keys = append(t.keys, key)
		}
	}
	return t, nil
}

// ratios replays traces through all peers with a cache in the process. A miss is followed by a
// Set, and by what makes it visible: some engines apply Sets later, and drop those that come
// faster than after loads.
func (r *run) ratios() error {
	if r.skips("hit ratio") {
		return nil
	}
	all, err := traces()
	if err != nil {
		return err
	}
	return r.replays(all)
}

func (r *run) replays(all []trace) error {
	for _, t := range all {
		r.log("hit ratio, %s", t.name)
		w := report.Work{Name: "hit ratio, " + t.name, Group: "ratio", What: t.what, Unit: "%", More: true}
		for _, p := range adapter.Peers() {
			if p.Tier != adapter.Local || p.Name == "gocache" { // whose engine is ristretto
				continue
			}
			ratio, err := replay(t, p)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", w.Name, p.Name, err)
			}
			w.Rows = append(w.Rows, report.Row{Peer: p.Name, Values: []float64{ratio}})
		}
		r.add(w)
	}
	return nil
}

func replay(t trace, p adapter.Peer) (float64, error) {
	get, set, stop, err := roomFor(t.room, p)
	if err != nil {
		return 0, err
	}
	defer stop()
	hits := 0
	for _, k := range t.keys {
		key := nameOf(int(k))
		switch err := get(key); {
		case err == nil:
			hits++
		case !errors.Is(err, adapter.ErrMiss):
			return 0, err
		default:
			if err := set(key); err != nil {
				return 0, err
			}
		}
	}
	return 100 * float64(hits) / float64(len(t.keys)), nil
}

// roomFor opens a peer with room for a number of entries. Strata's budget is in bytes, so its
// store gets equal costs.
func roomFor(n int, p adapter.Peer) (get, set func(key string) error, stop func(), err error) {
	if !strings.HasPrefix(p.Name, report.Ours) {
		c, err := p.Open(adapter.Env{Capacity: n, TTL: life})
		if err != nil {
			return nil, nil, nil, err
		}
		return func(key string) error { _, err := c.Get(ctx, key); return err },
			func(key string) error {
				err := c.Set(ctx, key, adapter.Item{})
				if c.Settle != nil {
					c.Settle()
				}
				return err
			}, c.Close, nil
	}
	const cost = 1 << 10
	fixed := func(string, *store.Entry[int]) int64 { return cost }
	var s store.Store[int]
	if p.Name == "strata-l1" {
		budget, failed := otterstore.NewBudget(int64(n) * cost)
		if failed != nil {
			return nil, nil, nil, failed
		}
		stop, s = budget.Close, otterstore.New(budget, &otterstore.Options[int]{Cost: fixed})
	} else {
		budget, failed := ristrettostore.NewBudgetFor(int64(n)*cost, int64(n))
		if failed != nil {
			return nil, nil, nil, failed
		}
		stop, s = budget.Close, ristrettostore.New(budget, &ristrettostore.Options[int]{Cost: fixed})
	}
	get = func(key string) error {
		if _, err := s.Get(ctx, key); errors.Is(err, store.ErrNotFound) {
			return adapter.ErrMiss
		} else if err != nil {
			return err
		}
		return nil
	}
	return get, func(key string) error {
		err := s.Set(ctx, key, store.Entry[int]{})
		for start := time.Now(); p.Name == "strata-l1-ristretto" && time.Since(start) < 20*time.Microsecond; {
			runtime.Gosched() // it has no call to wait
		}
		return err
	}, stop, nil
}
