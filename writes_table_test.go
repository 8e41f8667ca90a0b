package strata_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// A written is a cache with one id that is changed by one kind of write.
type written struct {
	name        string
	source      atomic.Int64
	here, there *strata.Cache[string, int64]
	backend     *strata.Backend
	intent      *strata.WriteIntent[string, int64]
	err         error
}

// kindsOfWrite are the kinds of writes. All are of the id "k".
var kindsOfWrite = map[string]func(ctx context.Context, w *written) error{
	"Delete":         func(ctx context.Context, w *written) error { return w.here.Delete(ctx, "k") },
	"Delete of many": func(ctx context.Context, w *written) error { return w.here.Delete(ctx, "k", "l", "m") },
	"DeleteAndWait":  func(ctx context.Context, w *written) error { return w.here.DeleteAndWait(ctx, "k") },
	"DeleteHolding":  func(ctx context.Context, w *written) error { return w.here.DeleteHolding(ctx, time.Minute, "k") },
	"DeleteOlder":    func(ctx context.Context, w *written) error { return w.here.DeleteOlder(ctx, time.Minute, 5, "k") },
	"Set":            func(ctx context.Context, w *written) error { return w.here.Set(ctx, "k", w.source.Load()) },
	"SetFor": func(ctx context.Context, w *written) error {
		return w.here.SetFor(ctx, "k", w.source.Load(), time.Minute)
	},
	"SetMany": func(ctx context.Context, w *written) error {
		return w.here.SetMany(ctx, map[string]int64{"k": w.source.Load(), "l": 1})
	},
	"SetIfNewer": func(ctx context.Context, w *written) error {
		_, err := w.here.SetIfNewer(ctx, "k", w.source.Load(), 9)
		return err
	},
	"MarkStale":      func(ctx context.Context, w *written) error { return w.here.MarkStale(ctx, "k") },
	"InvalidateTags": func(ctx context.Context, w *written) error { return w.backend.InvalidateTags(ctx, w.name) },
	"Clear":          func(ctx context.Context, w *written) error { return w.here.Clear(ctx) },
	"DeletePattern": func(ctx context.Context, w *written) error {
		_, err := w.here.DeletePattern(ctx, "k*")
		return err
	},
	"BeginWrite": func(ctx context.Context, w *written) error {
		_, err := w.here.BeginWrite(ctx, time.Minute, "k")
		return err
	},
	"Commit": func(ctx context.Context, w *written) error { return w.intent.Commit(ctx) },
	"CommitSet": func(ctx context.Context, w *written) error {
		return w.intent.CommitSet(ctx, map[string]int64{"k": w.source.Load()})
	},
}

// writtenBy makes a cache for each kind of write, in two processes; the first reaches Redis
// through addr. Both have the old value in L1.
func writtenBy(t *testing.T, server *redistest.Server, addr string) (b *strata.Backend, all map[string]*written) {
	t.Helper()
	prefix := fmt.Sprintf("p%d:", prefixes.Add(1))
	b = backend(t, &strata.Config{RedisURL: "redis://" + addr, Prefix: prefix, BreakAfter: -1})
	other := backend(t, &strata.Config{RedisURL: server.URL(), Prefix: prefix})
	all = make(map[string]*written)
	for name := range kindsOfWrite {
		w := &written{name: name, backend: b}
		w.source.Store(1)
		load := func(context.Context, string) (int64, error) { return w.source.Load(), nil }
		o := &strata.Options[string, int64]{TTL: time.Hour, Tags: func(string, int64) []string { return []string{name} }}
		var err error
		if w.here, err = strata.New(b, name, load, o); err != nil {
			t.Fatal(err)
		}
		if w.there, err = strata.New(other, name, load, o); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "Commit") {
			if w.intent, err = w.here.BeginWrite(t.Context(), time.Minute, "k"); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []*strata.Cache[string, int64]{w.here, w.there} {
			if v, err := c.Get(t.Context(), "k"); v != 1 || err != nil {
				t.Fatal(name, v, err)
			}
		}
		all[name] = w
	}
	return b, all
}

