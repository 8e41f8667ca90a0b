package redisstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// A name is resolved for each new connection, to IPv4 and IPv6. So a server that takes over under
// another address is used as soon as the old one is gone, is a replica, or closes its connections.
func TestRedial_nameMoves(t *testing.T) {
	for what, leave := range map[string]func(old, next *redistest.Server) error{
		"the old server is gone":                func(old, _ *redistest.Server) error { old.Kill(); return nil },
		"the old server is a replica":           func(old, next *redistest.Server) error { return run(old, "REPLICAOF", "127.0.0.1", next.Port()) },
		"the old server closes the connections": func(old, _ *redistest.Server) error { return run(old, "CLIENT", "KILL", "TYPE", "normal") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			old, next := redistest.Start(t, nil), redistest.Start(t, nil)
			port := strconv.Itoa(old.Port())
			forward(t, net.JoinHostPort("::1", port), next.Addr())
			name := serveName(t)
			opt := rueidis.ClientOption{InitAddress: []string{net.JoinHostPort("redis.example", port)}}
			opt.Dialer.Resolver = name.resolver()
			c := dialWith(t, &redisstore.Dialer{Timeout: patience}, opt)
			s := strings(c, "p:")
			alive(t, s)
			set(t, s, "k", "v")
			name.moved.Store(true)
			if err := leave(old, next); err != nil {
				t.Fatal(err)
			}
			// A write may still have a stamp of the old server: for the new one it is then invalidated.
			redistest.WaitFor(t, "a write to the new server, and a read", func() bool {
				if err := s.Set(ctx, "k", store.Entry[string]{Value: "w"}); err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("Set: %v", err)
				}
				if n, err := next.Do("EXISTS", "p:k"); err != nil || n != int64(1) {
					return false
				}
				e, err := s.Get(ctx, "k")
				return err == nil && e.Value == "w"
			})
		})
	}
}

func run(s *redistest.Server, command ...any) error {
	_, err := s.Do(command...)
	return err
}

// forward accepts connections at an address, and connects each to another one.
func forward(t *testing.T, from, to string) {
	t.Helper()
	l, err := net.Listen("tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
}

// A movingName is a name server that answers every question: with 127.0.0.1, and when the name has
// moved, with ::1.
type movingName struct {
	conn  net.PacketConn
	moved atomic.Bool
}

func serveName(t *testing.T) *movingName {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n := &movingName{conn: conn}
	go func() {
		for question := make([]byte, 512); ; {
			size, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(n.answer(question[:size]), from)
		}
	}()
	return n
}

func (n *movingName) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
}

// answer returns the answer to a DNS message with one question (RFC 1035, section 4).
func (n *movingName) answer(message []byte) []byte {
	const header, typeA, typeAAAA = 12, 1, 28
	end := header
	for message[end] != 0 { // labels
		end += 1 + int(message[end])
	}
	asked := message[end+2]
	a := append([]byte{}, message[:end+5]...) // with the type and the class
	copy(a[2:header], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	ip, has := net.IPv4(127, 0, 0, 1).To4(), byte(typeA)
	if n.moved.Load() {
		ip, has = net.IPv6loopback, typeAAAA
	}
	if asked == has {
		a[7] = 1                                    // one answer,
		a = append(a, 0xc0, header, 0, has, 0, 1)   // for the name of the question
		a = append(a, 0, 0, 0, 0, 0, byte(len(ip))) // without a TTL
		a = append(a, ip...)
	}
	return a
}
