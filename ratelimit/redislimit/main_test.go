package redislimit_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

var ctx = context.Background()

// patience is a Timeout that a busy machine does not reach.
const patience = 30 * time.Second

// long is a Window that does not end within a test.
const long = 365 * 24 * time.Hour

// The server that tests share, each with keys of its own. Tests that do harm to a
// server start one.
var (
	sharedServer = sync.OnceValues(func() (*redistest.Server, error) { return redistest.New(nil) })
	usedServer   atomic.Bool
)

func TestMain(m *testing.M) {
	if os.Getenv(peerEnv) != "" {
		peerMain()
		return
	}
	code := m.Run()
	if usedServer.Load() {
		if s, err := sharedServer(); err == nil {
			s.Close()
		}
	}
	os.Exit(code)
}

func server(t testing.TB) *redistest.Server {
	t.Helper()
	usedServer.Store(true)
	s, err := sharedServer()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t testing.TB, addrs ...string) rueidis.Client {
	t.Helper()
	c, err := redislimit.Dial(rueidis.ClientOption{InitAddress: addrs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var lastPrefix atomic.Int64

// open makes a limiter on s. Where o says nothing it has a prefix of its own and patience.
func open(t testing.TB, s *redistest.Server, o redislimit.Options, p ratelimit.Policy, more ...ratelimit.Policy) *redislimit.Limiter {
	t.Helper()
	if o.Prefix == "" {
		o.Prefix = fmt.Sprintf("%d-%d:", os.Getpid(), lastPrefix.Add(1))
	}
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	l, err := redislimit.New(dial(t, s.Addr()), &o, p, more...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func policy(algorithm ratelimit.Algorithm, limit int, window time.Duration) ratelimit.Policy {
	return ratelimit.Policy{Name: "p", Algorithm: algorithm, Limit: limit, Window: window}
}

func allowN(t testing.TB, l ratelimit.Limiter, key string, n int) ratelimit.Result {
	t.Helper()
	r, err := l.AllowN(t.Context(), key, n)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// calls returns how often commands were sent to a server; without names, all but INFO
// and what connections begin with. Those that scripts call are told apart by names.
func calls(t testing.TB, s *redistest.Server, names ...string) (n int) {
	t.Helper()
	info, err := s.Info("commandstats")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, field := range strings.Split(info["cmdstat_"+name], ",") {
			if v, ok := strings.CutPrefix(field, "calls="); ok {
				i, _ := strconv.Atoi(v)
				n += i
			}
		}
	}
	return n
}