var prefixes atomic.Int64

// change changes the source of each, and then calls its kind of write.
func change(ctx context.Context, all map[string]*written) {
	var wg sync.WaitGroup
	for name, w := range all {
		w.source.Store(2)
		wg.Go(func() { w.err = kindsOfWrite[name](ctx, w) })
	}
	wg.Wait()
}

// madeGood checks the guarantees of failed writes, and that Redis receives them after mend.
func madeGood(t *testing.T, b *strata.Backend, all map[string]*written, is error, mend func()) {
	t.Helper()
	for name, w := range all {
		if !errors.Is(w.err, is) {
			t.Errorf("%s returned %v, which is not %v", name, w.err, is)
		}
		if v, err := w.here.Get(t.Context(), "k"); v != 2 || err != nil {
			t.Errorf("%s: then Get returned %d, %v", name, v, err)
		}
		if v, err := w.here.GetFresh(t.Context(), "k"); v != 2 || err != nil {
			t.Errorf("%s: then GetFresh returned %d, %v", name, v, err)
		}
		h := b.Health()
		if h.RetryQueues[name].Keys == 0 && (name != "InvalidateTags" || h.Redis.QueuedTags == 0) {
			t.Errorf("%s: Health does not say what is pending: %+v", name, h)
		}
		if n := w.here.Stats().RetryQueue; n == 0 && name != "InvalidateTags" {
			t.Errorf("%s: nothing is pending", name)
		}
	}
	if err := b.Health().Err(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Health: %v", err)
	}
	mend()
	redistest.WaitFor(t, "Redis to be told of all of them", func() bool {
		h := b.Health()
		return len(h.RetryQueues) == 0 && h.Redis.QueuedTags == 0
	})
	for name, w := range all {
		if v, err := w.there.GetFresh(t.Context(), "k"); v != 2 || err != nil {
			t.Errorf("%s: at the end another process reads %d, %v", name, v, err)
		}
		if v, err := w.here.GetFresh(t.Context(), "k"); v != 2 || err != nil {
			t.Errorf("%s: at the end GetFresh returned %d, %v", name, v, err)
		}
	}
}

// errorReplies are kinds of error replies of servers.
var errorReplies = []string{
	"NOPERM this user has no permissions to run the 'evalsha' command",
	"NOAUTH Authentication required.",
	"WRONGPASS invalid username-password pair or user is disabled.",
	"OOM command not allowed when used memory > 'maxmemory'.",
	"READONLY You can't write against a read only replica.",
	"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
	"LOADING Redis is loading the dataset in memory",
	"CLUSTERDOWN The cluster is down",
	"MASTERDOWN Link with MASTER is down",
	"TRYAGAIN Multiple keys request during rehashing of slot",
	"MOVED 3999 127.0.0.1:1",
	"ASK 3999 127.0.0.1:1",
	"NOREPLICAS Not enough good replicas to write.",
	"BUSY Redis is busy running a script.",
	"NOSCRIPT No matching script. Please use EVAL.",
	"WRONGTYPE Operation against a key holding the wrong kind of value",
	"EXECABORT Transaction discarded because of previous errors.",
	"ERR unknown command 'EVALSHA', with args beginning with: 'x'",
	"ERR Script attempted to access a non local key in a cluster node",
	"ERR max number of clients reached",
	"ERR Protocol error: invalid multibulk length",
	"ERR nothing that anybody has seen before",
}

// TestWrites_errorReplies answers every kind of write with every kind of error reply. Each
// write is retried: this process drops the value at once, and Redis receives the write when
// it accepts it.
func TestWrites_errorReplies(t *testing.T) {
	server := redistest.Start(t, nil)
	for _, reply := range errorReplies {
		t.Run(strings.Fields(reply)[0]+" "+strings.Fields(reply)[1], func(t *testing.T) {
			t.Parallel()
			link := redistest.StartRewriter(t, server.Addr())
			b, all := writtenBy(t, server, link.Addr())
			link.Answer(writes, reply)
			change(t.Context(), all)
			madeGood(t, b, all, store.ErrUnavailable, func() { link.Answer(nil, "") })
		})
	}
}

