package redisdial

import (
	"net"
	"runtime"
)

// A batchConn steps back before each packet that it sends, for whoever is ready to
// run. rueidis sends what it has as soon as no other command waits to be sent, and
// with many callers on few processors that is one command at a time, because it runs
// before they do. So they hand in theirs first, and share the next packet. Where
// nobody is ready it costs nothing, unlike a delay (docs/benchmarks.md).
type batchConn struct{ net.Conn }

func (c batchConn) Write(b []byte) (int, error) {
	runtime.Gosched()
	return c.Conn.Write(b)
}
