package redistest_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
)

// ask sends a PING through nc; it returns false if no PONG comes within d.
func ask(t *testing.T, nc net.Conn, d time.Duration) bool {
	t.Helper()
	fmt.Fprint(nc, "PING\r\n")
	return answered(nc, d)
}

func answered(nc net.Conn, d time.Duration) bool {
	nc.SetReadDeadline(time.Now().Add(d))
	buf := make([]byte, 7)
	_, err := nc.Read(buf)
	return err == nil && string(buf) == "+PONG\r\n"
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

const long, short = 10 * time.Second, 50 * time.Millisecond

func TestProxy(t *testing.T) {
	s := redistest.Start(t, nil)
	p := redistest.StartProxy(t, s.Addr())
	nc := dial(t, p.Addr())
	if !ask(t, nc, long) {
		t.Fatal("no answer through the proxy")
	}
	redistest.WaitFor(t, "the count of 6 bytes there, 7 back, 1 connection", func() bool {
		sent, received, conns := p.Traffic()
		return sent == 6 && received == 7 && conns == 1
	})

	p.Hole(true)
	if ask(t, nc, short) {
		t.Fatal("answer out of the hole")
	}
	p.Hole(false)
	if !answered(nc, long) {
		t.Fatal("what was held back did not arrive")
	}

	p.HoleReplies(true)
	fmt.Fprint(nc, "INCR n\r\n")
	redistest.WaitFor(t, "the request to take effect", func() bool {
		got, err := s.Do("GET", "n")
		return err == nil && got == "1"
	})
	if answered(nc, short) {
		t.Fatal("reply out of the hole")
	}
	p.Cut()
	nc.SetReadDeadline(time.Now().Add(long))
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Fatal("read from a connection that was cut")
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Fatal("Cut did not end the connection")
	}
	p.HoleReplies(false)

	nc = dial(t, p.Addr())
	if !ask(t, nc, long) {
		t.Fatal("no new connection after Cut")
	}
	p.Refuse(true)
	if nc, err := net.Dial("tcp", p.Addr()); err == nil { // else it was reset before it was there
		defer nc.Close()
		if ask(t, nc, long) {
			t.Fatal("answer on a refused connection")
		}
	}
	p.Refuse(false)
	p.Delay(short)
	start := time.Now()
	if !ask(t, nc, long) || time.Since(start) < 2*short {
		t.Fatalf("answer after %v, want at least %v", time.Since(start), 2*short)
	}
}

func TestProxy_Redirect(t *testing.T) {
	a, b := redistest.Start(t, nil), redistest.Start(t, nil)
	p := redistest.StartProxy(t, a.Addr())
	nc := dial(t, p.Addr())
	if !ask(t, nc, long) {
		t.Fatal("no answer through the proxy")
	}
	p.Redirect(b.Addr())
	if !ask(t, nc, long) {
		t.Error("an open connection was cut")
	}
	a.Kill()
	if !ask(t, dial(t, p.Addr()), long) {
		t.Error("a new connection does not lead to the other server")
	}
}

func TestProxy_requests(t *testing.T) {
	s := redistest.Start(t, nil)
	p := redistest.StartProxy(t, s.Addr())
	nc := dial(t, p.Addr())
	if !ask(t, nc, long) || p.Held() != 0 {
		t.Fatalf("no answer through the proxy, or it holds back %d", p.Held())
	}
	p.HoleRequests(true)
	fmt.Fprint(nc, "INCR n\r\n")
	redistest.WaitFor(t, "the request to be held back", func() bool { return p.Held() == 1 })
	if got, err := s.Do("GET", "n"); got != nil || err != nil {
		t.Fatalf("a request that is held back took effect: %v, %v", got, err)
	}
	p.HoleRequests(false)
	redistest.WaitFor(t, "the request to take effect", func() bool {
		got, err := s.Do("GET", "n")
		return err == nil && got == "1"
	})
}

func TestProxy_shapes(t *testing.T) {
	s := redistest.Start(t, nil)
	p := redistest.StartProxy(t, s.Addr())
	nc := dial(t, p.Addr())
	p.Throttle(100) // 6 bytes there and 7 back take 130 ms
	start := time.Now()
	if !ask(t, nc, long) || time.Since(start) < 130*time.Millisecond {
		t.Errorf("with 100 bytes a second an answer came after %v", time.Since(start))
	}
	p.Throttle(0)
	p.Jitter(short)
	if !ask(t, nc, long) {
		t.Error("no answer with jitter")
	}
	p.Jitter(0)

	p.End()
	nc.SetReadDeadline(time.Now().Add(long))
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a link that ended in order: %v, want EOF", err)
	}
	if !ask(t, dial(t, p.Addr()), long) {
		t.Error("no new connection after End")
	}
}
