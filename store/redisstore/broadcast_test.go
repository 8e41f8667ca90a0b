package redisstore_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// broadcast connects a client that is notified of every change under the prefixes.
func broadcast(t testing.TB, opt rueidis.ClientOption, prefixes ...string) *redisstore.Client {
	t.Helper()
	return dialWith(t, &redisstore.Dialer{Timeout: patience, Broadcast: prefixes}, opt)
}

// TestBroadcast_afterAnOwnFill: a change by somebody else is notified though nothing was
// read since, and more than once; in a cluster by each of its nodes.
func TestBroadcast_afterAnOwnFill(t *testing.T) {
	for name, option := range map[string]rueidis.ClientOption{"server": onServer(t), "cluster": onCluster(t)} {
		t.Run(name, func(t *testing.T) {
			p := prefix()
			s, peer := strings(broadcast(t, option, p), p), strings(dial(t, option), p)
			l := watch(t, s)
			for i := range 20 {
				afterAnOwnFill(t, s, peer, l, fmt.Sprint("k", i))
			}
		})
	}
}

func afterAnOwnFill(t *testing.T, s, peer *redisstore.Store[string], l *listener, key string) {
	t.Helper()
	if _, watched, err := s.Fill(ctx, key, store.Entry[string]{Value: "v"}); err != nil || watched {
		t.Fatal(watched, err)
	}
	told := func() {
		t.Helper()
		l.wait(t, key)
		l.mu.Lock()
		l.keys = nil
		l.mu.Unlock()
	}
	told() // of its own script: see TestBroadcast_ownScript
	for range 2 {
		set(t, peer, key, "v")
		told()
	}
}

// TestBroadcast_ownScript holds the fact for which Fill and FillLeased do not say that their
// entries are watched: NOLOOP does not know the scripts of a connection as its own
// writes. Should a server learn it, that is only one exchange too many.
func TestBroadcast_ownScript(t *testing.T) {
	p := prefix()
	s := strings(broadcast(t, to(server(t)), p), p)
	l := watch(t, s)
	g, err := s.Lease(ctx, "k", time.Minute, 0)
	if err != nil || g.State != store.Granted || !g.NotifiesOwn {
		t.Fatalf("%+v, %v", g, err)
	}
	l.wait(t, "k")
	kept, watched, err := s.FillLeased(ctx, "k", g.Lease, store.Entry[string]{Value: "v", Stamp: g.Stamp, ExpiresAt: store.In(time.Hour)})
	if err != nil || watched {
		t.Fatal(watched, err)
	}
	if _, err := s.Revalidate(ctx, "k", kept); err != nil {
		t.Errorf("Revalidate: %v", err)
	}
}

func TestBroadcast_lost(t *testing.T) {
	srv := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, srv.Addr())
	opt := to(srv)
	opt.InitAddress = []string{proxy.Addr()}
	s, peer := strings(broadcast(t, opt, "p:"), "p:"), strings(dial(t, to(srv)), "p:")
	for range 5 {
		set(t, peer, "k", "old")
		loseAndRead(t, s, peer, proxy.Cut)
	}
	l := watch(t, s)
	set(t, peer, "k", "newer") // the new connection is notified as well
	l.wait(t, "k")
	if _, err := srv.Do("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	l.waitAll(t)
}

// TestBroadcast_noTable: there is no table that could be too full. A MaxDisconnected that no
// heartbeat exceeds leaves that as the only reason for an All.
func TestBroadcast_noTable(t *testing.T) {
	srv := redistest.Start(t, &redistest.Options{Config: []string{"tracking-table-max-keys 1"}})
	perKey := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: patience}, to(srv))
	broadcast := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: patience, Broadcast: []string{"p:"}}, to(srv))
	var all [2]func() int
	for i, c := range []*redisstore.Client{perKey, broadcast} {
		s := strings(c, "p:")
		alive(t, s)
		get(t, s, "k", "")
		all[i] = watch(t, s).alls
		for range 5 {
			if err := c.Sync(ctx); err != nil { // it waits for a heartbeat
				t.Fatal(err)
			}
		}
	}
	if n := all[0](); n < 3 {
		t.Errorf("with per-key tracking the watchers were notified of %d losses in 5 heartbeats", n)
	}
	if n := all[1](); n > 0 {
		t.Errorf("with broadcasts the watchers were notified of %d losses", n)
	}
}

