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

// redialEvery is how often connections are replaced at most.
const redialEvery = 100 * time.Millisecond

// Conns are the open connections of a client. An address may lead to another server than
// before: a DNS name or a virtual IP address after a failover. The connections to the old
// one stay open, so they have to be replaced when a server says that it is no primary any
// more. The zero value is ready for use, by several goroutines at a time.
type Conns struct {
	mu   sync.Mutex
	open map[*conn]struct{}
	last time.Time // of the last Redial
}

// A conn is a connection that Conns knows until it is closed.
type conn struct {
	net.Conn
	of   *Conns
	addr string

	// Of the one goroutine that reads:
	begun bool
	reply string // an error that was the first thing the server sent, and also the last
}

// Dial is [Dial] that remembers the connection.
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

// Read keeps what a server says that then ends the connection, as it does with too many
// clients: rueidis, which has sent several commands by then, reports only that it ended.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
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

// Redial ends the connections to addr, all if it is empty, so that the next command dials
// again. Commands under way fail as they do when a connection breaks. Called again within
// a tenth of a second it does nothing.
func (cs *Conns) Redial(addr string) {
	for _, c := range cs.outdated(addr) {
		c.Conn.Close() // rueidis fails to read then, and closes c
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

// IsReadOnly reports whether err is the answer of a server that is no primary any more.
func IsReadOnly(err error) bool {
	var reply *rueidis.RedisError
	return errors.As(err, &reply) && strings.HasPrefix(reply.Error(), "READONLY")
}
