package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/rpc"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// historyEnv holds the historyJob, in JSON, of a test binary that is to be a process
// of a fleet.
const historyEnv = "STRATA_INTEGRATION_HISTORY"

// A historyJob is what a process of a fleet is to do.
type historyJob struct {
	URL        string // of Redis
	Source     string // address
	Log        string // path
	Process    int
	Seed       uint64
	Keys       int
	Sets       bool // it is the one that Sets, keys that nobody else writes
	MaxUnheard time.Duration
	Mutant     string
	Broadcast  bool
}

// What the goroutines of a process do.
const (
	historyWorkers  = 3
	historyPatience = 5 * time.Second // of every operation

	perMilleWrites = 20
	perMilleFresh  = 40
	perMilleMany   = 20
	percentFailing = 1 // loads
)

// historySets reports whether key number i is one that is Set and not deleted.
func historySets(i int) bool { return i%4 == 3 }

func historyKey(i int) string { return fmt.Sprint("k", i) }

// A historyWorker is a process of a fleet.
type historyWorker struct {
	job     historyJob
	cache   *strata.Cache[string, Row]
	source  *rpc.Client
	log     *history.Log
	stopped atomic.Bool

	mu   sync.Mutex
	rand *rand.Rand // of loads
}

// historyMain is a process: it works until its standard input ends, and then prints
// what the cache counted.
func historyMain() {
	w := &historyWorker{}
	if err := w.run(); err != nil {
		fmt.Fprintf(os.Stderr, "process %d: %v\n", w.job.Process, err)
		os.Exit(1)
	}
}

func (w *historyWorker) run() (err error) {
	if err := json.Unmarshal([]byte(os.Getenv(historyEnv)), &w.job); err != nil {
		return err
	}
	switch w.job.Mutant {
	case "NoToken":
		mutant.NoToken.Store(true)
	case "NoPulse":
		mutant.NoPulse.Store(true)
	case "OldJoin":
		mutant.OldJoin.Store(true)
	case "NoGuard":
		mutant.NoGuard.Store(true)
		mutant.NoEpoch.Store(true)
	}
	w.rand = rand.New(rand.NewPCG(w.job.Seed, uint64(w.job.Process)<<32))
	if w.log, err = history.Create(w.job.Log); err != nil {
		return err
	}
	if w.source, err = rpc.Dial("tcp", w.job.Source); err != nil {
		return err
	}
	b, err := strata.Open(context.Background(), &strata.Config{RedisURL: w.job.URL, RedisOptional: true, MaxUnheard: w.job.MaxUnheard, Broadcast: w.job.Broadcast})
	if err != nil {
		return err
	}
	w.cache, err = strata.New(b, "rows", w.load, &strata.Options[string, Row]{TTL: 2 * time.Second, StaleFor: time.Second})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	var wg sync.WaitGroup
	for g := range historyWorkers {
		wg.Go(func() { w.work(g) })
	}
	wg.Go(func() { w.watchL1(historyWorkers) })
	io.Copy(io.Discard, os.Stdin) // until it ends
	w.stopped.Store(true)
	wg.Wait()
	counts := w.cache.Stats()
	return errors.Join(b.Close(), w.source.Close(), w.log.Close(), json.NewEncoder(os.Stdout).Encode(counts))
}

// load reads the source, sooner or later.
func (w *historyWorker) load(ctx context.Context, key string) (Row, error) {
	w.mu.Lock()
	before, after := w.pause(), w.pause()
	fails := w.rand.IntN(100) < percentFailing
	w.mu.Unlock()
	time.Sleep(before)
	row := Row{}
	call := w.source.Go("Source.Load", RowCall{Key: key, Process: w.job.Process}, &row, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
	case <-ctx.Done():
		return Row{}, ctx.Err()
	}
	time.Sleep(after)
	if fails {
		return Row{}, errors.New("the source fails")
	}
	return row, call.Error
}

// pause is how long a load sleeps before or after it reads: mostly not at all.
func (w *historyWorker) pause() time.Duration {
	if w.rand.IntN(3) > 0 {
		return 0
	}
	return time.Duration(w.rand.IntN(20)) * time.Millisecond
}

func (w *historyWorker) work(g int) {
	r := rand.New(rand.NewPCG(w.job.Seed, uint64(w.job.Process)<<32|uint64(g+1)))
	for !w.stopped.Load() {
		i := min(r.IntN(w.job.Keys), r.IntN(w.job.Keys)) // some much more often than others
		switch n := r.IntN(1000); {
		case n < perMilleWrites:
			if !historySets(i) || w.job.Sets && g == 0 {
				w.write(g, i)
			}
		case n < perMilleWrites+perMilleFresh:
			w.fresh(g, historyKey(i))
		case n < perMilleWrites+perMilleFresh+perMilleMany:
			w.many(g, historyKey(i), historyKey(r.IntN(w.job.Keys)), historyKey(r.IntN(w.job.Keys)))
		default:
			w.get(g, historyKey(i))
		}
		if r.IntN(4) == 0 {
			time.Sleep(time.Duration(r.IntN(1000)) * time.Microsecond)
		}
	}
}

