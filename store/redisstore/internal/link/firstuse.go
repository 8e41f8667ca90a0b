package link

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
)

// A firstUse notifies when a connection is first used: before something else is sent over
// it than what sets it up. rueidis dials a new primary and asks for its role while
// commands still go to the old one, sends them to the new one at a moment that nobody
// can see, and closes the old connection after that.
type firstUse struct {
	net.Conn
	notify func()
	used   atomic.Bool
}

func (c *firstUse) Write(b []byte) (int, error) {
	if !c.used.Load() && !setsUp(b) && !c.used.Swap(true) {
		c.notify()
	}
	return c.Conn.Write(b)
}

var setUp = []string{"HELLO", "AUTH", "CLIENT", "SELECT", "READONLY", "INFO", "ROLE", "PING"}

// setsUp reports whether b is nothing but commands that set a connection up. What is
// not understood is none.
func setsUp(b []byte) bool {
	for len(b) > 0 {
		n, rest, ok := count(b, '*')
		if !ok || n < 1 {
			return false
		}
		for i := range n {
			size, arg, ok := count(rest, '$')
			if !ok || len(arg) < size+2 {
				return false
			}
			if i == 0 && !slices.Contains(setUp, string(arg[:size])) {
				return false
			}
			rest = arg[size+2:]
		}
		b = rest
	}
	return true
}

// count reads a number that follows kind.
func count(b []byte, kind byte) (n int, rest []byte, ok bool) {
	line, rest, ok := bytes.Cut(b, []byte("\r\n"))
	if !ok || len(line) < 2 || line[0] != kind {
		return 0, nil, false
	}
	n, err := strconv.Atoi(string(line[1:]))
	return n, rest, err == nil && n >= 0
}
