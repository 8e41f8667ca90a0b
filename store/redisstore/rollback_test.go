package redisstore_test

import (
	stdctx "context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	stdstrings "strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// A witness writes down what a store tells.
type witness struct {
	mu   sync.Mutex
	told []string
}

func (w *witness) say(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, what)
}

func (w *witness) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.told)
}

func (w *witness) count(what string) (n int) {
	for _, x := range w.all() {
		if x == what {
			n++
		}
	}
	return n
}

// listen lets a witness hear all that s tells, until the test ends, and returns when
// s hears.
func listen(t *testing.T, s *redisstore.Store[string]) *witness {
	t.Helper()
	w := &witness{}
	said := map[bool]string{true: "hears", false: "deaf"}
	t.Cleanup(watching(t, s, store.Watching{
		Changed: func(i store.Invalidation) {
			if i.All {
				w.say("all")
			}
		},
		Connected:  func(connected bool) { w.say(said[connected]) },
		RolledBack: func() { w.say("rewound") },
	}))
	redistest.WaitFor(t, "a heartbeat", func() bool { return w.count("hears") > 0 })
	return w
}

// unhurried heartbeats so seldom that whatever happens in time does not come from a heartbeat
// that was due.
const unhurried = time.Hour

// A server that was started again from an old file has gone back in time, which is
// told before the watchers are, and before the store hears again.
func TestStore_RolledBack_restart(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: unhurried}, to(srv)), "p:")
	w := listen(t, s)
	set(t, s, "k", "old")
	if _, err := srv.Do("SAVE"); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if w.count("rewound") != 0 {
		t.Errorf("at the start it told %v", w.all())
	}
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "a read to be answered", func() bool {
		e, err := s.Get(ctx, "k")
		return err == nil && e.Value == "old"
	})
	told := w.all()
	rewound := slices.Index(told, "rewound")
	if w.count("rewound") != 1 || !slices.Contains(told[rewound:], "all") {
		t.Fatalf("told %v", told)
	}
	hearing := slices.DeleteFunc(told[:rewound], func(s string) bool { return s == "all" })
	if state := hearing[len(hearing)-1]; state != "deaf" {
		t.Errorf("it was told after %v", hearing)
	}
	if last := w.all()[len(w.all())-1]; last != "hears" {
		t.Errorf("in the end it says %q", last)
	}
}

// An invalidation of tags that Redis heard of only later is made once more, too.
func TestTags_RolledBack_afterARetry(t *testing.T) {
	srv := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, srv.Addr())
	opt := rueidis.ClientOption{InitAddress: []string{proxy.Addr()}}
	s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: 2 * time.Second}, opt), "p:")
	w := listen(t, s)
	e := store.Entry[string]{Value: "old", Tags: []string{"tag"}, ExpiresAt: store.In(time.Hour)}
	if err := s.Set(ctx, "k", e); err != nil {
		t.Fatal(err)
	}
	get(t, s, "k", "old")
	if _, err := srv.Do("SAVE"); err != nil {
		t.Fatal(err)
	}
	tag, err := srv.Do("GET", "!p:t:tag")
	if err != nil {
		t.Fatal(err)
	}
	proxy.Refuse(true)
	proxy.Cut()
	if err := s.InvalidateTags(ctx, "tag"); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("InvalidateTags without Redis: %v", err)
	}
	proxy.Refuse(false)
	redistest.WaitFor(t, "Redis to be told", func() bool {
		now, err := srv.Do("GET", "!p:t:tag")
		return err == nil && now != tag
	})
	redistest.WaitFor(t, "that to be known", func() bool { // entries with the tag are found
		other := e
		err := s.Set(ctx, "other", other)
		_, miss := s.Get(ctx, "other")
		return err == nil && miss == nil
	})
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the restart to be noticed", func() bool {
		if e, err := s.Get(ctx, "k"); err == nil {
			t.Fatalf("read %q", e.Value)
		}
		return w.count("rewound") > 0
	})
	redistest.WaitFor(t, "Redis to be told again", func() bool {
		if e, err := s.Get(ctx, "k"); err == nil {
			t.Fatalf("read %q", e.Value)
		}
		now, err := srv.Do("GET", "!p:t:tag")
		return err == nil && now != tag
	})
}

