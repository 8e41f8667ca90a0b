// Package stratatest helps to test programs that use Strata: with one backend in memory, or
// with a fleet of backends that share an L2 in memory, as processes share a Redis.
//
//	func TestPrices(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			fleet := stratatest.Fleet(t, 2, nil)
//			...
//			fleet[0].Disconnect()
//			time.Sleep(time.Hour) // takes no time
//		})
//	}
//
// Everything works inside testing/synctest, where hours of TTL take no time.
package stratatest

import (
	"context"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/memfleet"
)

// New returns a backend that is closed at the end of the test. A nil Config is L1 alone. New
// ends the test if Open returns an error. If Close does, the test fails.
func New(t testing.TB, c *strata.Config) *strata.Backend {
	t.Helper()
	return open(t, context.Background(), c)
}

func open(t testing.TB, ctx context.Context, c *strata.Config) *strata.Backend {
	t.Helper()
	b, err := strata.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

// A Process is one backend of a [Fleet], with switches for what can happen to a process. All
// methods are safe for concurrent use.
type Process struct {
	*strata.Backend
	p               *memfleet.Process
	t               testing.TB
	maxDisconnected time.Duration
}

// Processes are the backends of a fleet. Its methods apply to all of them.
type Processes []*Process

// defaultMaxDisconnected is that of strata.Config.
const defaultMaxDisconnected = 2 * time.Second

// Fleet returns n backends that share an L2 in memory, which has the guarantees of Redis with
// per-key tracking. They are connected again and closed at the end of the test. c configures
// each backend and may be nil; it must not name a Redis. Caches that share values need the
// same name, options and types in all processes.
//
// The memory keeps values as they are. Their codec is checked as with Redis, but a value that
// a program modifies is modified for all processes. Errors, latency and limits of a server
// are not simulated: for these, test with Redis.
func Fleet(t testing.TB, n int, c *strata.Config) Processes {
	t.Helper()
	var config strata.Config
	if c != nil {
		config = *c
	}
	if config.Redis != nil || config.RedisURL != "" {
		t.Fatal("stratatest: the processes of a Fleet share a memory: Config must not name a Redis")
	}
	maxDisconnected := config.MaxDisconnected
	if maxDisconnected <= 0 {
		maxDisconnected = defaultMaxDisconnected
	}
	memory := &memfleet.Memory{}
	fleet := make(Processes, n)
	for i := range fleet {
		p := memory.NewProcess(maxDisconnected)
		b := open(t, memfleet.With(context.Background(), p), &config)
		fleet[i] = &Process{b, p, t, maxDisconnected}
	}
	t.Cleanup(func() { // before the backends are closed
		for _, p := range fleet {
			p.Resume()
		}
		fleet.Reconnect()
	})
	return fleet
}

// Disconnect cuts the process off from L2: L2 is unreachable, and the process misses
// invalidations. Copies in L1 are served for Config.MaxDisconnected; after that, reads call
// the loader. Changes that the process makes are retried until Reconnect.
func (p *Process) Disconnect() { p.p.Disconnect() }

// Reconnect ends Disconnect.
func (p *Process) Reconnect() { p.p.Reconnect() }

// DelayInvalidations lets invalidations arrive d after the change, from now on. Until then
// the process serves copies that other processes have changed. Tags are not delayed. d must
// be shorter than Config.MaxDisconnected, as a Redis that does not answer for so long counts
// as disconnected. 0: at once.
func (p *Process) DelayInvalidations(d time.Duration) {
	p.t.Helper()
	if d < 0 || d >= p.maxDisconnected {
		p.t.Fatalf("stratatest: DelayInvalidations(%v): want 0 to less than Config.MaxDisconnected, %v", d, p.maxDisconnected)
	}
	p.p.Delay(d)
}

// Stall stops the process, as a garbage collection, a debugger or an overloaded machine does:
// calls that need L2 block until Resume, and so do invalidations. Hits in L1 do not block: a
// test should not read while the process is stalled, except in goroutines that are blocked.
func (p *Process) Stall() { p.p.Stall() }

// Resume ends Stall.
func (p *Process) Resume() { p.p.Resume() }

// Disconnect is [Process.Disconnect] for all: L2 is away.
func (ps Processes) Disconnect() {
	for _, p := range ps {
		p.Disconnect()
	}
}

// Reconnect is [Process.Reconnect] for all at the same time: a change that one process retries
// reaches the others.
func (ps Processes) Reconnect() {
	all := make([]*memfleet.Process, len(ps))
	for i, p := range ps {
		all[i] = p.p
	}
	memfleet.ReconnectAll(all...)
}

// Failover returns a function that makes L2 lose what was written since the call of Failover,
// as a replica does that takes over before it has received the last writes. Processes are
// notified of it, as by the heartbeat with Redis.
func (ps Processes) Failover() (takeOver func()) {
	if len(ps) == 0 {
		return func() {}
	}
	return ps[0].p.Snapshot()
}
