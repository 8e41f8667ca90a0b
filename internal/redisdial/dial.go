// Package redisdial dials Redis for rueidis, so that concurrent callers share packets.
package redisdial

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/redis/rueidis"
)

// Dial dials like rueidis without a custom DialCtxFn, using the dial functions of opt if
// set, and returns a connection that batches.
func Dial(ctx context.Context, opt *rueidis.ClientOption, addr string, d *net.Dialer, conf *tls.Config) (nc net.Conn, err error) {
	addr = WithHost(opt, addr)
	switch {
	case opt.DialCtxFn != nil:
		nc, err = opt.DialCtxFn(ctx, addr, d, conf)
	case opt.DialFn != nil:
		nc, err = opt.DialFn(addr, d, conf)
	case conf != nil:
		nc, err = dialTLS(ctx, addr, d, conf)
	default:
		nc, err = d.DialContext(ctx, "tcp", addr)
	}
	if tcp := tcpOf(nc); err == nil && tcp != nil && opt.DisableTCPNoDelay {
		err = tcp.SetNoDelay(false) // rueidis does not see the TCP connection in our wrapper
	}
	if err != nil {
		return nc, err
	}
	return &batchConn{Conn: nc}, nil
}

// dialTLS is tls.Dialer.DialContext with an error that distinguishes an unreachable server
// from a failed TLS handshake, which is a [HandshakeError].
func dialTLS(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			host = addr
		}
		conf = conf.Clone()
		conf.ServerName = host
	}
	nc := tls.Client(raw, conf)
	if err := nc.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &HandshakeError{err}
	}
	return nc, nil
}

// tcpOf returns the TCP connection under nc, or nil.
func tcpOf(nc net.Conn) *net.TCPConn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	tcp, _ := nc.(*net.TCPConn)
	return tcp
}
