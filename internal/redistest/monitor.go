package redistest

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Monitor records the commands that a server executes, those of scripts included. Unlike
// the counters of INFO it knows the keys: heartbeats, which come at any time, can be left out.
type Monitor struct {
	server *Server
	conn   *Conn
	seen   []monitored
	asked  int
}

type monitored struct{ command, key string }

// StartMonitor records what s executes from now on, until the end of t.
func StartMonitor(t testing.TB, s *Server) *Monitor {
	t.Helper()
	c, err := s.Dial()
	if err == nil {
		t.Cleanup(func() { c.Close() })
		_, err = c.Do("MONITOR")
	}
	if err != nil {
		t.Fatal(err)
	}
	return &Monitor{server: s, conn: c}
}

// Count returns how often command was executed with a first argument that matches the
// [path.Match] pattern keys, of all that was answered before the call. Calls must not be
// concurrent.
func (m *Monitor) Count(t testing.TB, command, keys string) (n int) {
	t.Helper()
	if err := m.read(); err != nil {
		t.Fatal(err)
	}
	for _, x := range m.seen {
		ok, err := path.Match(keys, x.key)
		if err != nil {
			t.Fatal(err)
		}
		if ok && strings.EqualFold(x.command, command) {
			n++
		}
	}
	return n
}

// read reads what was executed before an ECHO that it sends.
func (m *Monitor) read() error {
	m.asked++
	mark := monitored{"ECHO", fmt.Sprintf("%p-%d", m, m.asked)}
	if _, err := m.server.Do(mark.command, mark.key); err != nil {
		return err
	}
	m.conn.nc.SetDeadline(time.Now().Add(doTimeout))
	for {
		reply, err := readReply(m.conn.r)
		if err != nil {
			return err
		}
		x := parseMonitored(fmt.Sprint(reply))
		if x == mark {
			return nil
		}
		m.seen = append(m.seen, x)
	}
}

// parseMonitored reads a line such as
//
//	1339518083.107412 [0 127.0.0.1:60866] "get" "key"
func parseMonitored(line string) (x monitored) {
	_, args, _ := strings.Cut(line, "] ")
	for _, to := range []*string{&x.command, &x.key} {
		quoted, err := strconv.QuotedPrefix(args)
		if err != nil { // no argument is left
			return x
		}
		*to, _ = strconv.Unquote(quoted)
		args = strings.TrimPrefix(args[len(quoted):], " ")
	}
	return x
}
