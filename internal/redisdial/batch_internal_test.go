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
		c := batchConn{w}
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
