package redistest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// doTimeout bounds one exchange: a paused server must not block a test forever.
const doTimeout = 10 * time.Second

// A ReplyError is an error reply of the server.
type ReplyError string

// Error returns the text of the server.
func (e ReplyError) Error() string { return string(e) }

// A Conn is a plain connection (RESP2) to a server, with which tests inspect and change
// data without the client under test. Concurrent calls are serialized.
type Conn struct {
	mu sync.Mutex
	nc net.Conn
	r  *bufio.Reader
}

// Dial opens a connection and authenticates.
func (s *Server) Dial() (*Conn, error) {
	d := &net.Dialer{Timeout: doTimeout}
	var nc net.Conn
	var err error
	if s.tls != nil {
		nc, err = tls.DialWithDialer(d, "tcp", s.Addr(), s.tls)
	} else {
		nc, err = d.Dial("tcp", s.Addr())
	}
	if err != nil {
		return nil, err
	}
	c := &Conn{nc: nc, r: bufio.NewReader(nc)}
	if s.password != "" {
		if _, err := c.Do("AUTH", s.password); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// Do sends a command and returns its reply: a string, an int64, nil, or a slice of those,
// which may contain a [ReplyError]. Arguments are strings, []byte or values formatted by
// fmt.Sprint. An error reply is returned as a [ReplyError].
func (c *Conn) Do(args ...any) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nc.SetDeadline(time.Now().Add(doTimeout))
	if _, err := c.nc.Write(appendCommand(nil, args)); err != nil {
		return nil, err
	}
	reply, err := readReply(c.r)
	if e, ok := reply.(ReplyError); ok {
		return nil, e
	}
	return reply, err
}

// Do is [Conn.Do] on a connection that the Server keeps. If it was closed while idle, by a
// failover for instance, Do opens a new one.
func (s *Server) Do(args ...any) (any, error) {
	for {
		c, used, err := s.keptConn()
		if err != nil {
			return nil, err
		}
		reply, err := c.Do(args...)
		if re := ReplyError(""); err == nil || errors.As(err, &re) {
			return reply, err
		}
		c.Close()
		s.mu.Lock()
		if s.conn == c {
			s.conn = nil
		}
		s.mu.Unlock()
		if !used || !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
}

// keptConn returns the connection of Do, and whether it has been used before.
func (s *Server) keptConn() (c *Conn, used bool, err error) {
	s.mu.Lock()
	c = s.conn
	s.mu.Unlock()
	if c != nil {
		return c, true, nil
	}
	if c, err = s.Dial(); err != nil { // without the lock: Resume may be needed
		return nil, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil { // a concurrent call was faster
		c.Close()
		return s.conn, true, nil
	}
	s.conn = c
	return c, false, nil
}

// Info returns the fields of a section of INFO; "" gives the default ones.
func (s *Server) Info(section string) (map[string]string, error) {
	args := []any{"INFO"}
	if section != "" {
		args = append(args, section)
	}
	reply, err := s.Do(args...)
	if err != nil {
		return nil, err
	}
	text, _ := reply.(string)
	return parseInfo(text), nil
}

// Supports reports whether the server has a command, such as "getex" or
// "cluster|migrateslots". Subcommands require Redis 7.0; for older servers it returns
// false.
func (s *Server) Supports(command string) (bool, error) {
	reply, err := s.Do("COMMAND", "INFO", command)
	list, _ := reply.([]any)
	return len(list) == 1 && list[0] != nil, err
}

func parseInfo(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			fields[k] = v
		}
	}
	return fields
}

func appendCommand(dst []byte, args []any) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(args))
	for _, a := range args {
		b, ok := a.([]byte)
		if !ok {
			b = []byte(fmt.Sprint(a))
		}
		dst = fmt.Appendf(dst, "$%d\r\n%s\r\n", len(b), b)
	}
	return dst
}

func readReply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return nil, errors.New("redistest: empty reply")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return ReplyError(rest), nil
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("redistest: reply %q: %w", line, err)
	}
	switch {
	case kind == ':':
		return n, nil
	case n < 0:
		return nil, nil
	case kind == '$':
		b := make([]byte, n+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		return string(b[:n]), nil
	case kind == '*':
		list := make([]any, n)
		for i := range list {
			if list[i], err = readReply(r); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return nil, fmt.Errorf("redistest: reply of unknown kind %q", line)
}
