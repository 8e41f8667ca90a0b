package fleet_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// An operatorFault is an action of an operator on a Redis in use.
type operatorFault struct {
	name            string
	redis           redistest.Options
	maxDisconnected time.Duration // 0: historyMaxDisconnected
	pad             int           // additional bytes per value
	writes          bool          // writes may fail meanwhile; they are retried
	health          string        // part of all errors of Health meanwhile; empty: none; after "?": optional
	do              func(*operated) error
}

// operated is a Redis, a source and two backends; the first one writes.
type operated struct {
	t        *testing.T
	server   *redistest.Server
	backends [2]*strata.Backend
	caches   [2]*strata.Cache[int, operatorRow]
	windows  []history.Window // in which writes may be lost
	pad      []byte

	busy    sync.RWMutex // locked: all work is blocked
	stopped atomic.Bool
	work    sync.WaitGroup

	mu     sync.Mutex
	rows   [operatorKeys]int64
	ops    []history.Op
	failed int // writes
}

const operatorKeys = 20

type operatorRow struct {
	Version int64
	Pad     []byte
}

// During every action of an operator, every read is answered, with values no older than
// guaranteed; Health reports the problem; and afterwards everything works again.
func TestOperator(t *testing.T) {
	for _, fault := range operatorFaults {
		t.Run(fault.name, func(t *testing.T) {
			o := operate(t, &fault)
			wrong := o.watchHealth(&fault)
			if err := fault.do(o); err != nil {
				t.Fatal(err)
			}
			wrong()
			o.recovers()
			o.stopped.Store(true)
			o.work.Wait()
			if o.failed > 0 && !fault.writes {
				t.Errorf("%d writes failed", o.failed)
			}
			r := history.Check(o.ops, history.Rules{MaxDisconnected: fault.bound(), Slack: historySlack, Failovers: o.windows})
			for i, v := range r.Examples {
				t.Errorf("%d. %s", i+1, v.Story(o.ops))
			}
			if r.Gets < 500 || r.Writes < 10 {
				t.Errorf("next to nothing was done: %v", r)
			}
			t.Logf("%v; %d writes failed", r, o.failed)
		})
	}
}

func (f *operatorFault) bound() time.Duration {
	if f.maxDisconnected > 0 {
		return f.maxDisconnected
	}
	return historyMaxDisconnected
}

// operate starts the servers of the fault and the processes.
func operate(t *testing.T, fault *operatorFault) *operated {
	t.Helper()
	o := &operated{t: t, server: redistest.Start(t, &fault.redis), pad: make([]byte, fault.pad)}
	for i := range o.backends {
		b, err := strata.Open(t.Context(), &strata.Config{RedisURL: o.server.URL(), MaxDisconnected: fault.bound()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		c, err := strata.New(b, "rows", o.load, &strata.Options[int, operatorRow]{TTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		o.backends[i], o.caches[i] = b, c
	}
	for p := range o.caches {
		for g := range 2 {
			o.work.Go(func() { o.reads(p, g) })
		}
	}
	o.work.Go(o.writes)
	t.Cleanup(func() {
		o.stopped.Store(true)
		o.work.Wait()
	})
	redistest.WaitFor(t, "both to serve from L1", func() bool {
		return o.caches[0].Stats().L1Hits > 50 && o.caches[1].Stats().L1Hits > 50
	})
	return o
}

func (o *operated) load(_ context.Context, id int) (operatorRow, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return operatorRow{Version: o.rows[id], Pad: o.pad}, nil
}

// reads reads in a process. No read may fail: the source always answers.
func (o *operated) reads(process, goroutine int) {
	ids := rand.New(rand.NewPCG(1, uint64(process<<8|goroutine)))
	for ; !o.stopped.Load(); time.Sleep(time.Millisecond) {
		o.busy.RLock()
		id := ids.IntN(operatorKeys)
		op := history.Op{Kind: history.Get, Key: strconv.Itoa(id), Process: process, Goroutine: goroutine, Call: history.Now()}
		ctx, cancel := context.WithTimeout(context.Background(), historyPatience)
		e, err := o.caches[process].GetEntry(ctx, id)
		cancel()
		op.Return, op.Version, op.Stale = history.Now(), e.Value.Version, e.Stale
		if err == nil {
			op.Tier = historyTiers[e.Tier]
		} else {
			op.Err = err.Error()
			o.t.Errorf("a read that the source could answer: %v", err)
		}
		o.log(op)
		o.busy.RUnlock()
	}
}

// writes changes rows and deletes them. Failures are retried.
func (o *operated) writes() {
	ids := rand.New(rand.NewPCG(2, 0))
	for ; !o.stopped.Load(); time.Sleep(5 * time.Millisecond) {
		o.busy.RLock()
		id := ids.IntN(operatorKeys)
		op := history.Op{Kind: history.Commit, Tier: history.Source, Key: strconv.Itoa(id), Call: history.Now()}
		o.mu.Lock()
		o.rows[id]++
		op.Version = o.rows[id]
		o.mu.Unlock()
		op.Return = history.Now()
		o.log(op)
		op.Kind, op.Tier, op.Call = history.Delete, history.Any, history.Now()
		ctx, cancel := context.WithTimeout(context.Background(), historyPatience)
		err := o.caches[0].Delete(ctx, id)
		cancel()
		if op.Return = history.Now(); err != nil {
			op.Err = err.Error()
			if store.OutcomeOf(err) != store.Open {
				o.t.Errorf("a Delete that is not made good: %v", err)
			}
		}
		o.log(op)
		o.busy.RUnlock()
	}
}

func (o *operated) log(op history.Op) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ops = append(o.ops, op)
	if op.Kind == history.Delete && op.Err != "" {
		o.failed++
	}
}
