package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
	"go.uber.org/goleak"
)

var ctx = context.Background()

// The servers that tests share, each with keys of its own. Tests that do harm to
// a server start one.
var (
	sharedServer  = sync.OnceValues(func() (*redistest.Server, error) { return redistest.New(nil) })
	sharedCluster = sync.OnceValues(func() (*redistest.Cluster, error) { return redistest.NewCluster(3) })
	usedServer    atomic.Bool
	usedCluster   atomic.Bool
)

func TestMain(m *testing.M) {

	// rueidis leaves two goroutines of a cluster client to end by themselves,
	// whether or not the client was closed: one lets go of replaced connections
	// after 5 s, the other looks at the topology again within 1 s.
	goleak.VerifyTestMain(closing{m},
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// closing stops the shared servers before leaks are looked for.
type closing struct{ m *testing.M }

func (c closing) Run() int {
	code := c.m.Run()
	if usedServer.Load() {
		if s, err := sharedServer(); err == nil {
			s.Close()
		}
	}
	if usedCluster.Load() {
		if s, err := sharedCluster(); err == nil {
			s.Close()
		}
	}
	return code
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

func cluster(t testing.TB) *redistest.Cluster {
	t.Helper()
	usedCluster.Store(true)
	c, err := sharedCluster()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// to returns the option that names a server.
func to(s *redistest.Server) rueidis.ClientOption {
	return rueidis.ClientOption{InitAddress: []string{s.Addr()}, TLSConfig: s.TLSConfig()}
}

// dial connects a client that is closed with the test.
func dial(t testing.TB, opt rueidis.ClientOption) *redisstore.Client {
	t.Helper()
	return dialWith(t, &redisstore.Dialer{Timeout: patience}, opt)
}

func dialWith(t testing.TB, d *redisstore.Dialer, opt rueidis.ClientOption) *redisstore.Client {
	t.Helper()
	c, err := d.Dial(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var lastPrefix atomic.Int64

// prefix returns a prefix that no other test has.
func prefix() string { return fmt.Sprintf("%d-%d:", os.Getpid(), lastPrefix.Add(1)) }

// open returns a store of strings on the shared server, with a prefix of its own.
func open(t testing.TB) (*redisstore.Store[string], string) {
	t.Helper()
	p := prefix()
	return strings(dial(t, to(server(t))), p), p
}

func strings(c *redisstore.Client, prefix string) *redisstore.Store[string] {
	return redisstore.New(c, &redisstore.Options[string]{Prefix: prefix, Codec: codec.String()})
}
