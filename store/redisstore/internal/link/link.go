// Package link is the connection to Redis: the two clients of rueidis, the breakers that keep
// operations from waiting for a Redis that does not answer, the slot map of a cluster, and
// what errors mean.
package link

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/deadline"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A Link is the connection to Redis: two clients, dialled together. Operations ask it for
// them, and learn from it what their errors mean. All methods may be called concurrently.
type Link struct {
	Opt       rueidis.ClientOption
	Broadcast Broadcast
	MaxStale  time.Duration // 0: Redis notifies of changes
	Deadlines deadline.Pool
	hooks     Hooks
	Conns     redisdial.Conns // of T and W
	tracked   tracked
	Breakers  Breakers
	sizes     sizeLimit
	Errors    LastError
	Pair      atomic.Pointer[Pair] // nil until connected
	Replicas  *Replicas            // nil: all is read from primaries

	Life  context.Context // of dials; ended by abort
	abort context.CancelFunc

	mu      sync.Mutex
	attempt *attempt // the one under way, else nil
	closed  bool
}

// Hooks are what a Link calls, on the goroutine that finds out. They must not block.
type Hooks struct {
	Pushed   func(keys []string) // keys were changed
	Lost     func()              // invalidations may have been lost
	Replaced func()              // a connection was lost, or made, or is first used
	Probes   func() bool         // whether heartbeats probe Redis while the breaker is open
	Opened   func()              // a breaker has opened: probe it
	Mended   func()              // a breaker is not open any more
	Denied   func()              // the user lacks a right
}

// Settings are those of a Link that rueidis does not have.
type Settings struct {
	Timeout    time.Duration // of an operation
	Broadcast  Broadcast
	MaxStale   time.Duration
	Silence    time.Duration // for how long Redis may not answer a heartbeat; negative: there is none
	BreakAfter int
	Log        *slog.Logger // nil: none
	Replicas   bool         // large values are read from replicas
}

// New returns a link that is not connected. The caller closes it.
func New(opt rueidis.ClientOption, s Settings, h Hooks) *Link {
	setDefaults(&opt, s.Timeout)
	addrs := opt.Standalone.ReplicaAddress
	opt.Standalone.ReplicaAddress = nil
	c := &Link{Opt: opt, Broadcast: s.Broadcast, MaxStale: s.MaxStale, Deadlines: deadline.Pool{Timeout: s.Timeout}, hooks: h}
	c.Life, c.abort = context.WithCancel(context.Background())
	c.sizes.turn, c.sizes.limit = make(chan struct{}, 1), defaultSizeLimit
	c.Breakers.init(c, s)
	if s.Replicas {
		c.Replicas = &Replicas{link: c, addrs: addrs}
	}
	return c
}

// Close ends dials and closes the connections. Every later use is ErrClosed.
func (c *Link) Close() {
	c.mu.Lock()
	c.closed = true
	a := c.attempt
	l := c.Pair.Swap(nil)
	c.mu.Unlock()
	c.abort()
	if a != nil {
		for _, nc := range a.conns { // nothing is added to them any more
			nc.Close()
		}
		<-a.done
	}
	if l != nil {
		l.close()
	}
	c.Replicas.close()
}

// An attempt is one try to connect, shared by all callers that wait for it.
type attempt struct {
	done  chan struct{}
	conns []net.Conn // that it has made; guarded by Client.mu
	links *Pair
	err   error
}

func (l *Pair) close() {
	l.T.Close()
	l.W.Close()
}

// Connected returns the connections. A client that was dialled with Lazy may
// have to make them first.
func (c *Link) Connected(ctx context.Context) (*Pair, error) {
	if l := c.Pair.Load(); l != nil {
		return l, nil
	}
	return c.Connect(ctx)
}

// Reach returns the connections for an operation on keys, unless Redis does not answer.
func (c *Link) Reach(ctx context.Context, keys ...string) (*Pair, error) {
	if err := c.Breakers.Allow(false, keys...); err != nil {
		return nil, err
	}
	return c.Connected(ctx)
}

// Connect makes the connections, together with all callers meanwhile. It
// stops waiting when ctx is done.
func (c *Link) Connect(ctx context.Context) (*Pair, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, store.ErrClosed
	}
	if l := c.Pair.Load(); l != nil {
		c.mu.Unlock()
		return l, nil
	}
	a := c.attempt
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		c.attempt = a
		go c.run(a)
	}
	c.mu.Unlock()
	select {
	case <-a.done:
		return a.links, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run makes an attempt. It takes no longer than the dial timeout allows.
func (c *Link) run(a *attempt) {
	a.links, a.err = c.open()
	if a.err != nil {
		a.err = &connectError{a.err}
		_ = c.Cause(context.Background(), a.err) // notes it, also if nobody waits any more
	}
	c.mu.Lock()
	if c.closed && a.err == nil {
		a.links.close()
		a.links, a.err = nil, store.ErrClosed
	}
	if a.err == nil {
		c.Pair.Store(a.links)
	}
	c.attempt = nil
	c.mu.Unlock()
	close(a.done)
}

// isClosed reports whether Close was called.
func (c *Link) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Primaries returns the nodes of W that hold keys of their own: in a cluster those that serve
// slots by their own map. Services that hide ROLE have CLUSTER SLOTS.
func (c *Link) Primaries(ctx context.Context, l *Pair) ([]rueidis.Client, error) {
	var primaries []rueidis.Client
	var errs []error
	for addr, node := range l.W.Nodes() {
		if l.W.Mode() != rueidis.ClientModeCluster {
			primaries = append(primaries, node)
			continue
		}
		own := c.Canonical(addr)
		ranges, err := SlotMap(own, node.Do(ctx, node.B().ClusterSlots().Build()))
		if err != nil {
			errs = append(errs, err)
		} else if Serves(ranges, own) {
			primaries = append(primaries, node)
		}
	}
	return primaries, oneline.Join(errs...)
}
