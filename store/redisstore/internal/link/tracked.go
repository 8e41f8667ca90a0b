package link

import (
	"context"
	"crypto/tls"
	"net"
	"sync"

	"github.com/lokroom/strata/internal/mutant"
)

// dialTracked dials for T. A loss is reported when the connection can no
// longer be read, and here already if that has not been noticed yet: rueidis may
// serve commands on a new connection before it reports the end of the old one.
//
// A dial alone is no loss: while a server is down, every operation dials it.
func (c *Link) dialTracked(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
	if c.tracked.dialling(addr) && !mutant.NoDial.Load() {
		c.hooks.Lost()
	}
	nc, err := c.Dial(ctx, addr, d, conf)
	if err != nil {
		return nil, err
	}
	c.tracked.opened(addr)
	c.hooks.Replaced()
	return &trackedConn{Conn: &firstUse{Conn: nc, notify: c.hooks.Replaced}, link: c, addr: addr}, nil
}

// dialUntracked dials for W.
func (c *Link) dialUntracked(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
	nc, err := c.Dial(ctx, addr, d, conf)
	if err != nil {
		return nc, err
	}
	c.hooks.Replaced()
	return &firstUse{Conn: nc, notify: c.hooks.Replaced}, nil
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

// A trackedConn reports a loss when nothing more can be read from it.
type trackedConn struct {
	net.Conn
	link *Link
	addr string
	over bool // of the one goroutine that reads
}

func (c *trackedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && !c.over {
		c.over = true
		c.link.hooks.Lost()
		c.link.tracked.closed(c.addr)
		c.link.hooks.Replaced()
	}
	return n, err
}
