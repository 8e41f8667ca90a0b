// Package redistest starts real Redis servers for tests and benchmarks: one
// server ([Start]), a cluster ([StartCluster]), a primary with replica and
// sentinels ([StartSentinel]), and a TCP proxy that makes networks fail
// ([StartProxy]).
//
// The server binary is redis-server from PATH, or what STRATA_TEST_SERVER names:
// any Redis from 6.2 on, or Valkey. Where there is none, tests fail and say how
// to install one; they never skip. Servers listen on 127.0.0.1 only, keep nothing
// on disk unless told to, and end with the test; on Linux also when the test
// binary crashes.
//
// Functions called Start take a [testing.TB], fail the test on errors and clean
// up at its end. Those called New return errors and need a Close: they serve
// TestMain and programs.
package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// startTimeout bounds how long a server may take until it answers. It is
// generous, because test machines are busy.
const startTimeout = 30 * time.Second

// Options configure a server. The zero value, and nil, give an empty server
// without password, TLS, memory limit or persistence.
type Options struct {
	// Password is what clients must authenticate with. Empty: nothing.
	Password string

	// TLS makes the server speak TLS only, with a certificate made for the
	// occasion. [Server.TLSConfig] returns what a client needs.
	TLS bool

	// MaxMemory is the maxmemory setting, "8mb" for instance. Empty: no limit.
	MaxMemory string

	// MaxMemoryPolicy is the maxmemory-policy setting. Empty: noeviction.
	MaxMemoryPolicy string

	// OwnClock gives the server a clock that [Server.SetClock] can set. It takes
	// Linux and a C compiler.
	OwnClock bool

	// Dir is the working directory, where persistence files go. Empty: a
	// directory that is removed by Close.
	Dir string

	// Config are further lines of the configuration file, such as
	// "replicaof 127.0.0.1 6379". They come last, so they override others.
	Config []string
}

// Start starts a server that ends with the test. Its log is shown if the test fails.
func Start(t testing.TB, o *Options) *Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { finish(t, s) })
	return s
}

// finish closes servers at the end of a test, and shows the logs of a failed one.
func finish(t testing.TB, servers ...*Server) {
	for _, s := range servers {
		if t.Failed() {
			t.Logf("log of the server at %s:\n%s", s.Addr(), s.LogTail(30))
		}
		s.Close()
	}
}

// Binary returns the path of the server binary, or an error that says how to
// get one.
func Binary() (string, error) {
	const help = "install one with \"make test\", \"apt-get install redis-server\" or \"brew install redis\", or name one in STRATA_TEST_SERVER"
	name := os.Getenv("STRATA_TEST_SERVER")
	if name == "" {
		name = "redis-server"
	}
	path, err := exec.LookPath(name)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return "", fmt.Errorf("redistest: no server binary (%w): %s", err, help)
	}
	return path, nil
}

// WaitFor calls cond every few milliseconds until it returns true, and fails the
// test if it has not within a generous time. what completes "waited in vain for".
func WaitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if err := waitFor(what, cond); err != nil {
		t.Fatal(err)
	}
}

func waitFor(what string, cond func() bool) error {
	for end := time.Now().Add(startTimeout); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("redistest: waited in vain for %s", what)
		}
	}
	return nil
}
