// Package redisdial dials Redis for rueidis, so that callers who ask at the same time
// share packets.
package redisdial

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/redis/rueidis"
)

// Dial does what rueidis does without a DialCtxFn of ours, with the dial functions of opt
// if it has some, and returns a connection that batches.
func Dial(ctx context.Context, opt *rueidis.ClientOption, addr string, d *net.Dialer, conf *tls.Config) (nc net.Conn, err error) {
	addr = WithHost(opt, addr)
	switch {
	case opt.DialCtxFn != nil:
		nc, err = opt.DialCtxFn(ctx, addr, d, conf)
	case opt.DialFn != nil:
		nc, err = opt.DialFn(addr, d, conf)
	case conf != nil:
		nc, err = (&tls.Dialer{NetDialer: d, Config: conf}).DialContext(ctx, "tcp", addr)
	default:
		nc, err = d.DialContext(ctx, "tcp", addr)
	}
	if tcp := tcpOf(nc); err == nil && tcp != nil && opt.DisableTCPNoDelay {
		err = tcp.SetNoDelay(false) // rueidis does not see through our wrapper
	}
	if err != nil {
		return nc, err
	}
	return batchConn{nc}, nil
}

// tcpOf returns the TCP connection that nc is or rests on, or nil.
func tcpOf(nc net.Conn) *net.TCPConn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	tcp, _ := nc.(*net.TCPConn)
	return tcp
}