// writes reports whether a command is one that writes use.
func writes(args []string) bool {
	name := strings.ToUpper(args[0])
	return name == "EVALSHA" || name == "EVAL" || name == "SCAN"
}

// networkFaults are faults of connections.
var networkFaults = map[string]func(p *redistest.Proxy) (mend func()){
	"refused": func(p *redistest.Proxy) func() {
		p.Refuse(true)
		p.Cut()
		return func() { p.Refuse(false) }
	},
	"swallowed": func(p *redistest.Proxy) func() {
		p.Hole(true)
		return func() { p.Hole(false) }
	},
	"replies swallowed": func(p *redistest.Proxy) func() {
		p.HoleReplies(true)
		return func() { p.HoleReplies(false) }
	},
}

// TestWrites_network is TestWrites_errorReplies for faults of connections.
func TestWrites_network(t *testing.T) {
	server := redistest.Start(t, nil)
	for name, fail := range networkFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link := redistest.StartProxy(t, server.Addr())
			b, all := writtenBy(t, server, link.Addr())
			mend := fail(link)
			change(t.Context(), all)
			madeGood(t, b, all, store.ErrUnavailable, mend)
		})
	}
	t.Run("closed by a protocol error", func(t *testing.T) {
		t.Parallel()
		link := redistest.StartRewriter(t, server.Addr())
		b, all := writtenBy(t, server, link.Addr())
		link.Rewrite(writes, []byte("*1\r\n$9999999999999\r\n"))
		change(t.Context(), all)
		madeGood(t, b, all, store.ErrUnavailable, func() { link.Rewrite(nil, nil) })
	})
}

// TestWrites_contextHasEnded: a write with a context that had ended before behaves like one
// with a context that ends meanwhile.
func TestWrites_contextHasEnded(t *testing.T) {
	server := redistest.Start(t, nil)
	link := redistest.StartRewriter(t, server.Addr())
	b, all := writtenBy(t, server, link.Addr())
	link.Answer(writes, "LOADING Redis is loading the dataset in memory") // so that it stays in the retry queue
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	change(ctx, all)
	madeGood(t, b, all, context.Canceled, func() { link.Answer(nil, "") })
}

