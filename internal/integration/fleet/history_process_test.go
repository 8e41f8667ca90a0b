package fleet_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/rpc"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// historyEnv holds the historyJob, in JSON, for a test binary that runs as a process of a
// fleet.
const historyEnv = "STRATA_INTEGRATION_HISTORY"

// A historyJob is the task of a process of a fleet.
type historyJob struct {
	URL             string // of Redis
	Source          string // address
	Log             string // path
	Process         int
	Seed            uint64
	Keys            int  // per class
	Sets            bool // it is the process that Sets
	Clears          bool
	Lasting         bool // only invalidations and age end a copy in L1; other causes are rare
	TTL             time.Duration
	Patience        time.Duration // timeout of reads
	Pad             int           // additional bytes per row
	MaxDisconnected time.Duration
	Without         string // disabled fences, see package mutant
	Tracking        strata.Tracking
	Refreshes       bool // fresh values are refreshed
	Replicas        bool // values are read from replicas
	Roads           bool // the source has the address for each node of the cluster
	StaleFor        time.Duration
}

// Settings of the goroutines of a process.
const (
	historyWorkers  = 3
	historyPatience = 5 * time.Second        // of every operation
	historyHold     = 400 * time.Millisecond // of write intents and DeleteHolding
)

// A historyWorker is a process of a fleet.
type historyWorker struct {
	job     historyJob
	backend *strata.Backend
	cache   *strata.Cache[string, Row]
	source  *rpc.Client
	log     *history.Log
	stopped atomic.Bool
	work    sync.WaitGroup

	tagged, tokens, waits atomic.Int64 // see RowsSeen

	mu   sync.Mutex
	rand *rand.Rand // of loads
}

// historyMain runs a process. It works until its standard input ends or has the command to
// rest; on the command to sweep it reads every key. At the end it prints the counters of
// the cache.
func historyMain() {
	w := &historyWorker{}
	if err := w.run(); err != nil {
		fmt.Fprintf(os.Stderr, "process %d: %v\n", w.job.Process, err)
		os.Exit(1)
	}
}

func (w *historyWorker) run() (err error) {
	if err := w.open(); err != nil {
		return err
	}
	fmt.Println("ready")
	for g := range historyWorkers {
		w.work.Go(w.hand(g).work)
	}
	w.work.Go(w.hand(historyWorkers).watchL1)
	w.work.Go(w.hand(historyWorkers + 1).waitForAll)
	w.work.Go(w.tellSource)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		w.rest()
		if in.Text() == "sweep" {
			err = errors.Join(err, w.hand(0).sweep())
		}
		fmt.Println("done")
	}
	w.rest()
	w.settle()
	counts := w.cache.Stats()
	counts.RetryErr = nil // JSON has no errors
	return errors.Join(err, w.backend.Close(), w.source.Close(), w.log.Close(), json.NewEncoder(os.Stdout).Encode(counts))
}

// settle waits until Redis has received all changes: after a fault the circuit breaker may
// still be open, and Close, which tries once more, would then return an error.
func (w *historyWorker) settle() {
	for end := time.Now().Add(historyPatience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if h := w.backend.Health(); len(h.RetryQueues) == 0 && (h.Redis == nil || h.Redis.QueuedTags == 0) {
			return
		}
	}
}

// tellSource tells the source how far this process is, again and again.
func (w *historyWorker) tellSource() {
	for !w.stopped.Load() {
		c := w.cache.Stats()
		seen := RowsSeen{w.job.Process, c.L1Hits, c.L2Hits, w.tagged.Load(), w.tokens.Load(), w.waits.Load()}
		_ = w.source.Call("Source.See", seen, &struct{}{}) // fails only if the source is closed
		time.Sleep(50 * time.Millisecond)
	}
}

func (w *historyWorker) rest() {
	w.stopped.Store(true)
	w.work.Wait()
}

