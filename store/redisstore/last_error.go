package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

// A lastError is the last reason why Redis could not be used. All methods may be called
// concurrently.
type lastError struct {
	mu    sync.Mutex
	text  string
	at    time.Time
	count uint64
}

// note remembers err if it says that Redis could not be used, or refused the user. That
// it is not asked any more says nothing new.
func (l *lastError) note(err error) {
	if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrAuth) || errors.Is(err, errOpen) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text, l.at = err.Error(), time.Now()
	l.count++
}

func (l *lastError) get() (text string, at time.Time, count uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text, l.at, l.count
}

// address names the server that the client connects to.
func (c *Client) address() string { return strings.Join(c.opt.InitAddress, ",") }

// dial dials for an attempt to connect, or later. Close ends a dial, and the connections
// of an attempt that is under way.
func (c *Client) dial(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	nc, err := c.conns.Dial(ctx, &c.opt, addr, d, conf)
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
