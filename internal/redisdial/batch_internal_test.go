package redisdial

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
)

// witness is a connection that notes what has happened before it writes.
type witness struct {
	net.Conn
	ran  atomic.Bool
	seen bool
}

func (w *witness) Write(b []byte) (int, error) {
	w.seen = w.ran.Load()
	return len(b), nil
}

func TestBatchConn_Write_afterOthers(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	seen := 0
	for range 20 { // the scheduler may prefer the writer now and then
		w := &witness{}
		c := &batchConn{Conn: w}
		done := make(chan struct{})
		go func() {
			w.ran.Store(true)
			close(done)
		}()
		c.Write(nil)
		<-done
		if w.seen {
			seen++
		}
	}
	if seen < 10 {
		t.Errorf("%d of 20 writes came after a goroutine that was ready before", seen)
	}
}

func (w *witness) Read(b []byte) (int, error) { return len(b), nil }

// A caller that is alone, and so has the reply to one packet before it sends the next, does not
// pay for a yield. Soon after a second caller was there, it does.
func TestBatchConn_Write_alone(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	yielded := func(c *batchConn) (n int) {
		for range 20 {
			w := &witness{}
			c.Conn = w
			done := make(chan struct{})
			go func() {
				w.ran.Store(true)
				close(done)
			}()
			c.Write(nil)
			<-done
			c.Read(nil)
			if w.seen {
				n++
			}
		}
		return n
	}
	c := &batchConn{}
	c.answered.Store(true)
	if n := yielded(c); n > 10 {
		t.Errorf("%d of 20 writes of a caller that is alone came after another goroutine", n)
	}
	c.Write(nil)
	c.Write(nil)
	c.Read(nil)
	if n := yielded(c); n < 10 {
		t.Errorf("%d of 20 writes came after a goroutine that was ready before, while there are several callers", n)
	}
}
