package redisstore_test

import (
	stdctx "context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// waiting returns a client that waits for one replica, and for it not for long.
func waiting(t *testing.T, opt rueidis.ClientOption) *redisstore.Store[string] {
	t.Helper()
	return strings(dialWith(t, &redisstore.Dialer{Timeout: 4 * time.Second, WaitReplicas: 1}, opt), "p:")
}

// writes are all operations that change entries, with keys of a slot.
func writes(s *redisstore.Store[string], tag string) map[string]func() error {
	k := func(n int) string { return fmt.Sprint("{", tag, "}", n) }
	e := store.Entry[string]{Value: "v", ExpiresAt: store.In(time.Hour)}
	newer := e
	return map[string]func() error{
		"Set":           func() error { return s.Set(ctx, k(1), e) },
		"Set, over":     func() error { return s.Set(ctx, k(1), store.Entry[string]{ExpiresAt: 1}) },
		"SetMany":       func() error { return s.SetMany(ctx, map[string]store.Entry[string]{k(2): e, k(3): e}) },
		"Delete":        func() error { return s.Delete(ctx, k(4), k(5)) },
		"DeleteHolding": func() error { return s.DeleteHolding(ctx, store.Hold{For: time.Minute}, k(6)) },
		"MarkStale":     func() error { return s.MarkStale(ctx, k(7)) },
		"Expire": func() error {
			err := s.Expire(ctx, k(8), time.Minute)
			if errors.Is(err, store.ErrNotFound) {
				err = nil
			}
			return err
		},
		"Add":         func() error { _, err := s.Add(ctx, k(9), 1, 0); return err },
		"BeginWrite":  func() error { _, err := s.BeginWrite(ctx, time.Minute, k(10)); return err },
		"EndWrite":    func() error { return s.EndWrite(ctx, 1, map[string]store.Entry[string]{k(10): e}, k(10)) },
		"DeleteOlder": func() error { return s.DeleteHolding(ctx, store.Hold{For: time.Minute, Revision: 1}, k(11)) },
		"SetNewer": func() error {
			newer.Revision++
			_, err := s.SetNewer(ctx, k(12), newer)
			return err
		},
		"DeletePattern": func() error {
			s.Set(ctx, k(13), e) // there is something to be removed
			_, err := s.DeletePattern(ctx, k(13))
			return err
		},
		"InvalidateTags": func() error { return s.InvalidateTags(ctx, k(14), "other") },
	}
}

// What fewer replicas have confirmed than it takes is an error that says so, and
// stands.
func TestWaitReplicas(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	s := waiting(t, to(primary))
	set(t, s, "{k}8", "v")
	for name, write := range writes(s, "k") {
		if err := write(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	set(t, s, "{k}8", "v")
	if err := replica.Pause(); err != nil {
		t.Fatal(err)
	}
	defer replica.Resume()
	var wg sync.WaitGroup // they wait together
	for name, write := range writes(s, "k") {
		wg.Go(func() {
			if err := write(); !errors.Is(err, store.ErrReplicas) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s without a replica: %v", name, err)
			}
		})
	}
	wg.Wait()
	if err := s.Set(ctx, "k", store.Entry[string]{Value: "v"}); !errors.Is(err, store.ErrReplicas) {
		t.Errorf("Set without a replica: %v", err)
	}
	get(t, s, "k", "v")
	if err := replica.Resume(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the replica to follow", func() bool { return s.Delete(ctx, "k") == nil })
	get(t, s, "k", "")
}

// A pattern removes all that matches, whether replicas confirm it or not, and asks them once.
func TestWaitReplicas_pattern(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	s := waiting(t, to(primary))
	entries := make(map[string]store.Entry[string])
	for i := range 3000 {
		entries[fmt.Sprint(i)] = store.Entry[string]{Value: "v"}
	}
	if err := s.SetMany(ctx, entries); err != nil {
		t.Fatal(err)
	}
	if err := replica.Pause(); err != nil {
		t.Fatal(err)
	}
	defer replica.Resume()
	before := calls(t, primary)["wait"]
	if n, err := s.DeletePattern(ctx, "*"); n != 3000 || !errors.Is(err, store.ErrReplicas) {
		t.Errorf("DeletePattern without a replica: %d, %v", n, err)
	}
	if n := calls(t, primary)["wait"] - before; n != 1 {
		t.Errorf("it waited %d times", n)
	}
	if ok, err := s.Exists(ctx, "7"); ok || err != nil {
		t.Errorf("it is left, %v", err)
	}
	if err := s.Clear(ctx); !errors.Is(err, store.ErrReplicas) {
		t.Errorf("Clear without a replica: %v", err)
	}
}

// A tag in the retry queue is invalidated once, whether replicas confirm it or not.
func TestWaitReplicas_retriedTag(t *testing.T) {
	primary := redistest.Start(t, nil) // without any replica
	proxy := redistest.StartProxy(t, primary.Addr())
	s := waiting(t, rueidis.ClientOption{InitAddress: []string{proxy.Addr()}})
	proxy.Refuse(true)
	proxy.Cut()
	if err := s.InvalidateTags(ctx, "tag"); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("InvalidateTags without Redis: %v", err)
	}
	proxy.Refuse(false)
	redistest.WaitFor(t, "entries with the tag to be found again", func() bool {
		err := s.Set(ctx, "k", store.Entry[string]{Value: "v", Tags: []string{"tag"}})
		_, miss := s.Get(ctx, "k")
		return errors.Is(err, store.ErrReplicas) && miss == nil
	})
}

// Many who write at the same time wait together, also where the replica is away.
func TestWaitReplicas_together(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	s := waiting(t, to(primary))
	write := func(want error) {
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				if err := s.Set(ctx, fmt.Sprint(i), store.Entry[string]{Value: "v"}); !errors.Is(err, want) {
					t.Errorf("Set: %v, want %v", err, want)
				}
			})
		}
		wg.Wait()
	}
	write(nil)
	before := calls(t, primary)["wait"]
	if before > 200 {
		t.Errorf("%d waits", before)
	}
	if err := replica.Pause(); err != nil {
		t.Fatal(err)
	}
	defer replica.Resume()
	write(store.ErrReplicas)
	if n := calls(t, primary)["wait"] - before; n > 3 {
		t.Errorf("200 writes at the same time waited %d times for a replica that is away", n)
	}
	// Who does not want to wait need not.
	short, cancel := stdctx.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if err := s.Set(short, "k", store.Entry[string]{Value: "v"}); !errors.Is(err, stdctx.DeadlineExceeded) {
		t.Errorf("with a context that ends: %v", err)
	}
}

