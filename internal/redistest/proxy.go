package redistest

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Proxy is a TCP proxy that simulates network failures. All methods are safe for
// concurrent use.
type Proxy struct {
	listener net.Listener
	wg       sync.WaitGroup
	closed   chan struct{}
	delay    atomic.Int64 // of each packet, in nanoseconds
	jitter   atomic.Int64 // maximum of the random addition
	rate     atomic.Int64 // bytes a second; 0: no limit
	held     atomic.Int64 // packets held back by a gate
	sent     atomic.Int64
	received atomic.Int64
	accepted atomic.Int64
	filters  atomic.Bool // new links parse pushes
	drops    atomic.Bool // and drop them

	mu      sync.Mutex
	target  string
	links   map[*link]struct{}
	up      chan struct{} // requests pass while it is closed
	down    chan struct{} // replies pass while it is closed
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

// Redirect makes new connections go to another address, like a virtual address that moves
// to another server. Open connections stay.
func (p *Proxy) Redirect(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = addr
}

// End closes all connections in order, like a regular close by both sides. New ones are
// accepted.
func (p *Proxy) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.end()
	}
}

// Refuse makes the proxy reset new connections at once, until it is called with false. Open
// connections stay.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = on
}

// Hole makes the network drop everything in both directions while connections stay open,
// like a dead switch. With false, packets held back arrive.
func (p *Proxy) Hole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	setGate(&p.up, on)
	setGate(&p.down, on)
}

// HoleReplies is Hole for the direction from the server only: requests arrive and take
// effect, replies and pushes do not arrive.
func (p *Proxy) HoleReplies(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	setGate(&p.down, on)
}

// HoleRequests is Hole for the direction to the server only: pushes arrive; requests do
// not, and take effect later.
func (p *Proxy) HoleRequests(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	setGate(&p.up, on)
}

// Held returns the number of packets that a hole holds back.
func (p *Proxy) Held() int { return int(p.held.Load()) }

// setGate shuts or opens a gate: a closed channel is open.
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

// Jitter makes every packet wait for a random time of up to d more.
func (p *Proxy) Jitter(d time.Duration) { p.jitter.Store(int64(d)) }

// Throttle limits each direction of each connection to n bytes per second. 0: no limit.
func (p *Proxy) Throttle(n int) { p.rate.Store(int64(n)) }

// Traffic returns the number of bytes forwarded to and from the server, and of accepted
// connections.
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
	var replies io.Reader = server
	if p.filters.Load() {
		replies = &pushFilter{r: bufio.NewReader(server), drops: &p.drops}
	}
	wg.Go(func() { p.forward(l, client, replies, &p.down, &p.received) })
	wg.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// forward copies from src to dst until either fails, through a gate.
func (p *Proxy) forward(l *link, dst net.Conn, src io.Reader, gate *chan struct{}, count *atomic.Int64) {
	defer l.close()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if !p.pass(l, gate, n) {
				return
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
			count.Add(int64(n))
		}
		if err != nil {
			p.pass(l, gate, 0) // the end of a connection counts as a packet
			return
		}
	}
}

// pass waits until the gate is open, and for the time that a packet of n bytes takes. It
// returns false if the link has ended.
func (p *Proxy) pass(l *link, gate *chan struct{}, n int) bool {
	p.mu.Lock()
	g := *gate
	p.mu.Unlock()
	p.held.Add(1)
	select {
	case <-g:
		p.held.Add(-1)
	case <-l.cut:
		p.held.Add(-1)
		return false
	}
	d := p.takes(n)
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

// takes returns how long a packet of n bytes takes.
func (p *Proxy) takes(n int) time.Duration {
	d := time.Duration(p.delay.Load())
	if j := p.jitter.Load(); j > 0 {
		d += time.Duration(rand.Int64N(j))
	}
	if rate := p.rate.Load(); rate > 0 {
		d += time.Duration(n) * time.Second / time.Duration(rate)
	}
	return d
}

// end closes both directions after the data in flight.
func (l *link) end() {
	for _, c := range []net.Conn{l.client, l.server} {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.CloseWrite()
		}
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