// TestWrites_rightsLost revokes the rights to write, and grants them again.
func TestWrites_rightsLost(t *testing.T) {
	server := redistest.Start(t, nil)
	acl := func(t *testing.T, args ...any) {
		t.Helper()
		if _, err := server.Do(append([]any{"ACL", "SETUSER"}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	for name, rights := range map[string][2][]any{
		"scripts":  {{"-eval", "-evalsha", "-scan"}, {"+@all"}},
		"password": {{"resetpass", ">other"}, {"resetpass", ">secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			acl(t, name, "on", ">secret", "~*", "&*", "+@all")
			b, all := writtenBy(t, server, name+":secret@"+server.Addr())
			acl(t, append([]any{name}, rights[0]...)...)
			if name == "password" {
				if _, err := server.Do("CLIENT", "KILL", "USER", name); err != nil {
					t.Fatal(err)
				}
			}
			change(t.Context(), all)
			for change, w := range all {
				if !errors.Is(w.err, store.ErrAuth) && name != "password" {
					t.Errorf("%s: %v", change, w.err)
				}
			}
			madeGood(t, b, all, store.ErrUnavailable, func() { acl(t, append([]any{name}, rights[1]...)...) })
		})
	}
}

// TestWrites_refused: a refused write changes nothing, here or elsewhere.
func TestWrites_refused(t *testing.T) {
	server := redistest.Start(t, nil)
	var source atomic.Int64
	open := func() (*strata.Backend, *strata.Cache[string, string]) {
		b := backend(t, &strata.Config{RedisURL: server.URL()})
		c, err := strata.New(b, "n", func(_ context.Context, id string) (string, error) {
			return fmt.Sprint(id[:1], source.Add(1)), nil
		}, &strata.Options[string, string]{TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return b, c
	}
	b, here := open()
	_, there := open()
	long, big := strings.Repeat("x", 20<<10), strings.Repeat("v", 5<<20)
	before, err := here.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"Set of a large value":         func() error { return here.Set(t.Context(), "k", big) },
		"Set of a long id":             func() error { return here.Set(t.Context(), long, "v") },
		"SetMany of both":              func() error { return here.SetMany(t.Context(), map[string]string{"k": big, long: "v"}) },
		"SetIfNewer of a large one":    func() error { _, err := here.SetIfNewer(t.Context(), "k", big, 1); return err },
		"Delete of a long id":          func() error { return here.Delete(t.Context(), long) },
		"Expire of a long id":          func() error { return here.MarkStale(t.Context(), long) },
		"BeginWrite of a long id":      func() error { _, err := here.BeginWrite(t.Context(), time.Second, long); return err },
		"InvalidateTags of a long one": func() error { return b.InvalidateTags(t.Context(), strings.Repeat("t", 70<<10)) },
	} {
		if err := f(); !errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := here.BeginWrite(t.Context(), 0, "k"); !errors.Is(err, store.ErrRefused) {
		t.Errorf("BeginWrite without a hold: %v", err)
	}
	for name, c := range map[string]*strata.Cache[string, string]{"here": here, "there": there} {
		if v, err := c.Get(t.Context(), "k"); v != before || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, v, err, before)
		}
	}
	if err := b.Health().Err(); err != nil {
		t.Error(err)
	}
}

// TestWrites_oneOfMany: an id that Redis refuses does not affect the others, not even in
// the retry queue.
func TestWrites_oneOfMany(t *testing.T) {
	server := redistest.Start(t, nil)
	link := redistest.StartRewriter(t, server.Addr())
	var source counter
	b := backend(t, &strata.Config{RedisURL: "redis://" + link.Addr()})
	c, err := strata.New(b, "n", func(ctx context.Context, id string) (int64, error) { return source.Load(ctx, 0) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 20<<10)
	get := func(id string) int64 {
		t.Helper()
		v, err := c.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	get("a")
	v := source.version.Add(1)
	if err := c.Delete(t.Context(), "a", long); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("Delete of two: %v", err)
	}
	if n := c.Stats().RetryQueue; n != 0 || get("a") != v {
		t.Errorf("%d pending, a is %d", n, get("a"))
	}

	// The queue may have one, because nothing was sent.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Delete(ended, "a", long); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete: %v", err)
	}
	redistest.WaitFor(t, "the queue to be empty", func() bool { return c.Stats().RetryQueue == 0 })
	if n := c.Stats().RetryRefused; n != 1 {
		t.Errorf("%d were refused", n)
	}

	// One fails for longer than the others, which are not deleted repeatedly.
	stuck := func(args []string) bool { return writes(args) && len(args) > 3 && strings.HasSuffix(args[3], ":stuck") }
	link.Answer(stuck, "CLUSTERDOWN Hash slot not served")
	if err := c.Delete(t.Context(), "a", "b", "stuck"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Delete of three: %v", err)
	}
	if n := c.Stats().RetryQueue; n != 1 {
		t.Errorf("%d pending", n)
	}
	// A later write of the id replaces it.
	link.Answer(nil, "")
	if err := c.Set(t.Context(), "stuck", 77); err != nil {
		t.Fatal(err)
	}
	if n := c.Stats().RetryQueue; n != 0 || get("stuck") != 77 {
		t.Errorf("%d pending, and the value that was set is read as %d", n, get("stuck"))
	}
}
