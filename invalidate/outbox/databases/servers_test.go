package databases

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/lokroom/strata/internal/dbtest"
)

// A whole is the [testing.TB] of servers that all tests share, because they take seconds to
// start. A failure to start one ends the tests.
type whole struct {
	testing.TB
	mu       sync.Mutex
	cleanups []func()
}

func (*whole) Helper()      {}
func (*whole) Failed() bool { return false }

func (w *whole) Cleanup(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cleanups = append(w.cleanups, f)
}

func (w *whole) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	w.end()
	os.Exit(1)
}

func (w *whole) Fatalf(format string, args ...any) { w.Fatal(fmt.Sprintf(format, args...)) }

// end stops the servers.
func (w *whole) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.cleanups) - 1; i >= 0; i-- {
		w.cleanups[i]()
	}
	w.cleanups = nil
}

var (
	shared     whole
	postgreSQL = sync.OnceValue(func() *dbtest.Server { return dbtest.StartPostgreSQL(&shared) })
	mariaDB    = sync.OnceValue(func() *dbtest.Server { return dbtest.StartMariaDB(&shared) })
)