// When more tags were invalidated than are remembered, every tag is invalidated once
// more where Redis has lost that.
func TestTags_RolledBack_tooMany(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: 2 * time.Second}, to(srv)), "p:")
	w := listen(t, s)
	for key, tags := range map[string][]string{"tagged": {"tag"}, "bare": nil} {
		if err := s.Set(ctx, key, store.Entry[string]{Value: "old", Tags: tags, ExpiresAt: store.In(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := srv.Do("SAVE"); err != nil {
		t.Fatal(err)
	}
	tags := []string{"tag"}
	for i := range 100_001 {
		tags = append(tags, fmt.Sprint(i))
		if len(tags) == 5000 {
			if err := s.InvalidateTags(ctx, tags...); err != nil {
				t.Fatal(err)
			}
			tags = nil
		}
	}
	if err := s.InvalidateTags(ctx, tags...); err != nil {
		t.Fatal(err)
	}
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the restart to be noticed, and seen to", func() bool {
		if e, err := s.Get(ctx, "tagged"); err == nil {
			t.Fatalf("read %q", e.Value)
		}
		e, err := s.Get(ctx, "bare")
		return w.count("rewound") > 0 && err == nil && e.Value == "old"
	})
	redistest.WaitFor(t, "what is set then to be found", func() bool {
		return s.Set(ctx, "tagged", store.Entry[string]{Value: "new", Tags: []string{"tag"}}) == nil && has(s, "tagged", "new")
	})
}

func has(s *redisstore.Store[string], key, value string) bool {
	e, err := s.Get(ctx, key)
	return err == nil && e.Value == value
}

// When an address moves to a replica that lags, nothing that it has is read before
// that is notified.
func TestStore_RolledBack_beforeAnythingIsRead(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	proxy := redistest.StartProxy(t, primary.Addr())
	opt := rueidis.ClientOption{InitAddress: []string{proxy.Addr()}}
	s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: unhurried}, opt), "p:")
	w := listen(t, s)
	set(t, s, "k", "old")
	if _, err := primary.Do("WAIT", 1, 0); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the replica to have it", func() bool {
		n, err := replica.Do("EXISTS", "p:k")
		return err == nil && n == int64(1)
	})
	e, err := s.Get(ctx, "k") // for Revalidate
	if err != nil {
		t.Fatal(err)
	}
	if err := replica.Detach(primary); err != nil {
		t.Fatal(err)
	}
	set(t, s, "k", "new")
	if err := replica.Promote(); err != nil {
		t.Fatal(err)
	}

	reads := map[string]func() (old bool){
		"Get": func() bool {
			e, err := s.Get(ctx, "k")
			return err == nil && e.Value == "old"
		},
		"GetMany": func() bool {
			m, err := store.GetMap(ctx, s, []string{"k"})
			return err == nil && m["k"].Value == "old"
		},
		"Revalidate": func() bool {
			_, err := s.Revalidate(ctx, "k", e)
			return err == nil
		},
	}
	var wg sync.WaitGroup
	for name, old := range reads {
		for range 4 {
			wg.Go(func() {
				for !old() {
				}
				if w.count("rewound") == 0 {
					t.Errorf("%s returned what was replaced, and nobody was told", name)
				}
			})
		}
	}
	proxy.Redirect(replica.Addr())
	proxy.Cut()
	wg.Wait()
	if n := w.count("rewound"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// The same where the connection is lost after it was seen to that a read may be sent,
// and before it is: the read goes over the next one.
func TestStore_RolledBack_betweenCheckAndRead(t *testing.T) {
	servers := []*redistest.Server{redistest.Start(t, nil), redistest.Start(t, nil)}
	proxy := redistest.StartProxy(t, servers[0].Addr())
	opt := rueidis.ClientOption{InitAddress: []string{proxy.Addr()}}
	s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: unhurried}, opt), "p:")
	keys := make([]string, 400) // it takes a while to make the commands
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	direct := []*redisstore.Store[string]{strings(dial(t, to(servers[0])), "p:"), strings(dial(t, to(servers[1])), "p:")}
	fill := func(n int) { // makes every value of the server whose turn it is n
		entries := make(map[string]store.Entry[string])
		for _, key := range keys {
			entries[key] = store.Entry[string]{Value: fmt.Sprint(n)}
		}
		if err := direct[n%2].SetMany(ctx, entries); err != nil {
			t.Fatal(err)
		}
	}
	fill(0)
	w := listen(t, s)
	var moves, seen atomic.Int64
	var wg sync.WaitGroup
	const rounds = 80
	for range 8 {
		wg.Go(func() {
			for seen.Load() < rounds && !t.Failed() {
				m, err := store.GetMap(ctx, s, keys)
				if err != nil {
					continue // it may be lost again and again
				}
				n, _ := strconv.Atoi(m[keys[0]].Value)
				if told := w.count("rewound"); told < n {
					t.Errorf("read what was there after move %d, but %d were told", n, told)
				}
				if int64(n) == moves.Load() {
					seen.Store(int64(n))
				}
			}
		})
	}
	for n := 1; n <= rounds && !t.Failed(); n++ {
		fill(n)
		proxy.Redirect(servers[n%2].Addr())
		moves.Store(int64(n))
		proxy.Cut()
		redistest.WaitFor(t, "the move to be seen", func() bool { return seen.Load() == int64(n) || t.Failed() })
	}
	wg.Wait()
}

