package redisdial

import (
	"net"
	"runtime"
)

// A batchConn yields to runnable goroutines before each packet that it sends. rueidis sends
// its buffer as soon as no other command is queued. With many callers on few processors
// that is one command at a time, because it runs before they do. After the yield, they have
// queued their commands and share the packet. Without runnable goroutines it costs nothing,
// unlike a delay (benchmarks/README.md).
type batchConn struct{ net.Conn }

func (c batchConn) Write(b []byte) (int, error) {
	runtime.Gosched()
	return c.Conn.Write(b)
}
