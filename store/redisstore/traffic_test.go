package redisstore_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// calls returns how often each command was called.
func calls(t *testing.T, srv *redistest.Server) map[string]int {
	t.Helper()
	info, err := srv.Info("commandstats")
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for name, stats := range info {
		var calls int
		fmt.Sscanf(stats, "calls=%d", &calls)
		n[stdstrings.TrimPrefix(name, "cmdstat_")] = calls
	}
	return n
}

// TestStore_commands lists the commands that each operation sends, and that it
// sends them with one packet: one exchange.
func TestStore_commands(t *testing.T) {
	srv := redistest.Start(t, nil)
	// Nobody asks the server for its time, which a recent-write log of tags would have done:
	// so a read asks for the life as well. TestCost counts what it is else.
	s := strings(dialWith(t, &redisstore.Dialer{MaxDisconnected: -1, Timeout: patience}, to(srv)), "p:")
	e := store.Entry[string]{Value: "v", ExpiresAt: store.In(time.Hour)}
	s.Set(ctx, "k", e) // the first call of each loads its script
	s.Expire(ctx, "k", time.Hour)
	s.Delete(ctx, "k")
	s.Add(ctx, "n", 1, 0)
	s.InvalidateTags(ctx, "t")
	tagged := store.Entry[string]{Value: "v", ExpiresAt: store.In(time.Hour), Tags: []string{"u", "v"}}
	s.Set(ctx, "tagged", tagged)
	s.Get(ctx, "k") // and learns when the store was cleared
	s.Stamp(ctx)
	for _, c := range []struct {
		name string
		do   func() error
		want map[string]int
	}{
		{"Set", func() error { return s.Set(ctx, "k", e) }, map[string]int{"evalsha": 1, "getrange": 1, "set": 1, "time": 1}},
		{"SetNewer", func() error { _, err := s.SetNewer(ctx, "k", e); return err }, map[string]int{"evalsha": 1, "getrange": 1, "set": 1, "time": 1}},
		{"Get", func() error { _, err := s.Get(ctx, "k"); return err }, map[string]int{"pttl": 1, "get": 1}},
		{"Set with tags", func() error { return s.Set(ctx, "tagged", tagged) }, map[string]int{"evalsha": 1, "getrange": 1, "set": 1, "time": 1}},
		{"Get with tags", func() error { _, err := s.Get(ctx, "tagged"); return err }, map[string]int{"pttl": 1, "get": 1}},
		{"Fill", func() error { _, _, err := s.Fill(ctx, "k", e); return err }, map[string]int{"evalsha": 1, "getrange": 2, "set": 1, "time": 1}},
		{"GetMany", func() error { _, err := s.GetMany(ctx, []string{"k", "l"}); return err }, map[string]int{"pttl": 2, "get": 2}},
		{"SetMany", func() error { return s.SetMany(ctx, map[string]store.Entry[string]{"a": e, "b": e}) }, map[string]int{"evalsha": 2, "getrange": 2, "set": 2, "time": 2}},
		{"TTL", func() error { _, err := s.TTL(ctx, "k"); return err }, map[string]int{"pttl": 1, "getrange": 1}},
		{"Exists", func() error { _, err := s.Exists(ctx, "k"); return err }, map[string]int{"pttl": 1, "getrange": 1}},
		{"Expire", func() error { return s.Expire(ctx, "k", time.Hour) }, map[string]int{"evalsha": 1, "getrange": 2, "pexpire": 1, "setrange": 2, "time": 1}},
		{"Add", func() error { _, err := s.Add(ctx, "n", 1, 0); return err }, map[string]int{"evalsha": 1, "exists": 1, "incrby": 1, "get": 1}},
		{"Delete", func() error { return s.Delete(ctx, "k", "l") }, map[string]int{"evalsha": 2, "getrange": 2, "del": 2}},
		{"DeletePattern", func() error { _, err := s.DeletePattern(ctx, "x*"); return err }, map[string]int{"scan": 1}},
		{"Clear", func() error { return s.Clear(ctx) }, map[string]int{"evalsha": 2, "time": 1, "get": 2, "set": 2}},
		{"InvalidateTags", func() error { return s.InvalidateTags(ctx, "t") }, map[string]int{"evalsha": 2, "time": 1, "get": 2, "set": 2, "pttl": 1}},
	} {
		before := calls(t, srv)
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		after := calls(t, srv)
		for name, n := range before {
			after[name] -= n
		}
		maps.DeleteFunc(after, func(name string, n int) bool { return n == 0 || name == "info" || name == "ping" })
		if !maps.Equal(after, c.want) {
			t.Errorf("%s sent %v, want %v", c.name, after, c.want)
		}
	}
	if n := calls(t, srv); n["keys"]+n["flushall"]+n["flushdb"] > 0 {
		t.Errorf("sent what must never be sent: %v", n)
	}
}

