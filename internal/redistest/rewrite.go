package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// A Rewriter is a TCP proxy that makes the server answer selected commands with errors. All
// methods are safe for concurrent use.
type Rewriter struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	rewrite func(args []string) []byte // nil: commands are unchanged
	closed  bool
}

// StartRewriter starts a proxy to addr that ends with the test.
func StartRewriter(t testing.TB, addr string) *Rewriter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Rewriter{listener: l, target: addr, conns: map[net.Conn]struct{}{}}
	r.wg.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

// Addr returns the address that clients connect to.
func (r *Rewriter) Addr() string { return r.listener.Addr().String() }

// Answer answers each command that match accepts with an error with this text, without
// running the command. It sends a script that returns the error to the server instead, so
// that replies keep their order. A nil match ends that.
func (r *Rewriter) Answer(match func(args []string) bool, text string) {
	r.Rewrite(match, appendCommand(nil, []any{"EVAL", "return redis.error_reply(ARGV[1])", 0, text}))
}

// Rewrite sends instead to the server for each command that match accepts. A nil match ends
// that.
func (r *Rewriter) Rewrite(match func(args []string) bool, instead []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rewrite = nil; match != nil {
		r.rewrite = func(args []string) []byte {
			if match(args) {
				return instead
			}
			return nil
		}
	}
}

func (r *Rewriter) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.wg.Go(func() { r.serve(client) })
	}
}

func (r *Rewriter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", r.target, doTimeout)
	if err != nil {
		return
	}
	defer server.Close()
	if !r.keep(client, server) {
		return
	}
	r.wg.Go(func() {
		io.Copy(client, server)
		client.Close()
	})
	in := bufio.NewReader(client)
	for {
		raw, args, err := readCommand(in)
		if err != nil {
			return
		}
		r.mu.Lock()
		rewrite := r.rewrite
		r.mu.Unlock()
		if rewrite != nil {
			if instead := rewrite(args); instead != nil {
				raw = instead
			}
		}
		if _, err := server.Write(raw); err != nil {
			return
		}
	}
}

// keep registers connections that close closes.
func (r *Rewriter) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		r.conns[c] = struct{}{}
	}
	return !r.closed
}

func (r *Rewriter) close() {
	r.listener.Close()
	r.mu.Lock()
	r.closed = true
	for c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// readCommand reads a command in the format of clients, an array of bulk strings, and also
// returns its bytes.
func readCommand(in *bufio.Reader) (raw []byte, args []string, err error) {
	n, raw, err := readCount(in, '*', nil)
	for range n {
		var size int
		if size, raw, err = readCount(in, '$', raw); err != nil {
			return nil, nil, err
		}
		arg := make([]byte, size+2)
		if _, err = io.ReadFull(in, arg); err != nil {
			return nil, nil, err
		}
		raw, args = append(raw, arg...), append(args, string(arg[:size]))
	}
	return raw, args, err
}

func readCount(in *bufio.Reader, kind byte, raw []byte) (int, []byte, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 4 || line[0] != kind {
		return 0, nil, fmt.Errorf("redistest: %q begins no command", line)
	}
	n, err := strconv.Atoi(line[1 : len(line)-2])
	return n, append(raw, line...), err
}
