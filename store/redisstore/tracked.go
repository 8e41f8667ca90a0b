package redisstore

import (
	"context"
	"crypto/tls"
	"net"
	"sync"

	"github.com/lokroom/strata/internal/mutant"
)

// dialTracked dials for T. Its watchers hear of a lost connection when it can no
// longer be read, and here already if that has not been noticed yet: rueidis may
// serve commands on a new connection before it reports the end of the old one.
//
// A dial alone is no loss: while a server is down, every operation dials it.
func (c *Client) dialTracked(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
	if c.tracked.dialling(addr) && !mutant.NoDial.Load() {
		c.watchers.tellAll()
	}
	nc, err := c.dial(ctx, addr, d, conf)
	if err != nil {
		return nil, err
	}
	c.tracked.opened(addr)
	c.pulse.moved()
	return &trackedConn{Conn: &firstUse{Conn: nc, tell: c.pulse.moved}, client: c, addr: addr}, nil
}

// dialUntracked dials for W.
func (c *Client) dialUntracked(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
	nc, err := c.dial(ctx, addr, d, conf)
	if err != nil {
		return nc, err
	}
	c.pulse.moved()
	return &firstUse{Conn: nc, tell: c.pulse.moved}, nil
}

// tracked counts the open tracking connections by address. An address that was
// dialled once stays in the map.
type tracked struct {
	mu   sync.Mutex
	open map[string]int
}

// dialling reports whether a dial of addr means that pushes may have been lost:
// it replaces a connection that seems open, or the topology has changed.
func (t *tracked) dialling(addr string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = make(map[string]int)
	}
	n, known := t.open[addr]
	t.open[addr] = n
	return n > 0 || !known
}

func (t *tracked) opened(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[addr]++
}

func (t *tracked) closed(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[addr]--
}

// A trackedConn tells the watchers when nothing more can be read from it.
type trackedConn struct {
	net.Conn
	client *Client
	addr   string
	over   bool // of the one goroutine that reads
}

func (c *trackedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && !c.over {
		c.over = true
		c.client.watchers.tellAll()
		c.client.tracked.closed(c.addr)
		c.client.pulse.moved()
	}
	return n, err
}
