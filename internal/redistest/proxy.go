package redistest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Proxy is a TCP proxy whose network can be made to fail. Its methods may be
// called concurrently.
type Proxy struct {
	listener net.Listener
	wg       sync.WaitGroup
	closed   chan struct{}
	delay    atomic.Int64 // of each packet, in nanoseconds
	sent     atomic.Int64
	received atomic.Int64
	accepted atomic.Int64

	mu      sync.Mutex
	target  string
	links   map[*link]struct{}
	up      chan struct{} // requests pass when it is closed
	down    chan struct{} // replies pass when it is closed
	refuses bool
}

// A link is one proxied connection.
type link struct {
	client, server net.Conn
	cut            chan struct{} // closed when it ends
	once           sync.Once
}

// StartProxy starts a proxy to addr that ends with the test.
func StartProxy(t testing.TB, addr string) *Proxy {
	t.Helper()
	p, err := NewProxy(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// NewProxy starts a proxy to addr. The caller closes it.
func NewProxy(addr string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	open := make(chan struct{})
	close(open)
	p := &Proxy{target: addr, listener: l, closed: make(chan struct{}), links: map[*link]struct{}{}, up: open, down: open}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr returns the address that clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut resets all connections. New ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close()
	}
}

// Redirect makes new connections go to another address, as a virtual address does
// that moves to another server. Those that are open stay.
func (p *Proxy) Redirect(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = addr
}

// Refuse makes the proxy reset new connections at once, until it is called with
// false. Those that are open stay.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = on
}

// Hole makes the network swallow everything in both directions while connections
// stay open, as a dead switch does. With false what was held back arrives.
func (p *Proxy) Hole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	setGate(&p.up, on)
	setGate(&p.down, on)
}

// HoleReplies is Hole for the direction from the server only: requests arrive
// and take effect, replies and pushes do not come.
func (p *Proxy) HoleReplies(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	setGate(&p.down, on)
}

// setGate shuts or opens a gate. A gate that is a closed channel is open.
func setGate(gate *chan struct{}, shut bool) {
	select {
	case <-*gate: // open
		if shut {
			*gate = make(chan struct{})
		}
	default:
		if !shut {
			close(*gate)
		}
	}
}

// Delay makes every packet, in either direction, wait for d.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Traffic returns how many bytes were forwarded to the server and from it, and
// how many connections were accepted.
func (p *Proxy) Traffic() (sent, received, connections int64) {
	return p.sent.Load(), p.received.Load(), p.accepted.Load()
}

// Close ends the proxy and all its connections, and waits for its goroutines.
func (p *Proxy) Close() {
	p.listener.Close()
	p.mu.Lock()
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	p.mu.Unlock()
	p.Cut()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.accepted.Add(1)
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	l := &link{client: client, cut: make(chan struct{})}
	p.mu.Lock()
	refuses, target := p.refuses, p.target
	p.mu.Unlock()
	server, err := net.DialTimeout("tcp", target, doTimeout)
	if err != nil || refuses {
		if server != nil {
			server.Close()
		}
		l.close()
		return
	}
	l.server = server
	p.mu.Lock()
	p.links[l] = struct{}{}
	p.mu.Unlock()
	select {
	case <-p.closed: // Close may have missed this link
		l.close()
	default:
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.forward(l, server, client, &p.up, &p.sent) })
	wg.Go(func() { p.forward(l, client, server, &p.down, &p.received) })
	wg.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// forward copies from src to dst until either fails, through a gate.
func (p *Proxy) forward(l *link, dst, src net.Conn, gate *chan struct{}, count *atomic.Int64) {
	defer l.close()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if !p.pass(l, gate) {
				return
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
			count.Add(int64(n))
		}
		if err != nil {
			p.pass(l, gate) // the end of a connection is a packet too
			return
		}
	}
}

// pass waits until the gate is open, and for the delay. It returns false if the
// link has ended meanwhile.
func (p *Proxy) pass(l *link, gate *chan struct{}) bool {
	p.mu.Lock()
	g := *gate
	p.mu.Unlock()
	select {
	case <-g:
	case <-l.cut:
		return false
	}
	d := time.Duration(p.delay.Load())
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.cut:
		return false
	}
}

// close ends both sides with a reset.
func (l *link) close() {
	l.once.Do(func() {
		close(l.cut)
		for _, c := range []net.Conn{l.client, l.server} {
			if tcp, ok := c.(*net.TCPConn); ok {
				tcp.SetLinger(0)
				tcp.Close()
			}
		}
	})
}