// A server that has become a replica is not read from any more, even if it takes
// writes.
func TestStore_Connection_demoted(t *testing.T) {
	for name, config := range map[string][]string{
		"read-only":      nil,
		"takes writes":   {"replica-read-only no"},
		"follows nobody": {"replica-read-only no", "replica-serve-stale-data yes"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, other := redistest.Start(t, &redistest.Options{Config: config}), redistest.Start(t, nil)
			s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: 2 * time.Second}, to(srv)), "p:")
			w := listen(t, s)
			port := other.Port()
			if name == "follows nobody" {
				other.Kill()
			}
			if _, err := srv.Do("REPLICAOF", "127.0.0.1", port); err != nil {
				t.Fatal(err)
			}
			redistest.WaitFor(t, "reads to end", func() bool {
				_, err := s.Get(ctx, "k")
				return errors.Is(err, store.ErrUnavailable)
			})
			if w.count("deaf") == 0 || w.count("rewound") != 0 {
				t.Errorf("it told %v", w.all())
			}
			if err := srv.Promote(); err != nil {
				t.Fatal(err)
			}
			redistest.WaitFor(t, "reads to be answered", func() bool {
				_, err := s.Get(ctx, "k")
				return errors.Is(err, store.ErrNotFound)
			})
			if w.count("rewound") != 1 {
				t.Errorf("it told %v", w.all())
			}
		})
	}
}

// A board is an address that leads where the test wants.
type board struct {
	to atomic.Pointer[redistest.Server]
}

func (b *board) dial(ctx stdctx.Context, _ string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
	return d.DialContext(ctx, "tcp", b.to.Load().Addr())
}

