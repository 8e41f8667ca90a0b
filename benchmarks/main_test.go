package benchmarks_test

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// measure is off in "go test": long measurements then run only a few operations, as a test.
var measure = flag.Bool("measure", false, "run TestRatios and TestHitRatio in full and print their tables (with -v)")

var ctx = context.Background()

var (
	sharedServer = sync.OnceValues(func() (*redistest.Server, error) {
		return redistest.New(&redistest.Options{MaxMemory: "2gb", MaxMemoryPolicy: "allkeys-lru"})
	})
	serverUsed atomic.Bool
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(closing{m}) }

// closing stops the server before the leak check.
type closing struct{ m *testing.M }

func (c closing) Run() int {
	code := c.m.Run()
	if serverUsed.Load() {
		if s, err := sharedServer(); err == nil {
			s.Close()
		}
	}
	return code
}

// server returns a Redis server that only this process uses.
func server(t testing.TB) *redistest.Server {
	t.Helper()
	serverUsed.Store(true)
	s, err := sharedServer()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dial opens a client of redisstore.
func dial(t testing.TB) *redisstore.Client {
	t.Helper()
	c, err := redisstore.Dial(rueidis.ClientOption{InitAddress: []string{server(t).Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// dialRaw opens a bare client with one pipelined connection, like ours. If tracked, the
// server tracks its reads, as for ours. If batching, it yields before it sends, like ours.
func dialRaw(t testing.TB, tracked, batching bool) rueidis.Client {
	t.Helper()
	opt := rueidis.ClientOption{
		InitAddress: []string{server(t).Addr()}, PipelineMultiplex: -1, BlockingPipeline: -1, DisableCache: !tracked,
	}
	if tracked {
		opt.ClientTrackingOptions = []string{"OPTOUT", "NOLOOP"}
		opt.OnInvalidations = func([]rueidis.RedisMessage) {}
	}
	if batching {
		opt.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			c, err := d.DialContext(ctx, "tcp", addr)
			return steppingBack{c}, err
		}
	}
	c, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// steppingBack yields to other goroutines before it sends.
type steppingBack struct{ net.Conn }

func (c steppingBack) Write(b []byte) (int, error) {
	runtime.Gosched()
	return c.Conn.Write(b)
}

var lastPrefix atomic.Int64

// prefix returns an unused key prefix.
func prefix() string { return "b" + strconv.FormatInt(lastPrefix.Add(1), 10) + ":" }

func openLayered[T any](t testing.TB, l1, l2 store.Store[T]) *layered.Store[T] {
	t.Helper()
	s, err := layered.New(l1, l2, &layered.Options[T]{TTL: life})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// reads returns the number of keys that the server has looked up for GET and MGET.
func reads(t testing.TB) (n int64) {
	t.Helper()
	info, err := server(t).Info("commandstats")
	if err != nil {
		t.Fatal(err)
	}
	var calls int64
	if _, err := fmt.Sscanf(info["cmdstat_get"], "calls=%d", &calls); err == nil {
		n += calls
	}
	return n
}
