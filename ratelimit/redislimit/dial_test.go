package redislimit_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
)

// Those who ask at the same time share packets, on one connection.
func TestDial_batches(t *testing.T) {
	server := redistest.Start(t, nil)
	l := open(t, server, redislimit.Options{}, policy(ratelimit.GCRA, 1_000_000, time.Hour))
	if _, err := l.Allow(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	count := func(section, name string) int {
		t.Helper()
		info, err := server.Info(section)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(info[name])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// On one processor the writer of rueidis comes before the other callers. (Not under
	// the race detector, which shuffles: see internal/redisdial.)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const callers, each = 64, 50
	clients, before := count("clients", "connected_clients"), count("stats", "total_reads_processed")
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				if r, err := l.Allow(t.Context(), "k"); err != nil || !r.Allowed {
					t.Error(r, err)
				}
			}
		})
	}
	all.Wait()
	if n := count("stats", "total_reads_processed") - before; n > callers*each/10 {
		t.Errorf("%d decisions took %d packets", callers*each, n)
	}
	if n := count("clients", "connected_clients"); n != clients {
		t.Errorf("%d connections, then %d", clients, n)
	}
}

func TestDial_errors(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	server := redistest.Start(t, &redistest.Options{Password: "right"})
	for _, c := range []struct {
		what        string
		opt         rueidis.ClientOption
		unavailable bool
	}{
		{"nobody there", rueidis.ClientOption{InitAddress: []string{addr}}, true},
		{"no address", rueidis.ClientOption{}, false},
		{"a wrong password", rueidis.ClientOption{InitAddress: []string{server.Addr()}, Password: "wrong"}, false},
	} {
		client, err := redislimit.Dial(c.opt)
		var own *store.Error
		if client != nil || !errors.As(err, &own) || own.Op != "dial" || errors.Is(err, store.ErrUnavailable) != c.unavailable {
			t.Errorf("%s: %v, %v", c.what, client, err)
		}
	}
}

// Settings of a connection are used: TLS, a password, a dial function.
func TestDial_settings(t *testing.T) {
	server := redistest.Start(t, &redistest.Options{Password: "right", TLS: true})
	dialled := 0
	client, err := redislimit.Dial(rueidis.ClientOption{
		InitAddress: []string{server.Addr()}, Password: "right", TLSConfig: server.TLSConfig(), DisableTCPNoDelay: true,
		DialCtxFn: func(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
			dialled++
			return (&tls.Dialer{NetDialer: d, Config: conf}).DialContext(ctx, "tcp", addr)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l, err := redislimit.New(client, &redislimit.Options{Timeout: patience}, policy(ratelimit.GCRA, 1, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if r := allowN(t, l, "k", 1); !r.Allowed || r.Source != ratelimit.SourceRedis || dialled != 1 {
		t.Errorf("%+v after %d dials", r, dialled)
	}
}
