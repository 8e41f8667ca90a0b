// Package dbtest starts real database servers for tests: PostgreSQL, with standbys, and
// MariaDB. They listen on 127.0.0.1 at free ports, keep their data in temporary directories,
// and end with the test; on Linux also when the test binary crashes.
//
// Without the server binaries tests fail with installation instructions; they never skip.
// Started by root, which the servers refuse, they run as another user.
package dbtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// startTimeout bounds the start of a server. It is generous, because test machines are busy.
const startTimeout = 60 * time.Second

// A Server is a running database server.
type Server struct {
	DSN string // for the driver: see StartPostgreSQL and StartMariaDB

	port int
	dir  string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// find returns the path of a binary in one of dirs, which are patterns, or on PATH, where
// Debian has wrappers of some. The last match, which is the newest version, wins.
func find(name string, dirs ...string) (string, error) {
	for _, dir := range dirs {
		found, _ := filepath.Glob(filepath.Join(dir, name))
		slices.Sort(found)
		if len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("dbtest: there is no %s: install it with \"make test\", or with \"apt-get install postgresql mariadb-server\"", name)
}

// newDir returns a directory that users may own, with the path short enough for a socket.
func newDir(t testing.TB, u *user) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "strata-db")
	if err == nil && u != nil {
		err = os.Chown(dir, u.uid, u.gid)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// run runs a command to its end as u.
func run(t testing.TB, u *user, dir, binary string, args ...string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.SysProcAttr = dir, attributes(u)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("dbtest: %s: %v\n%s", filepath.Base(binary), err, out)
	}
}

// start starts a server as u, and waits until ready returns true.
func (s *Server) start(t testing.TB, u *user, ready func() bool, binary string, args ...string) {
	t.Helper()
	s.log = filepath.Join(s.dir, "server.log")
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s.cmd, s.done = exec.Command(binary, args...), make(chan struct{})
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = s.dir, out, out, attributes(u)
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	go func() {
		s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", filepath.Base(binary), s.logTail())
		}
		s.Kill()
	})
	for end := time.Now().Add(startTimeout); !ready(); time.Sleep(20 * time.Millisecond) {
		select {
		case <-s.done:
			t.Fatalf("dbtest: %s ended:\n%s", filepath.Base(binary), s.logTail())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("dbtest: %s does not answer:\n%s", filepath.Base(binary), s.logTail())
		}
	}
}

// Kill kills the server with SIGKILL and waits for its end.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.done
}

func (s *Server) logTail() string {
	b, _ := os.ReadFile(s.log)
	return string(b[max(len(b)-3000, 0):])
}

// freePort returns a port below the range of outgoing connections.
func freePort() (int, error) {
	for range 200 {
		port := 10_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("dbtest: no free port")
}