// open opens the objects of the process.
func (w *historyWorker) open() (err error) {
	if err := json.Unmarshal([]byte(os.Getenv(historyEnv)), &w.job); err != nil {
		return err
	}
	for fence := range strings.FieldsSeq(w.job.Without) {
		mutant.Switches[fence].Store(true)
	}
	w.rand = rand.New(rand.NewPCG(w.job.Seed, uint64(w.job.Process)<<32))
	if w.log, err = history.Create(w.job.Log); err != nil {
		return err
	}
	if w.source, err = rpc.Dial("tcp", w.job.Source); err != nil {
		return err
	}
	config := &strata.Config{RedisURL: w.job.URL, RedisOptional: true, MaxDisconnected: w.job.MaxDisconnected, Tracking: w.job.Tracking, ReadReplicas: w.job.Replicas}
	if isUntracked(w.job.Tracking) {
		config.MaxStale = w.job.MaxDisconnected
	}
	if w.job.Roads {
		if config, err = w.detour(); err != nil {
			return err
		}
	}
	if w.backend, err = strata.Open(context.Background(), config); err != nil {
		return err
	}
	o := &strata.Options[string, Row]{TTL: w.job.TTL, StaleFor: w.job.StaleFor, Tags: func(key string, _ Row) []string { return historyTags(key) }}
	if w.job.Refreshes {
		o.RefreshAhead, o.RefreshBeta = 0.1, 1
		o.Reload = w.reload
	}
	w.cache, err = strata.New(w.backend, "rows", w.load, o)
	return err
}

// detour connects to each node at the address from the source. The client lives as long as
// the process.
func (w *historyWorker) detour() (*strata.Config, error) {
	o, err := rueidis.ParseURL(w.job.URL)
	if err != nil {
		return nil, err
	}
	o.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		var road string
		if err := w.source.Call("Source.Road", addr, &road); err != nil {
			return nil, err
		}
		return d.DialContext(ctx, "tcp", road)
	}
	d := redisstore.Dialer{MaxDisconnected: w.job.MaxDisconnected}
	if w.job.Tracking == strata.Broadcast {
		d.Broadcast = []string{"strata:"}
	}
	client, err := d.Dial(o)
	return &strata.Config{Redis: client, MaxDisconnected: w.job.MaxDisconnected}, err
}

// load reads the source, with random delays.
func (w *historyWorker) load(ctx context.Context, key string) (row Row, err error) {
	o := history.Op{Kind: history.Load, Tier: history.Source, Key: key, Process: w.job.Process, Call: history.Now()}
	defer func() {
		o.Return, o.Version = history.Now(), row.Version
		if err != nil {
			o.Err = err.Error()
		}
		w.log.Add(o)
	}()
	w.mu.Lock()
	before, after := w.pause(), w.pause()
	w.mu.Unlock()
	time.Sleep(before)
	call := w.source.Go("Source.Load", RowCall{Key: key, Process: w.job.Process}, &Row{}, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
	case <-ctx.Done():
		return Row{}, ctx.Err()
	}
	time.Sleep(after)
	return w.padded(*call.Reply.(*Row)), call.Error
}

// reload is load that checks whether old is the newest row.
func (w *historyWorker) reload(ctx context.Context, key string, old store.Entry[Row]) (Row, error) {
	row, err := w.load(ctx, key)
	if err == nil && row.Version == old.Value.Version {
		err = store.ErrNotModified
	}
	return row, err
}

func (w *historyWorker) padded(row Row) Row {
	row.Pad = strings.Repeat("x", w.job.Pad)
	return row
}

// pause returns how long a load sleeps before or after it reads: usually 0.
func (w *historyWorker) pause() time.Duration {
	if w.rand.IntN(3) > 0 {
		return 0
	}
	return time.Duration(w.rand.IntN(20)) * time.Millisecond
}

// watchL1 reads L1 only, so that all its answers are observed under every fault.
func (h *historyHand) watchL1() {
	keys := historyKeys(h.job.Keys)
	for !h.stopped.Load() {
		for range 16 {
			h.local(keys[h.rand.IntN(len(keys))])
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// sweep reads every key, from L1 and strictly.
func (h *historyHand) sweep() error {
	for _, key := range historyKeys(h.job.Keys) {
		h.local(key)
		for try := 1; ; try++ { // the source fails sometimes
			err := h.findFresh(key)
			if err == nil {
				break
			}
			if try == 10 {
				return err
			}
		}
	}
	return nil
}
