package redisstore_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	stdstrings "strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// A listener notes its notifications.
type listener struct {
	mu   sync.Mutex
	keys []string
	all  int
}

func watch(t testing.TB, s *redisstore.Store[string]) *listener {
	t.Helper()
	l := &listener{}
	t.Cleanup(watching(t, s, store.Watching{Changed: func(inv store.Invalidation) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.keys = append(l.keys, inv.Keys...)
		if inv.All {
			l.all++
		}
	}}))
	return l
}

// watching watches s until stop is called.
func watching(t testing.TB, s store.Watcher, w store.Watching) (stop func()) {
	t.Helper()
	stop, err := s.Watch(w)
	if err != nil {
		t.Fatal(err)
	}
	return stop
}

// alive keeps the heartbeat of the client of s running until the test ends.
func alive(t testing.TB, s store.Watcher) {
	t.Helper()
	t.Cleanup(watching(t, s, store.Watching{Connected: func(bool) {}}))
}

func (l *listener) alls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func (l *listener) told(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.keys, key)
}

func (l *listener) count(key string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.keys {
		if k == key {
			n++
		}
	}
	return n
}

func (l *listener) waitAll(t *testing.T) {
	t.Helper()
	redistest.WaitFor(t, "All", func() bool { return l.alls() > 0 })
}

func (l *listener) wait(t *testing.T, key string) {
	t.Helper()
	redistest.WaitFor(t, "the key "+key, func() bool { return l.told(key) })
}

func get(t *testing.T, s *redisstore.Store[string], key, want string) {
	t.Helper()
	e, err := s.Get(ctx, key)
	if want == "" && err != store.ErrNotFound || want != "" && (err != nil || e.Value != want) {
		t.Fatalf("Get(%q) = %q, %v, want %q", key, e.Value, err, want)
	}
}

func set(t *testing.T, s *redisstore.Store[string], key, v string) {
	t.Helper()
	if err := s.Set(ctx, key, store.Entry[string]{Value: v, ExpiresAt: store.In(time.Hour)}); err != nil {
		t.Fatal(err)
	}
}

func TestStore_Watch_prefixes(t *testing.T) {
	c := dial(t, to(server(t)))
	a, b := strings(c, prefix()), strings(c, prefix())
	ofA, ofB := watch(t, a), watch(t, b)
	get(t, a, "k", "")
	get(t, b, "fence", "")
	set(t, a, "k", "1")
	set(t, b, "fence", "1")
	ofB.wait(t, "fence") // on the same connection, after what a was notified
	ofA.wait(t, "k")
	if ofB.told("k") || ofA.told("fence") {
		t.Error("told of a key of another store")
	}
}

// TestStore_Fill_twoStores shows that a Fill is notified to the other stores of the
// client, whose reads went over the same connection.
func TestStore_Fill_twoStores(t *testing.T) {
	c := dial(t, to(server(t)))
	p := prefix()
	a, b := strings(c, p), strings(c, p)
	ofA, ofB := watch(t, a), watch(t, b)
	get(t, b, "k", "")
	if _, watched, err := a.Fill(ctx, "k", store.Entry[string]{Value: "v"}); err != nil || !watched {
		t.Fatal(watched, err)
	}
	if !ofB.told("k") {
		t.Error("the other store was not told")
	}
	if ofA.told("k") {
		t.Error("the store itself was told")
	}
}

// A splitConn holds back the second command of a Fill until between has run.
type splitConn struct {
	net.Conn
	between func()
}

func (c splitConn) Write(b []byte) (int, error) {
	at := bytes.Index(b, []byte("*4\r\n$8\r\nGETRANGE\r\n"))
	if at <= 0 {
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b[:at])
	if err != nil {
		return n, err
	}
	c.between()
	m, err := c.Conn.Write(b[at:])
	return n + m, err
}

func TestStore_Fill_overtaken(t *testing.T) {
	p := prefix()
	var between func()
	opt := to(server(t))
	opt.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		nc, err := d.DialContext(ctx, "tcp", addr)
		return splitConn{nc, func() { between() }}, err
	}
	s := strings(dial(t, opt), p)
	peer := strings(dial(t, to(server(t))), p)
	for name, foreign := range map[string]func() error{
		"Set":     func() error { return peer.Set(ctx, "k", store.Entry[string]{Value: "foreign"}) },
		"Fill":    func() error { _, _, err := peer.Fill(ctx, "k", store.Entry[string]{Value: "foreign"}); return err },
		"Delete":  func() error { return peer.Delete(ctx, "k") },
		"nothing": nil,
	} {
		ran := false
		between = func() {
			// Wait until the SET of s has arrived; then write.
			redistest.WaitFor(t, "the first half", func() bool {
				e, err := peer.Get(ctx, "k")
				return err == nil && e.Value == name
			})
			ran = true
			if foreign != nil {
				if err := foreign(); err != nil {
					t.Error(err)
				}
			}
		}
		_, watched, err := s.Fill(ctx, "k", store.Entry[string]{Value: name})
		if err != nil || watched != (foreign == nil) || !ran {
			t.Errorf("%s in between: watched %v, error %v, ran %v", name, watched, err, ran)
		}
	}
}

