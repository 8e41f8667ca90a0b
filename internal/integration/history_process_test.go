package integration_test

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
	Keys       int  // of each class
	Sets       bool // it is the one that Sets
	Clears     bool
	Lasting    bool // nothing but an invalidation or its age is to end a copy in L1: what else does is rare
	TTL        time.Duration
	Patience   time.Duration // of reads
	Pad        int           // how many bytes more each row has
	MaxUnheard time.Duration
	Without    string // these fences, see package mutant
	Tracking   strata.Tracking
	Refreshes  bool // values are loaded anew while they stand
	Roads      bool // each node of the cluster is reached by the way that the source names
	StaleFor   time.Duration
}

// What the goroutines of a process do.
const (
	historyWorkers  = 3
	historyPatience = 5 * time.Second        // of every operation
	historyHold     = 400 * time.Millisecond // of brackets and DeleteHolding
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

	mu   sync.Mutex
	rand *rand.Rand // of loads
}

// historyMain is a process. It works until it is told on its standard input to rest,
// or that ends; told to sweep, it reads every key. In the end it prints what the
// cache counted.
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
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		w.rest()
		if in.Text() == "sweep" {
			err = errors.Join(err, w.hand(0).sweep())
		}
		fmt.Println("done")
	}
	w.rest()
	counts := w.cache.Stats()
	counts.PendingErr = nil // JSON has no errors
	return errors.Join(err, w.backend.Close(), w.source.Close(), w.log.Close(), json.NewEncoder(os.Stdout).Encode(counts))
}

func (w *historyWorker) rest() {
	w.stopped.Store(true)
	w.work.Wait()
}

// open opens what the process works with.
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
	config := &strata.Config{RedisURL: w.job.URL, RedisOptional: true, MaxUnheard: w.job.MaxUnheard, Tracking: w.job.Tracking}
	if isUntracked(w.job.Tracking) {
		config.MaxStale = w.job.MaxUnheard
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

// detour connects to each node by the way that the source names. The client lives as
// long as the process.
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
	d := redisstore.Dialer{MaxUnheard: w.job.MaxUnheard}
	if w.job.Tracking == strata.Broadcast {
		d.Broadcast = []string{"strata:"}
	}
	client, err := d.Dial(o)
	return &strata.Config{Redis: client, MaxUnheard: w.job.MaxUnheard}, err
}

// load reads the source, sooner or later.
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

// reload is load that looks whether old is the newest row.
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

// pause is how long a load sleeps before or after it reads: mostly not at all.
func (w *historyWorker) pause() time.Duration {
	if w.rand.IntN(3) > 0 {
		return 0
	}
	return time.Duration(w.rand.IntN(20)) * time.Millisecond
}

// watchL1 looks at L1 alone: whatever fails, somebody sees what it serves.
func (h *historyHand) watchL1() {
	keys := historyKeys(h.job.Keys)
	for !h.stopped.Load() {
		for range 16 {
			h.local(keys[h.rand.IntN(len(keys))])
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// sweep reads every key, from L1 and behind it.
func (h *historyHand) sweep() error {
	for _, key := range historyKeys(h.job.Keys) {
		h.local(key)
		for try := 1; ; try++ { // the source fails now and then
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
