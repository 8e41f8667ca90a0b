package redisstore

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/deadline"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// storeName names this store in errors and to observers.
const storeName = "redis"

// A Client is the connection to Redis that any number of stores share. It is
// made by [Dial] and safe for concurrent use.
type Client struct {
	opt       rueidis.ClientOption
	broadcast broadcast
	maxStale  time.Duration // 0: Redis notifies of changes
	announcer *announcer    // nil without PubSub
	deadlines deadline.Pool
	watchers  watchers
	conns     redisdial.Conns // of T and W
	tracked   tracked
	pulse     pulse
	breakers  breakers
	tags      allTags
	late      lates
	commits   *committer // nil: replicas are not waited for
	sizes     sizeLimit

	// clientSide is set once there is a view that reads from the cache of T.
	clientSide atomic.Bool

	links atomic.Pointer[links] // nil until connected

	life   context.Context // of dials; ended by Close
	abort  context.CancelFunc
	errors lastError
	rights rights

	mu      sync.Mutex
	attempt *attempt // the one under way, else nil
	closed  bool
}

// An attempt is one try to connect, shared by all who wait for it.
type attempt struct {
	done  chan struct{}
	conns []net.Conn // that it has made; guarded by Client.mu
	links *links
	err   error
}

// Close closes the connections, after operations that are under way have ended,
// within their timeouts at the latest. Every later use of the client and of its
// stores is ErrClosed. Closing twice does nothing.
func (c *Client) Close() {
	c.pulse.stop()
	c.late.stop()
	for _, t := range c.tags.list() {
		t.pending.stop()
		t.lives.stop()
	}
	c.mu.Lock()
	c.closed = true
	a := c.attempt
	l := c.links.Swap(nil)
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
	c.announcer.stop()
	c.commits.stop()
	c.deadlines.Stop()
}

func (l *links) close() {
	l.t.Close()
	l.w.Close()
}

// Ping returns nil if Redis answers on both connections, if the user has the rights that
// stores need, and, in a cluster, if the cluster can serve. If the user lacks rights, the
// error is [ErrAuth] and names the server and what to grant: commands, and the prefixes of
// the keys of the stores and [Tags] that c has. A command that the server does not have is
// errors.ErrUnsupported. Ping changes nothing: it sends the commands of stores for keys that
// do not exist, with such a prefix and "rights".
func (c *Client) Ping(ctx context.Context) error {
	call, cancel := c.deadlines.Begin(ctx)
	defer cancel()
	if err := c.ping(call); err != nil {
		return &store.Error{Store: storeName, Op: "ping", Err: c.cause(ctx, err)}
	}
	return nil
}

func (c *Client) ping(ctx context.Context) error {
	l, err := c.connected(ctx)
	if err != nil {
		return err
	}
	for _, r := range []rueidis.Client{l.t, l.w} {
		if err := r.Do(ctx, r.B().Ping().Build()).Error(); err != nil && !(c.maxStale > 0 && lacks(err)) {
			return err
		}
	}
	if err := c.checkRights(ctx, l, nil); err != nil || l.w.Mode() != rueidis.ClientModeCluster {
		return err
	}
	info, err := l.w.Do(ctx, l.w.B().ClusterInfo().Build()).ToString()
	if isDenied(err) || c.maxStale > 0 && lacks(err) { // CLUSTER INFO is optional
		return nil
	}
	if err == nil && !strings.Contains(info, "cluster_state:ok") {
		err = fmt.Errorf("%w: the cluster is not ok", store.ErrUnavailable)
	}
	return err
}

// connected returns the connections. A client that was dialled with Lazy may
// have to make them first.
func (c *Client) connected(ctx context.Context) (*links, error) {
	if l := c.links.Load(); l != nil {
		return l, nil
	}
	return c.connect(ctx)
}

// heard returns the connections for a read of keys after making sure that T is connected
// to a primary whose pushes arrive, as far as somebody needs to know. What is then read
// on T counts if no connection has come or gone meanwhile: see [pulse.unmoved].
func (c *Client) heard(ctx context.Context, keys ...string) (*links, error) {
	if err := c.breakers.allow(true, keys...); err != nil {
		return nil, err
	}
	l, err := c.connected(ctx)
	if err == nil {
		err = c.pulse.ensure(ctx)
	}
	return l, err
}

// connect makes the connections, together with all who call it meanwhile. It
// stops waiting when ctx is done.
func (c *Client) connect(ctx context.Context) (*links, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, store.ErrClosed
	}
	if l := c.links.Load(); l != nil {
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
func (c *Client) run(a *attempt) {
	a.links, a.err = c.open()
	if a.err != nil {
		a.err = &connectError{a.err}
		_ = c.cause(context.Background(), a.err) // notes it, also if nobody waits any more
	}
	c.mu.Lock()
	if c.closed && a.err == nil {
		a.links.close()
		a.links, a.err = nil, store.ErrClosed
	}
	if a.err == nil {
		c.links.Store(a.links)
	}
	c.attempt = nil
	c.mu.Unlock()
	close(a.done)
}

// isClosed reports whether Close was called.
func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// primaries returns the nodes of W that hold keys of their own.
func (l *links) primaries(ctx context.Context) ([]rueidis.Client, error) {
	var primaries []rueidis.Client
	var errs []error
	for _, node := range l.w.Nodes() {
		if l.w.Mode() != rueidis.ClientModeCluster {
			primaries = append(primaries, node)
			continue
		}
		role, err := node.Do(ctx, node.B().Role().Build()).ToArray()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if name, _ := role[0].ToString(); name == "master" {
			primaries = append(primaries, node)
		}
	}
	return primaries, oneline.Join(errs...)
}