// In a cluster the replicas of the primary of the key count, also while its slot
// moves to another, and when a replica has taken over.
func TestWaitReplicas_cluster(t *testing.T) {
	cl := redistest.StartReplicatedCluster(t, 2)
	s := waiting(t, rueidis.ClientOption{InitAddress: cl.Addrs()})
	t.Run("writes", func(t *testing.T) { testClusterWrites(t, cl, s) })
	t.Run("slot moves", func(t *testing.T) { testSlotMoves(t, cl, s) })
	t.Run("takeover", func(t *testing.T) { testTakeover(t, cl, s) })
}

func testClusterWrites(t *testing.T, cl *redistest.Cluster, s *redisstore.Store[string]) {
	tags := []string{"a", "b", "c", "d", "e"}
	onFirst := func(tag string) bool {
		owner, err := cl.Owner("p:{" + tag + "}")
		if err != nil {
			t.Fatal(err)
		}
		return owner == cl.Nodes[0]
	}
	if n := len(slices.DeleteFunc(slices.Clone(tags), onFirst)); n == 0 || n == len(tags) {
		t.Fatal("all keys are on one node")
	}
	for _, tag := range tags {
		set(t, s, "{"+tag+"}8", "v")
		for name, write := range writes(s, tag) {
			if err := write(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := cl.Replicas[0].Pause(); err != nil {
		t.Fatal(err)
	}
	defer cl.Replicas[0].Resume()
	e := store.Entry[string]{Value: "v"}
	many := make(map[string]store.Entry[string])
	for _, tag := range tags {
		key := "{" + tag + "}"
		many[key] = e
		if err := s.Set(ctx, key, e); errors.Is(err, store.ErrReplicas) != onFirst(tag) || err != nil && !onFirst(tag) {
			t.Errorf("%s: %v", tag, err)
		}
	}
	if err := s.SetMany(ctx, many); !errors.Is(err, store.ErrReplicas) {
		t.Errorf("SetMany: %v", err)
	}
	for key := range many {
		get(t, s, key, "v")
	}
}

func testSlotMoves(t *testing.T, cl *redistest.Cluster, s *redisstore.Store[string]) {
	set(t, s, "{k}", "v")
	from, err := cl.Owner("p:{k}")
	if err != nil {
		t.Fatal(err)
	}
	source := slices.Index(cl.Nodes, from)
	target := 1 - source
	do := func(node int, args ...any) any {
		t.Helper()
		reply, err := cl.Nodes[node].Do(args...)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	slot := do(source, "CLUSTER", "KEYSLOT", "k")
	check := func(what string) {
		t.Helper()
		if err := s.Set(ctx, "{k}new", store.Entry[string]{Value: what}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		get(t, s, "{k}new", what)
		if err := cl.Replicas[target].Pause(); err != nil {
			t.Fatal(err)
		}
		if err := s.Set(ctx, "{k}newer", store.Entry[string]{Value: what}); !errors.Is(err, store.ErrReplicas) {
			t.Errorf("%s, without the replica of the other node: %v", what, err)
		}
		if err := cl.Replicas[target].Resume(); err != nil {
			t.Fatal(err)
		}
	}
	do(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", do(source, "CLUSTER", "MYID"))
	do(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", do(target, "CLUSTER", "MYID"))
	check("while the slot moves") // the key is not there: it goes where the slot goes
	for _, key := range do(source, "CLUSTER", "GETKEYSINSLOT", slot, 100).([]any) {
		do(source, "MIGRATE", "127.0.0.1", cl.Nodes[target].Port(), key, 0, 5000)
	}
	id := do(target, "CLUSTER", "MYID")
	for _, node := range []int{target, source} {
		do(node, "CLUSTER", "SETSLOT", slot, "NODE", id)
	}
	check("when the slot has moved")
}

func testTakeover(t *testing.T, cl *redistest.Cluster, s *redisstore.Store[string]) {
	set(t, s, "x", "v")
	owner, err := cl.Owner("p:x")
	if err != nil {
		t.Fatal(err)
	}
	owner.Kill()
	if _, err := cl.Replicas[slices.Index(cl.Nodes, owner)].Do("CLUSTER", "FAILOVER", "TAKEOVER"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the value to be read", func() bool {
		e, err := s.Get(ctx, "x")
		return err == nil && e.Value == "v"
	})
	redistest.WaitFor(t, "the new primary to take a write", func() bool {
		return errors.Is(s.Set(ctx, "x", store.Entry[string]{Value: "w"}), store.ErrReplicas) // it has no replica
	})
	get(t, s, "x", "w")
}

// What another client has written is waited for as well, by a write that changes nothing
// any more: the Delete of a key that is not there, or the Set of a version that is.
func TestWaitReplicas_changesNothing(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	s, other := waiting(t, to(primary)), strings(dial(t, to(primary)), "p:")
	e := store.Entry[string]{Value: "v", ExpiresAt: store.In(time.Hour), Revision: 7}
	for _, key := range []string{"deleted", "versioned", "expired", "held"} {
		if err := s.Set(ctx, key, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := replica.Pause(); err != nil {
		t.Fatal(err)
	}
	defer replica.Resume()
	e.Revision = 8
	if _, err := other.SetNewer(ctx, "versioned", e); err != nil {
		t.Fatal(err)
	}
	if err := other.Delete(ctx, "deleted", "expired", "held"); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func() error{
		"Delete":   func() error { return s.Delete(ctx, "deleted") },
		"SetNewer": func() error { _, err := s.SetNewer(ctx, "versioned", e); return err },
		"Set of what is over": func() error {
			return s.Set(ctx, "expired", store.Entry[string]{ExpiresAt: 1})
		},
		"EndWrite": func() error { return s.EndWrite(ctx, 1, nil, "held") },
	} {
		if err := write(); !errors.Is(err, store.ErrReplicas) {
			t.Errorf("%s without a replica: %v", name, err)
		}
	}
	for _, key := range []string{"deleted", "expired", "held"} {
		if n, err := primary.Do("EXISTS", "p:"+key); n != int64(0) || err != nil {
			t.Errorf("%s: %v keys, %v", key, n, err)
		}
	}
	if ms, err := primary.Do("PTTL", "p:versioned"); err != nil || ms.(int64) < time.Hour.Milliseconds()*9/10 {
		t.Errorf("the versioned one has %v ms left, %v", ms, err)
	}
}
