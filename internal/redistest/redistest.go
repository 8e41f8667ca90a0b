// Package redistest starts real Redis servers for tests and benchmarks: one server
// ([Start]), a cluster ([StartCluster]), a primary with replica and sentinels
// ([StartSentinel]), and a TCP proxy that simulates network failures ([StartProxy]).
//
// The server binary is redis-server from PATH, or the one named by STRATA_TEST_SERVER:
// Redis 6.2 or later, or Valkey. Without it, tests fail with installation instructions;
// they never skip. Servers listen on 127.0.0.1 only and do not persist data unless
// configured to. They end with the test; on Linux also when the test binary crashes.
//
// Functions named Start take a [testing.TB], fail the test on errors and clean up at its
// end. Functions named New return errors and require a Close, for TestMain and programs.
package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// startTimeout bounds the start of a server. It is generous, because test machines are
// busy.
const startTimeout = 30 * time.Second

// Options configure a server. Nil and the zero value select an empty server without
// password, TLS, memory limit or persistence.
type Options struct {
	// Password is the password of clients. Empty: none.
	Password string

	// TLS makes the server accept TLS only, with a generated certificate.
	// [Server.TLSConfig] returns the configuration of clients.
	TLS bool

	// MaxMemory is the maxmemory setting, such as "8mb". Empty: no limit.
	MaxMemory string

	// MaxMemoryPolicy is the maxmemory-policy setting. Empty: noeviction.
	MaxMemoryPolicy string

	// OwnClock gives the server a clock that [Server.SetClock] can set. It requires Linux
	// and a C compiler.
	OwnClock bool

	// Dir is the working directory, with the persistence files. Empty: a directory that
	// Close removes.
	Dir string

	// Config are additional lines of the configuration file, such as "replicaof 127.0.0.1
	// 6379". They override other settings.
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

// Binary returns the path of the server binary, or an error with installation instructions.
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

// WaitFor polls cond every few milliseconds until it returns true, and fails the test after
// a generous time. what completes "waited in vain for".
func WaitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if err := waitFor(what, cond); err != nil {
		fmt.Fprintln(os.Stderr, t.Name(), err) // cleanups may wait for ever: for a loader, say
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