func TestDialer_Broadcast_overlap(t *testing.T) {
	for _, prefixes := range [][]string{{"a:", "a:b:"}, {"a", "a"}, {"", "a"}, {"a", "!a"}, {"!a:x", "a:"}} {
		_, err := (&redisstore.Dialer{Broadcast: prefixes}).Dial(to(server(t)))
		if err == nil || !stdstrings.Contains(err.Error(), "Dialer.Broadcast") || !stdstrings.Contains(err.Error(), "overlap") {
			t.Errorf("%q: %v", prefixes, err)
		}
	}
	for _, prefixes := range [][]string{{""}, {"!"}, {"a:", "b:"}, {"!a"}, {}} {
		if err := broadcast(t, to(server(t)), prefixes...).Ping(ctx); err != nil {
			t.Errorf("%q: %v", prefixes, err)
		}
	}
}

// TestStore_Watch_notCovered: a store whose changes, or whose tags' changes, are not pushed
// cannot be watched, and does not answer reads.
func TestStore_Watch_notCovered(t *testing.T) {
	p := prefix()
	c := broadcast(t, to(server(t)), p)
	withTags := func(prefix, tags string) *redisstore.Store[string] {
		return redisstore.New(c, &redisstore.Options[string]{Prefix: prefix, Codec: codec.String(), Tags: redisstore.NewTags(c, tags)})
	}
	for _, s := range []*redisstore.Store[string]{strings(c, p), strings(c, p+"sub:"), withTags(p, p+"!"), strings(dial(t, to(server(t))), "x")} {
		watching(t, s, store.Watching{})()
	}
	names := func(err error) bool { return err != nil && stdstrings.Contains(err.Error(), "Dialer.Broadcast") }
	for what, s := range map[string]*redisstore.Store[string]{"store": strings(c, p[:len(p)-1]), "tags": withTags(p, "tags:")} {
		set(t, s, "k", "v") // changes are notified to others
		for name, read := range map[string]func() error{
			"Watch":      func() error { _, err := s.Watch(store.Watching{}); return err },
			"Get":        func() error { _, err := s.Get(ctx, "k"); return err },
			"GetMany":    func() error { _, err := s.GetMany(ctx, []string{"k"}); return err },
			"Revalidate": func() error { _, err := s.Revalidate(ctx, "k", store.Entry[string]{Version: 1}); return err },
			"Lease":      func() error { _, err := s.Lease(ctx, "k", time.Second, 0); return err },
			"Fill":       func() error { _, _, err := s.Fill(ctx, "k", store.Entry[string]{}); return err },
			"Stamp":      func() error { _, err := s.Stamp(ctx); return err },
		} {
			if err := read(); !names(err) || !stdstrings.Contains(err.Error(), what) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s is not covered: %s: %v", what, name, err)
			}
		}
	}
}

// TestBroadcast_turns: InvalidateTags and Clear return when it is certain that the
// server has put their pushes on all connections; for what that takes see
// TestClient_Sync_broadcast.
func TestBroadcast_turns(t *testing.T) {
	srv := redistest.Start(t, nil)
	// Without a heartbeat, which asks for the time as well.
	d := redisstore.Dialer{MaxDisconnected: -1, Timeout: patience}
	perKey := strings(dialWith(t, &d, to(srv)), "p:")
	d.Broadcast = []string{"p:"}
	told := strings(dialWith(t, &d, to(srv)), "p:")
	get(t, told, "k", "")
	get(t, perKey, "k", "")
	for name, do := range map[string]func(*redisstore.Store[string]) error{
		"Clear":          func(s *redisstore.Store[string]) error { return s.Clear(ctx) },
		"InvalidateTags": func(s *redisstore.Store[string]) error { return s.InvalidateTags(ctx, "t") },
	} {
		asked := func(s *redisstore.Store[string]) int {
			before := calls(t, srv)["time"]
			if err := do(s); err != nil {
				t.Fatal(err)
			}
			return calls(t, srv)["time"] - before
		}
		if n, without := asked(told), asked(perKey); n != without+1 {
			t.Errorf("%s: TIME was asked %d times, and %d times without broadcasts", name, n, without)
		}
	}
}