// loseAndRead loses the tracking connection with lose while a key is changed, and
// checks that no read is served by the next one before All was notified.
func loseAndRead(t *testing.T, s, peer *redisstore.Store[string], lose func()) {
	t.Helper()
	get(t, s, "k", "old")
	l := watch(t, s)
	lose()
	set(t, peer, "k", "new")
	redistest.WaitFor(t, "a read over the new connection", func() bool {
		e, err := s.Get(ctx, "k")
		if err == nil && e.Value == "new" && l.alls() == 0 {
			t.Fatal("a read was served before All was told")
		}
		return err == nil && e.Value == "new"
	})
	if l.alls() == 0 {
		t.Fatal("All was not told")
	}
}

func TestStore_Watch_connectionLost(t *testing.T) {
	srv := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, srv.Addr())
	opt := to(srv)
	opt.InitAddress = []string{proxy.Addr()}
	p := prefix()
	s, peer := strings(dial(t, opt), p), strings(dial(t, to(srv)), p)
	for round := range 20 {
		set(t, peer, "k", "old")
		if round%2 == 0 {
			loseAndRead(t, s, peer, proxy.Cut)
			continue
		}
		loseAndRead(t, s, peer, func() {
			if _, err := srv.Do("CLIENT", "KILL", "TYPE", "normal"); err != nil {
				t.Fatal(err)
			}
			redistest.WaitFor(t, "the peer to be there again", func() bool { return peer.Ping(ctx) == nil })
		})
	}
}

// A tattleConn calls closing before it is closed.
type tattleConn struct {
	net.Conn
	closing func()
}

func (c tattleConn) Close() error {
	c.closing()
	return c.Conn.Close()
}

// TestStore_Watch_order holds All to its place: before rueidis has even closed the
// connection that was lost, after which it might serve commands on the next. That
// a server that is down is dialled is no loss.
func TestStore_Watch_order(t *testing.T) {
	srv := redistest.Start(t, nil)
	srv.Kill()
	var watching atomic.Pointer[listener]
	var closes atomic.Int64
	opt := to(srv)
	opt.ForceSingleClient = true
	opt.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		l := watching.Load()
		nc, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return tattleConn{nc, func() {
			if l != nil && closes.Add(1) == 1 && l.alls() < 1 {
				t.Error("closed before All was told")
			}
		}}, nil
	}
	c := dialWith(t, &redisstore.Dialer{Lazy: true, Timeout: patience}, opt)
	s := strings(c, prefix())
	l := watch(t, s)
	for range 3 {
		if _, err := s.Get(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("Get = %v, want ErrUnavailable", err)
		}
	}
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
	watching.Store(l)
	get(t, s, "k", "")
	if l.alls() != 0 {
		t.Errorf("All was told %d times though nothing could be lost", l.alls())
	}
	// Let the server end T alone, while nothing is written to it.
	id, err := srv.Do("CLIENT", "LIST")
	if err != nil {
		t.Fatal(err)
	}
	for line := range stdstrings.Lines(id.(string)) {
		if stdstrings.Contains(line, "flags=t") {
			if _, err := srv.Do("CLIENT", "KILL", "ID", stdstrings.TrimPrefix(stdstrings.Fields(line)[0], "id=")); err != nil {
				t.Fatal(err)
			}
		}
	}
	redistest.WaitFor(t, "the end of T", func() bool { return closes.Load() > 0 })
}

func TestStore_Watch_restart(t *testing.T) {
	srv := redistest.Start(t, nil)
	p := prefix()
	s := strings(dial(t, to(srv)), p)
	set(t, s, "k", "old")
	get(t, s, "k", "old")
	l := watch(t, s)
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
	l.waitAll(t)
	get(t, s, "k", "")
	set(t, s, "k", "new")
	get(t, s, "k", "new")
}

func TestStore_Watch_flush(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dial(t, to(srv)), prefix())
	l := watch(t, s)
	if _, err := srv.Do("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	l.waitAll(t)
}

// TestStore_Watch_silentLoss holds back everything while the connection stays
// open: the pings of the connection must notice.
func TestStore_Watch_silentLoss(t *testing.T) {
	srv := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, srv.Addr())
	opt := to(srv)
	opt.InitAddress = []string{proxy.Addr()}
	s := strings(dial(t, opt), prefix())
	l := watch(t, s)
	proxy.Hole(true)
	l.waitAll(t)
	proxy.Hole(false)
}

func TestStore_Watch_stop(t *testing.T) {
	s, _ := open(t)
	var mu sync.Mutex
	stopped, late := false, false
	for i := range 50 {
		stop := watching(t, s, store.Watching{Changed: func(store.Invalidation) {
			mu.Lock()
			defer mu.Unlock()
			late = late || stopped
		}})
		get(t, s, "k", map[bool]string{true: "", false: "v"}[i == 0])
		set(t, s, "k", "v") // its push may come now or after stop
		stop()
		stop()
		mu.Lock()
		stopped = true
		mu.Unlock()
		set(t, s, "k", "v")
		mu.Lock()
		stopped = false
		mu.Unlock()
	}
	if late {
		t.Error("called after stop had returned")
	}
}