// TestStore_Clear_others looks at neighbours whose prefixes are patterns of one
// another.
func TestStore_Clear_others(t *testing.T) {
	srv := redistest.Start(t, nil)
	c := dial(t, to(srv))
	prefixes := []string{"a*:", "ab:", "[a]:", "a:", `\a:`, "?:", ""}
	for _, p := range prefixes {
		set(t, strings(c, p), "k", "v"+p)
	}
	for i, p := range prefixes[:6] {
		if err := strings(c, p).Clear(ctx); err != nil {
			t.Fatal(err)
		}
		for j, q := range prefixes {
			want := "v" + q
			if j <= i {
				want = ""
			}
			get(t, strings(c, q), "k", want)
		}
	}
	set(t, strings(c, "a:"), "k", "again")
	if err := strings(c, "").Clear(ctx); err != nil {
		t.Fatal(err)
	}
	get(t, strings(c, ""), "k", "")
	get(t, strings(c, "a:"), "k", "again")
}

func TestStore_DeletePattern_cluster(t *testing.T) {
	s := strings(dial(t, onCluster(t)), prefix())
	entries := map[string]store.Entry[string]{}
	for i := range 1500 {
		entries[fmt.Sprintf("%d:%d", i%3, i)] = store.Entry[string]{Value: "v"}
	}
	if err := s.SetMany(ctx, entries); err != nil {
		t.Fatal(err)
	}
	found, err := store.GetMap(ctx, s, slices.Collect(maps.Keys(entries)))
	if err != nil || len(found) != 1500 {
		t.Fatalf("GetMany found %d, %v", len(found), err)
	}
	if n, err := s.DeletePattern(ctx, "[12]:*"); n != 1000 || err != nil {
		t.Errorf("DeletePattern = %d, %v", n, err)
	}
	if found, err = store.GetMap(ctx, s, slices.Collect(maps.Keys(entries))); err != nil || len(found) != 500 {
		t.Errorf("%d are left, %v", len(found), err)
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Server == nil || st.Server.Nodes != 3 || st.Server.Keys < 500 || st.Server.Bytes == 0 {
		t.Errorf("Stats = %+v, %v", st.Server, err)
	}
	if err := s.Clear(ctx); err != nil {
		t.Error(err)
	}
}

// TestMatch_redis compares the grammar of package keys with that of the server.
func TestMatch_redis(t *testing.T) {
	srv := redistest.Start(t, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(alphabet string, n int) string {
		b := make([]byte, rng.IntN(n))
		for i := range b {
			b[i] = alphabet[rng.IntN(len(alphabet))]
		}
		return string(b)
	}
	all := map[string]bool{}
	for range 300 {
		all[random("abc-]^*\\", 6)] = true
	}
	delete(all, "") // the oddity that keys.Match describes
	for key := range all {
		if _, err := srv.Do("SET", key, 1); err != nil {
			t.Fatal(err)
		}
	}
	for range 3000 {
		pattern := random("abc*?[]^-\\", 9)
		reply, err := srv.Do("SCAN", 0, "MATCH", pattern, "COUNT", 100_000)
		if err != nil {
			t.Fatal(err)
		}
		matched := map[string]bool{}
		for _, key := range reply.([]any)[1].([]any) {
			matched[key.(string)] = true
		}
		for key := range all {
			if keys.Match(pattern, key) != matched[key] {
				t.Errorf("Match(%q, %q) = %v, Redis says %v", pattern, key, !matched[key], matched[key])
			}
		}
	}
	for key := range all {
		if !keys.Match(keys.Quote(key), key) {
			t.Errorf("Quote(%q) does not match", key)
		}
	}
}

// A heartbeat asks a node of a cluster for the epoch and the slot map in its one exchange: before
// the node has answered anything.
func TestHeartbeat_slotMapCostsNoExchange(t *testing.T) {
	cl, network := redistest.StartCluster(t, 2), redistest.StartNetwork(t)
	c, _ := member(t, redisstore.Dialer{MaxDisconnected: time.Minute}, rueidis.ClientOption{InitAddress: cl.Addrs(), DialCtxFn: network.Dial})
	node := cl.Nodes[0]
	link := network.Link(node)
	link.HoleReplies(true)
	before := calls(t, node)
	done := make(chan error, 1)
	go func() { done <- c.Sync(ctx) }()
	redistest.WaitFor(t, "the node to be asked everything", func() bool {
		now := calls(t, node)
		return !slices.ContainsFunc([]string{"del", "time", "cluster|info", "cluster|slots"}, func(command string) bool { return now[command] <= before[command] })
	})
	link.HoleReplies(false)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
