package link

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/redis/rueidis"
)

// setDefaults completes the settings that both connections have.
func setDefaults(opt *rueidis.ClientOption, timeout time.Duration) {
	for _, d := range []*net.Dialer{&opt.Dialer, &opt.Sentinel.Dialer} {
		if d.Timeout == 0 {
			d.Timeout = timeout
		}
		if d.KeepAlive == 0 {
			d.KeepAlive = time.Second
		}
	}
	if opt.ConnWriteTimeout == 0 {
		opt.ConnWriteTimeout = 2 * time.Second
	}
	if opt.Sentinel.MasterSet != "" && opt.Sentinel.TopologyRefreshInterval == 0 {
		opt.Sentinel.TopologyRefreshInterval = 5 * time.Second
	}
	redisdial.LimitRedirects(opt)
	opt.PipelineMultiplex = -1
	opt.BlockingPipeline = -1 // never leave the one connection
	opt.DisableRetry = true   // rueidis would retry until the context ends
}

// Pair are the two clients. See the package comment.
type Pair struct {
	T, W rueidis.Client
}

// open connects both.
func (c *Link) open() (l *Pair, err error) {
	if c.MaxStale > 0 {
		l, err = c.openUntracked()
	} else {
		l, err = c.openTracked()
	}
	if err != nil {
		return nil, err
	}
	if c.isSentinel(l.W) {
		err = errSentinel
	} else {
		err = c.Replicas.start(l.W)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (c *Link) openTracked() (*Pair, error) {
	opt := c.Opt
	opt.ClientTrackingOptions = c.Broadcast.options()
	opt.OnInvalidations = c.pushed
	opt.DialCtxFn = c.dialTracked
	t, err := rueidis.NewClient(opt)
	if err != nil {
		if t != nil {
			t.Close()
		}
		return nil, err
	}
	opt = c.Opt
	opt.DisableCache = true
	opt.DialCtxFn = c.dialUntracked
	// Without it a context that ends while its caller is alone on the
	// connection would take the connection with it.
	opt.AlwaysPipelining = true
	w, err := rueidis.NewClient(opt)
	if err != nil {
		if w != nil {
			w.Close()
		}
		t.Close()
		return nil, err
	}
	if mutant.OneLink.Load() {
		w.Close()
		w = t
	}
	return &Pair{T: t, W: w}, nil
}

// openUntracked connects both without CLIENT TRACKING, over RESP2, which every proxy speaks.
func (c *Link) openUntracked() (*Pair, error) {
	opt := c.Opt
	opt.DisableCache, opt.AlwaysRESP2, opt.AlwaysPipelining = true, true, true
	opt.DialCtxFn = c.dialUntracked
	t, err := rueidis.NewClient(opt)
	if err != nil {
		CloseClient(t)
		return nil, err
	}
	w, err := rueidis.NewClient(opt)
	if err != nil {
		CloseClient(w)
		t.Close()
		return nil, err
	}
	return &Pair{T: t, W: w}, nil
}

func CloseClient(c rueidis.Client) {
	if c != nil {
		c.Close()
	}
}

// errSentinel says that the address is not one of a server with data.
var errSentinel = errors.New("the server is a sentinel")

// isSentinel reports whether w leads to a sentinel. A user may not be permitted to ask.
func (c *Link) isSentinel(w rueidis.Client) bool {
	if w.Mode() != rueidis.ClientModeStandalone {
		return false
	}
	ctx, cancel := c.Deadlines.Begin(c.Life)
	defer cancel()
	role, err := w.Do(ctx, w.B().Role().Build()).ToArray()
	if err != nil || len(role) == 0 {
		return false
	}
	name, err := role[0].ToString()
	return err == nil && name == "sentinel"
}

// Address names the server that the client connects to.
func (c *Link) Address() string { return strings.Join(c.Opt.InitAddress, ",") }

// Dial dials for an attempt to connect, or later. Close ends a dial, and the connections
// of an attempt that is under way.
func (c *Link) Dial(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.Life, cancel)()
	nc, err := c.Conns.Dial(ctx, &c.Opt, addr, d, conf)
	if err != nil {
		return nc, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		nc.Close()
	case c.attempt != nil:
		c.attempt.conns = append(c.attempt.conns, nc)
	}
	return nc, nil
}

// pushed handles an invalidation push, on the goroutine that reads from Redis.
// Nil stands for everything: FLUSHALL, or the end of the connection.
func (c *Link) pushed(keys []rueidis.RedisMessage) {
	if keys == nil {
		c.hooks.Lost()
		return
	}
	names := make([]string, 0, 1) // almost always
	for i := range keys {
		if name, err := keys[i].ToString(); err == nil {
			names = append(names, name)
		}
	}
	c.hooks.Pushed(names)
}

// Turns is how often something is asked on T so that, with the answer, whatever was
// changed by a write that had been answered before has been pushed. With broadcasts
// the first answer may be of the same turn of the server's event loop as the write,
// and its push then comes behind it.
func (c *Link) Turns() int {
	if len(c.Broadcast) > 0 {
		return 2
	}
	return 1
}