// A latePush delivers a push that comes behind something else a while later, as a
// network may.
type latePush struct {
	net.Conn
	held []byte
}

func (c *latePush) Read(b []byte) (int, error) {
	if len(c.held) > 0 {
		time.Sleep(200 * time.Millisecond)
		n := copy(b, c.held)
		c.held = c.held[n:]
		return n, nil
	}
	n, err := c.Conn.Read(b)
	if at := bytes.Index(b[:n], []byte(">2\r\n$10\r\ninvalidate\r\n")); at > 0 {
		c.held = bytes.Clone(b[at:n])
		return at, err
	}
	return n, err
}

// TestClient_Sync_broadcast makes the server answer a write before it has put the
// push of it on the connections that are to be told, and a question that comes after
// that answer before the push, too. It does so for a writer who is behind with
// reading: what it is owed is written in the middle of a turn of the event loop.
func TestClient_Sync_broadcast(t *testing.T) {
	srv := redistest.Start(t, nil)
	opt := to(srv)
	opt.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		nc, err := d.DialContext(ctx, "tcp", addr)
		return &latePush{Conn: nc}, err
	}
	c := broadcast(t, opt, "p:")
	s := redisstore.New(c, &redisstore.Options[string]{Prefix: "p:", Codec: codec.String()})
	writer, slow := raw(t, srv), raw(t, srv)
	l := watch(t, s)
	get(t, s, "k", "")
	owed := fillSocket(t, srv, writer)

	if err := srv.Pause(); err != nil {
		t.Fatal(err)
	}
	// In this order they are ready when the server goes on: the writer; one who
	// keeps it busy; the tracking connection.
	send(t, writer, "SET", "p:k", "v")
	send(t, slow, "EVAL", "for i=1,3e7 do end", "0")
	read := make(chan error, 1)
	go func() {
		_, err := s.Get(ctx, "another")
		read <- err
	}()
	answered := make(chan error, 1)
	go func() {
		_, err := owed.until("+OK\r\n")
		answered <- err
	}()
	time.Sleep(50 * time.Millisecond) // for the read to be sent: if it is not, the test shows nothing
	if err := srv.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if err := c.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if !l.told("k") {
		t.Error("Sync returned before a change was told that had been answered to its writer")
	}
	<-read
}

func raw(t *testing.T, srv *redistest.Server) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

func send(t *testing.T, nc net.Conn, args ...string) {
	t.Helper()
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
}

// A reader reads what a server owes to a connection.
type reader struct{ net.Conn }

func (r reader) until(end string) (n int, err error) {
	var tail []byte
	for b := make([]byte, 1<<20); !bytes.HasSuffix(tail, []byte(end)); {
		m, err := r.Read(b)
		if err != nil {
			return n, err
		}
		n += m
		tail = append(tail, b[:m]...)
		tail = tail[max(0, len(tail)-len(end)):]
	}
	return n, nil
}

// fillSocket asks for so much on nc, without reading it, that the server cannot send
// a little of it.
func fillSocket(t *testing.T, srv *redistest.Server, nc net.Conn) reader {
	t.Helper()
	if _, err := srv.Do("SET", "large", stdstrings.Repeat("x", 48<<10)); err != nil {
		t.Fatal(err)
	}
	send(t, nc, "CLIENT", "SETNAME", "behind")
	redistest.WaitFor(t, "the socket to be full", func() bool {
		send(t, nc, "GET", "large")
		time.Sleep(time.Millisecond)
		list, err := srv.Do("CLIENT", "LIST")
		if err != nil {
			t.Fatal(err)
		}
		for line := range stdstrings.Lines(list.(string)) {
			if stdstrings.Contains(line, "name=behind ") && !stdstrings.Contains(line, " oll=0 ") {
				time.Sleep(5 * time.Millisecond) // it is owed still
				return true
			}
		}
		return false
	})
	return reader{nc}
}
