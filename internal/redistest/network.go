package redistest

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"
)

// A Network is the path of one client to several servers: a proxy before each of them,
// started when the server is first dialled or requested.
type Network struct {
	t testing.TB

	mu    sync.Mutex
	links map[string]*Proxy
	drops *bool // pushes; nil: they are not parsed
}

// StartNetwork returns a network with proxies that end with the test.
func StartNetwork(t testing.TB) *Network { return &Network{t: t, links: map[string]*Proxy{}} }

// Link returns the proxy before the server.
func (n *Network) Link(s *Server) *Proxy {
	n.t.Helper()
	p, err := n.link(s.Addr())
	if err != nil {
		n.t.Fatal(err)
	}
	return p
}

func (n *Network) link(addr string) (*Proxy, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.links[addr]; p != nil {
		return p, nil
	}
	p, err := NewProxy(addr)
	if err == nil {
		if n.drops != nil {
			p.DropPushes(*n.drops)
		}
		n.links[addr] = p
		n.t.Cleanup(p.Close)
	}
	return p, err
}

// Dial connects to the server at addr through its proxy. It is a DialCtxFn of rueidis.
func (n *Network) Dial(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
	p, err := n.link(addr)
	if err != nil {
		return nil, err
	}
	return d.DialContext(ctx, "tcp", p.Addr())
}