// watchL1 looks at L1 alone, which never waits: whatever fails, somebody sees what
// it serves.
func (w *historyWorker) watchL1(g int) {
	r := rand.New(rand.NewPCG(w.job.Seed, uint64(w.job.Process)<<32|uint64(g+1)))
	for !w.stopped.Load() {
		for range 16 {
			o := w.begin(history.Get, g, historyKey(r.IntN(w.job.Keys)))
			if e, ok := w.cache.Tiers().Local(context.Background(), o.Key); ok {
				o.Tier = history.L1
				w.got(o, e.Value, nil)
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (w *historyWorker) begin(kind history.Kind, g int, key string) history.Op {
	return history.Op{Kind: kind, Tier: history.Any, Key: key, Process: w.job.Process, Goroutine: g, Call: history.Now()}
}

func (w *historyWorker) end(o history.Op, err error) {
	o.Return = history.Now()
	if err != nil {
		o.Err = err.Error()
	}
	w.log.Add(o)
}

// got ends a Get. A value that belongs to another key is a version that nobody made.
func (w *historyWorker) got(o history.Op, row Row, err error) {
	o.Version = row.Version
	if err == nil && row.Key != o.Key {
		o.Version = 1 << 60
	}
	w.end(o, err)
}

var historyTiers = map[layered.Tier]history.Tier{layered.L1: history.L1, layered.L2: history.L2, layered.Source: history.Source}

func (w *historyWorker) get(g int, key string) {
	ctx, cancel := context.WithTimeout(context.Background(), historyPatience)
	defer cancel()
	o := w.begin(history.Get, g, key)
	e, err := w.cache.GetEntry(ctx, key)
	o.Tier, o.Stale = historyTiers[e.Tier], e.Stale
	w.got(o, e.Value, err)
}

// entry is load for those who talk to the tiers.
func (w *historyWorker) entry(ctx context.Context, key string) (store.Entry[Row], error) {
	row, err := w.load(ctx, key)
	return w.cache.Tiers().NewEntry(row, 0), err
}

// fresh is a Get that does not take what L1 has for granted.
func (w *historyWorker) fresh(g int, key string) {
	ctx, cancel := context.WithTimeout(context.Background(), historyPatience)
	defer cancel()
	o := w.begin(history.Get, g, key)
	f, err := w.cache.Tiers().FindFresh(ctx, key, w.entry)
	o.Tier, o.Stale = history.Source, f.Stale // it has to be as good, whatever it says
	w.got(o, f.Value, err)
}

// many reads several keys at once, and is not told from where.
func (w *historyWorker) many(g int, keys ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), historyPatience)
	defer cancel()
	o := w.begin(history.Get, g, "")
	entries, err := w.cache.Tiers().GetManyOrLoad(ctx, keys, func(ctx context.Context, keys []string) (map[string]store.Entry[Row], error) {
		entries := map[string]store.Entry[Row]{}
		for _, key := range keys {
			e, err := w.entry(ctx, key)
			if err != nil {
				return entries, err
			}
			entries[key] = e
		}
		return entries, nil
	})
	for _, key := range keys {
		o.Key, o.Stale = key, false
		if e, ok := entries[key]; ok {
			o.Stale = e.Stale(store.Now())
			w.got(o, e.Value, nil)
		} else {
			w.end(o, errors.Join(err, errors.New("no answer")))
		}
	}
}

// write commits a version and tells the fleet. Keys that are Set have this goroutine
// as their only writer: of two Sets the one that comes to Redis last stands, which
// need not be that of the newer version.
func (w *historyWorker) write(g, i int) {
	ctx, cancel := context.WithTimeout(context.Background(), historyPatience)
	defer cancel()
	var row Row
	if err := w.source.Call("Source.Commit", RowCall{Key: historyKey(i), Process: w.job.Process, Goroutine: g}, &row); err != nil {
		return // it is being closed
	}
	kind := history.Delete
	if historySets(i) {
		kind = history.Set
	}
	o := w.begin(kind, g, historyKey(i))
	o.Version = row.Version
	if kind == history.Set {
		w.end(o, w.cache.Set(ctx, o.Key, row))
	} else {
		w.end(o, w.cache.Delete(ctx, o.Key))
	}
}
