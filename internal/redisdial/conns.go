package redisdial

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// redialEvery is the minimum time between two replacements of connections.
const redialEvery = 100 * time.Millisecond

// Conns tracks the open connections of a client. After a failover, a DNS name or a virtual
// IP address leads to another server, but connections to the old server stay open. They
// must be replaced when a server reports that it is no longer a primary. The zero value is
// ready to use; all methods are safe for concurrent use.
type Conns struct {
	mu   sync.Mutex
	open map[*conn]struct{}
	last time.Time // of the last Redial
}

// A conn is a connection that Conns tracks until it is closed.
type conn struct {
	net.Conn
	of   *Conns
	addr string

	// Used by the reading goroutine only:
	begun bool
	reply string // an error reply that is the only data the server sent
}

// Dial is [Dial] that tracks the connection.
func (cs *Conns) Dial(ctx context.Context, opt *rueidis.ClientOption, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
	nc, err := Dial(ctx, opt, addr, d, conf)
	if err != nil {
		return nc, err
	}
	c := &conn{Conn: nc, of: cs, addr: addr}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.open == nil {
		cs.open = make(map[*conn]struct{})
	}
	cs.open[c] = struct{}{}
	return c, nil
}

// Read keeps the reply of a server that closes the connection after it, as with too many
// clients. rueidis has sent several commands by then and reports only that the connection
// ended. The reply to HELLO is read by [asVersion7].
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.begun {
		asVersion7(b[:n])
	}
	switch {
	case err != nil && n == 0 && c.reply != "":
		return 0, &RefusedError{Reply: c.reply, Err: err}
	case !c.begun && n > 0 && b[0] == '-':
		line, _, _ := strings.Cut(string(b[1:n]), "\r\n")
		c.reply = line
	case n > 0 && c.reply != "":
		c.reply = ""
	}
	c.begun = true
	return n, err
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// Redial closes the connections to addr, or all if addr is empty, so that the next command
// dials again. Commands in flight fail as if the connection broke. A call within a tenth of
// a second of the last one does nothing.
func (cs *Conns) Redial(addr string) {
	for _, c := range cs.outdated(addr) {
		c.Conn.Close() // rueidis then fails to read and closes c
	}
}

func (cs *Conns) outdated(addr string) (conns []*conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	now := time.Now()
	if !cs.last.IsZero() && now.Sub(cs.last) < redialEvery {
		return nil
	}
	cs.last = now
	for c := range cs.open {
		if addr == "" || c.addr == addr {
			conns = append(conns, c)
		}
	}
	return conns
}

// IsReadOnly reports whether err is a reply of a server that is no longer a primary.
func IsReadOnly(err error) bool {
	var reply *rueidis.RedisError
	return errors.As(err, &reply) && strings.HasPrefix(reply.Error(), "READONLY")
}