// cut ends the connections of clients to srv that are tracking, or those that are not.
func cut(t *testing.T, srv *redistest.Server, tracking bool) {
	t.Helper()
	own, err1 := srv.Do("CLIENT", "ID")
	list, err2 := srv.Do("CLIENT", "LIST", "TYPE", "normal")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for line := range stdstrings.Lines(list.(string)) {
		var id, flags string
		for field := range stdstrings.FieldsSeq(line) {
			switch name, value, _ := stdstrings.Cut(field, "="); name {
			case "id":
				id = value
			case "flags":
				flags = value
			}
		}
		if id != fmt.Sprint(own) && stdstrings.Contains(flags, "t") == tracking {
			if _, err := srv.Do("CLIENT", "KILL", "ID", id); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// While one connection leads to another server than the other, nothing is read: what
// the process writes would not be seen.
func TestStore_Connection_apart(t *testing.T) {
	for name, trackingFirst := range map[string]bool{"tracking first": true, "writing first": false} {
		t.Run(name, func(t *testing.T) {
			a, b := redistest.Start(t, nil), redistest.Start(t, nil)
			var address board
			address.to.Store(a)
			opt := rueidis.ClientOption{InitAddress: []string{"redis:6379"}, DialCtxFn: address.dial}
			s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: unhurried}, opt), "p:")
			w := listen(t, s)
			set(t, s, "k", "v")
			get(t, s, "k", "v")
			address.to.Store(b)
			cut(t, a, trackingFirst)
			// The other one stays where it is. A Delete may meet the end of its
			// connection, and is tried again then.
			if err := s.Delete(ctx, "k"); err != nil {
				t.Fatal(err)
			}
			redistest.WaitFor(t, "reads to end", func() bool {
				e, err := s.Get(ctx, "k")
				if err == nil {
					t.Fatalf("read %q", e.Value)
				}
				return errors.Is(err, store.ErrUnavailable)
			})
			if w.count("rewound") != 0 {
				t.Errorf("it told %v", w.all())
			}
			cut(t, a, !trackingFirst)
			redistest.WaitFor(t, "reads to be answered", func() bool {
				_, err := s.Get(ctx, "k")
				return errors.Is(err, store.ErrNotFound)
			})
			if w.count("rewound") != 1 {
				t.Errorf("it told %v", w.all())
			}
		})
	}
}

// Where INFO is not permitted nothing is noticed, and everything else works.
func TestStore_RolledBack_notPermitted(t *testing.T) {
	srv := redistest.Start(t, nil)
	if _, err := srv.Do("ACL", "SETUSER", "cache", "on", ">secret", "~*", "&*", "+@all", "-info", "-config"); err != nil {
		t.Fatal(err)
	}
	opt := to(srv)
	opt.Username, opt.Password = "cache", "secret"
	s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: unhurried}, opt), "p:")
	w := listen(t, s)
	set(t, s, "k", "v")
	get(t, s, "k", "v")
	if w.count("rewound") != 0 {
		t.Errorf("it told %v", w.all())
	}
}

// In a cluster it is notified when a primary was replaced, planned or not, by one that
// was not there when the client was dialled either.
func TestStore_RolledBack_cluster(t *testing.T) {
	cl := redistest.StartCluster(t, 2)
	opt := rueidis.ClientOption{InitAddress: cl.Addrs()}
	client := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: 2 * time.Second}, opt)
	s := strings(client, "p:")
	w := listen(t, s)
	keys := make(map[*redistest.Server]string) // one of each
	for i := range 20 {
		owner, err := cl.Owner(fmt.Sprint("p:", i))
		if err != nil {
			t.Fatal(err)
		}
		keys[owner] = fmt.Sprint(i)
	}
	for _, key := range keys {
		set(t, s, key, "old")
	}
	cl.AddReplicas(t)
	redistest.WaitFor(t, "a beat after that", func() bool { return client.Sync(ctx) == nil })
	before := w.count("rewound") // a first replica is enough for another id

	if _, err := cl.Replicas[1].Do("CLUSTER", "FAILOVER"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "it to be told", func() bool { return w.count("rewound") == before+1 })
	redistest.WaitFor(t, "the new primary to be read", func() bool {
		e, err := s.Get(ctx, keys[cl.Nodes[1]])
		return err == nil && e.Value == "old"
	})

	if err := cl.Replicas[0].Detach(cl.Nodes[0]); err != nil {
		t.Fatal(err)
	}
	lost := keys[cl.Nodes[0]]
	if err := s.Delete(ctx, lost); err != nil {
		t.Fatal(err)
	}
	get(t, s, lost, "")
	before = w.count("rewound")
	cl.Nodes[0].Kill()
	if _, err := cl.Replicas[0].Do("CLUSTER", "FAILOVER", "TAKEOVER"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the old value to be read", func() bool {
		e, err := s.Get(ctx, lost)
		if err == nil && w.count("rewound") == before {
			t.Fatalf("%q was read, and nobody was told", e.Value)
		}
		return err == nil && e.Value == "old"
	})

	// One that hangs, on connections that stay open, does not keep the others from
	// being asked.
	opt.ConnWriteTimeout = time.Hour
	w = listen(t, strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: 4 * time.Second}, opt), "p:"))
	if err := cl.Replicas[1].Pause(); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.Nodes[1].Do("CLUSTER", "FAILOVER", "TAKEOVER"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the replacement to be told", func() bool { return w.count("rewound") == 1 })
}

