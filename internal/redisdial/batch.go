package redisdial

import (
	"net"
	"runtime"
	"sync/atomic"
)

// A batchConn yields to runnable goroutines before each packet that it sends while several
// callers use it. rueidis sends its buffer as soon as no other command is queued. With many
// callers on few processors that is one command at a time, because it runs before they do.
// After the yield, they have queued their commands and share the packet (benchmarks/README.md).
//
// A caller that is alone would pay for a yield: the scheduler wakes another thread.
type batchConn struct {
	net.Conn
	answered atomic.Bool  // something was read since the last Write
	yields   atomic.Int32 // how many Writes are to yield
}

// crowded is how many Writes yield after one that was sent before anything was read since the
// last: two callers at least use the connection.
const crowded = 64

func (c *batchConn) Write(b []byte) (int, error) {
	if !c.answered.Swap(false) {
		c.yields.Store(crowded)
	}
	if c.yields.Load() > 0 {
		c.yields.Add(-1)
		runtime.Gosched()
	}
	return c.Conn.Write(b)
}

func (c *batchConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.answered.Store(true)
	return n, err
}
