package redistest

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// freePort returns a port that is free together with the port 10,000 above it, the bus of a
// cluster node. Ports are chosen below the range that systems use for outgoing connections.
// Another process may still take it first: callers retry.
func freePort() (int, error) {
	for range 200 {
		port := 10_000 + rand.IntN(20_000)
		if isFree(port) && isFree(port+10_000) {
			return port, nil
		}
	}
	return 0, errors.New("redistest: no free port")
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