// In a cluster it is notified when a primary is lost with its data, and another serves its
// slots.
func TestStore_RolledBack_primaryIsLost(t *testing.T) {
	cl := redistest.StartCluster(t, 3)
	client := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: 2 * time.Second}, rueidis.ClientOption{InitAddress: cl.Addrs()})
	w := listen(t, strings(client, "p:"))
	redistest.WaitFor(t, "a heartbeat", func() bool { return client.Sync(ctx) == nil })
	if n := w.count("rewound"); n != 0 {
		t.Fatalf("%d rollbacks", n)
	}
	if err := cl.Lose(cl.Nodes[2], cl.Nodes[0]); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "it to be notified", func() bool { return w.count("rewound") > 0 })
}

// A lateConn is one whose end is noticed late: at noticed, or 3 s after it, since the client
// does not leave a connection with a command under way.
type lateConn struct {
	net.Conn
	noticed <-chan struct{}
}

func (c lateConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		select {
		case <-c.noticed:
		case <-time.After(3 * time.Second):
		}
	}
	return n, err
}

// Behind sentinels commands go to the new primary before the connection to the old one
// is closed. What it has is not read before a rollback is reported.
func TestStore_RolledBack_sentinels(t *testing.T) {
	set := redistest.StartSentinel(t)
	noticed := make(chan struct{})
	var once sync.Once
	notice := func() { once.Do(func() { close(noticed) }) }
	t.Cleanup(notice)
	opt := rueidis.ClientOption{InitAddress: set.Addrs()}
	opt.Sentinel.MasterSet = redistest.MasterSet
	opt.DialCtxFn = func(ctx stdctx.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		nc, err := d.DialContext(ctx, "tcp", addr)
		if addr == set.Primary.Addr() {
			return lateConn{nc, noticed}, err
		}
		return nc, err
	}
	s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: unhurried}, opt), "p:")
	w := listen(t, s)
	if err := s.Set(ctx, "k", store.Entry[string]{Value: "v"}); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the replica to have it", func() bool {
		n, err := set.Primary.Do("WAIT", 1, 100)
		return err == nil && n == int64(1)
	})
	if err := set.Replica.Detach(set.Primary); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "k"); err != nil { // the replica does not hear of it
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the sentinels to begin", func() bool {
		_, err := set.Sentinels[0].Do("SENTINEL", "FAILOVER", redistest.MasterSet)
		return err == nil
	})
	var last error
	defer func() {
		if t.Failed() {
			t.Logf("the last error: %v", last)
		}
	}()
	redistest.WaitFor(t, "the value to be back", func() bool {
		e, err := s.Get(ctx, "k")
		if last = err; err == nil && w.count("rewound") == 0 {
			t.Fatalf("read %q from a primary that nothing was told of", e.Value)
		}
		return err == nil
	})
	notice()
}
