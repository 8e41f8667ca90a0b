package link

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/redis/rueidis"
)

// Replicas read large values from replicas, after the primary has sent the beginning of each.
// The primary decides which value is the current one, so a replica that lags, fails or lies
// costs time, and the value is read from the primary. All methods may be called concurrently.
type Replicas struct {
	link  *Link
	addrs []string // of one server; sentinels and clusters name theirs
	turn  atomic.Uint32

	reads, fallbacks atomic.Uint64

	mu      sync.Mutex
	failure string // the last one
	closed  bool
	clients []*replica // nil until the primary is connected
	work    sync.WaitGroup
}

// A replica is a client: of one replica, or of all of a sentinel's primary or of a cluster.
type replica struct {
	of     *Replicas
	opt    rueidis.ClientOption
	client atomic.Pointer[rueidis.Client] // nil until connected
	rests  [restParts]rest                // of the slots in a cluster, else the first

	// Guarded by the lock of Replicas:
	dialling bool
	redial   time.Time // not before
}

const (
	restFor    = time.Second     // how long a replica is not asked after a failure
	mostBehind = 8               // how many values in a row a replica may lack
	lookEvery  = 5 * time.Second // how often a cluster is asked for its replicas
	restParts  = 256
	slotsPart  = 16384 / restParts
)

// A rest keeps readers from a replica that has failed. One tries again each time restFor has
// passed.
type rest struct {
	until  atomic.Int64 // a store.Time; 0: the replica is asked
	behind atomic.Int32
}

func (r *rest) may(now store.Time) bool {
	until := r.until.Load()
	return until == 0 || until <= int64(now) && r.until.CompareAndSwap(until, int64(now.Add(restFor)))
}

func (r *rest) begin() {
	r.behind.Store(0)
	r.until.Store(int64(store.In(restFor)))
}

// lacked says that the replica has not had a value.
func (r *rest) lacked() {
	if r.behind.Add(1) >= mostBehind {
		r.begin()
	}
}

func (r *rest) end() {
	if r.until.Load() != 0 || r.behind.Load() != 0 {
		r.until.Store(0)
		r.behind.Store(0)
	}
}

// start connects to the replicas of the server, or servers, that w leads to.
func (r *Replicas) start(w rueidis.Client) error {
	if r == nil {
		return nil
	}
	if err := CheckReplicas(w, r.addrs); err != nil {
		return err
	}
	one := w.Mode() == rueidis.ClientModeStandalone
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clients != nil {
		return nil
	}
	opt := r.link.Opt
	opt.DisableCache, opt.AlwaysPipelining = true, true // see openTracked
	opt.DialCtxFn = r.dialOne
	opt.ReplicaOnly, opt.ForceSingleClient = !one, one
	if opt.ClusterOption.ShardsRefreshInterval == 0 {
		opt.ClusterOption.ShardsRefreshInterval = lookEvery
	}
	if !one {
		r.clients = []*replica{{of: r, opt: opt}}
	}
	for _, addr := range r.addrs {
		opt.InitAddress = []string{addr}
		r.clients = append(r.clients, &replica{of: r, opt: opt})
	}
	for _, c := range r.clients {
		c.connect()
	}
	return nil
}

func (r *Replicas) dialOne(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
	return r.link.Dial(ctx, addr, d, conf)
}

// connect connects in the background, unless it has failed lately. The caller holds the lock.
func (c *replica) connect() {
	r := c.of
	if r.closed || c.dialling || c.client.Load() != nil || time.Now().Before(c.redial) {
		return
	}
	c.dialling = true
	r.work.Go(func() {
		client, err := r.dial(&c.opt)
		r.mu.Lock()
		defer r.mu.Unlock()
		c.dialling = false
		switch {
		case err != nil:
			c.redial, r.failure = time.Now().Add(restFor), redisdial.Explain(&c.opt, err, replicaCause(err)).Error()
		case r.closed:
			client.Close()
		default:
			c.client.Store(&client)
		}
	})
}

// failed remembers why a replica could not be used.
func (c *replica) failed(err error) {
	failure := replicaCause(err).Error()
	if len(c.of.addrs) > 0 { // else the client is of several replicas
		failure = c.opt.InitAddress[0] + ": " + failure
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.failure = failure
}

// Counts returns how many values replicas have answered, how many the primary has answered
// though they are large, and why a replica could not be used the last time, or "".
func (r *Replicas) Counts() (reads, fallbacks uint64, failure string) {
	if r == nil {
		return 0, 0, ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads.Load(), r.fallbacks.Load(), r.failure
}

// close closes the connections, after Life has ended.
func (r *Replicas) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.closed = true
	clients := r.clients
	r.mu.Unlock()
	r.work.Wait()
	for _, c := range clients {
		if client := c.client.Load(); client != nil {
			(*client).Close()
		}
	}
}

// A Part is a value of which a primary has sent the beginning.
type Part struct {
	Key   string
	Head  []byte
	Whole []byte // the record; nil: no replica has it
}

// Complete reads what parts lack from a replica, with one exchange. It waits no longer than an
// eighth of the timeout of operations, so that there is time left to ask the primary.
func (r *Replicas) Complete(ctx context.Context, parts []Part) {
	r.mu.Lock()
	clients := r.clients
	r.mu.Unlock()
	for n := r.turn.Add(1); len(clients) > 0; n++ {
		i := int(n % uint32(len(clients)))
		if clients[i].complete(ctx, parts) {
			break
		}
		clients = slices.Concat(clients[:i], clients[i+1:])
	}
	for i := range parts {
		if parts[i].Whole != nil {
			r.reads.Add(1)
		} else {
			r.fallbacks.Add(1)
		}
	}
}

// complete is Complete by one client. It returns false if that was not asked.
func (c *replica) complete(ctx context.Context, parts []Part) (asked bool) {
	p := c.client.Load()
	if p == nil {
		c.of.mu.Lock()
		c.connect()
		c.of.mu.Unlock()
		return false
	}
	client, now := *p, store.Now()
	cmds, which := make([]rueidis.Completed, 0, len(parts)), make([]int, 0, len(parts))
	for i := range parts {
		if c.rest(client, parts[i].Key).may(now) {
			cmds, which = append(cmds, client.B().Get().Key(parts[i].Key).Build()), append(which, i)
		}
	}
	if len(cmds) == 0 {
		return false
	}
	call, cancel := context.WithTimeout(ctx, replicaWait(ctx, c.of.link.Deadlines.Timeout))
	defer cancel()
	for j, reply := range client.DoMulti(call, cmds...) {
		part := &parts[which[j]]
		b, err := reply.AsBytes()
		switch rest := c.rest(client, part.Key); {
		case err == nil && record.Complete(part.Head, b):
			part.Whole = b
			rest.end()
		case err == nil, rueidis.IsRedisNil(err):
			rest.lacked()
		case ctx.Err() == nil:
			c.failed(err)
			rest.begin()
		}
	}
	return true
}

// replicaWait returns how long a read with ctx may wait for a replica, so that there is time left
// to ask the primary. timeout is that of operations.
func replicaWait(ctx context.Context, timeout time.Duration) time.Duration {
	wait := timeout / 8
	if at, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(at)/3)
	}
	return wait
}

func (c *replica) rest(client rueidis.Client, key string) *rest {
	if client.Mode() != rueidis.ClientModeCluster {
		return &c.rests[0]
	}
	return &c.rests[SlotOf(key)/slotsPart]
}
