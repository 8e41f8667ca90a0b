package integration_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store/redisstore"
)

// buildBehind is build behind sentinels.
func buildBehind(t *testing.T, set *redistest.SentinelSet, o *layered.Options[int]) *house {
	t.Helper()
	opt := rueidis.ClientOption{InitAddress: set.Addrs(), Sentinel: rueidis.SentinelOption{MasterSet: redistest.MasterSet}}
	c, err := redisstore.Dial(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return houseOn(t, c, o)
}

// A loss is a Redis that is about to lose its last confirmed write, and two processes that
// use it.
type loss struct {
	writer, other *house

	replicate func() error // protects the writes so far
	forget    func() error // ends the current server; the next one has lost later writes
}

// losses are the ways in which Redis may lose confirmed writes.
var losses = map[string]func(*testing.T, *layered.Options[int]) *loss{
	"an address moves to a replica that lags": addressMoves,
	"sentinels promote a replica that lags":   sentinelsPromote,
	"a replica that lags takes over":          clusterTakeover,
	"a shard joins, and its replica lags":     joinedTakeover,
	"a restart from an old file":              restartFromFile,
}

// detach gives replica the current data of primary, and no later writes.
func detach(primary, replica *redistest.Server) error {
	if n, err := primary.Do("WAIT", 1, 30_000); err != nil || n != int64(1) {
		return fmt.Errorf("%v replicas follow: %w", n, err)
	}
	return replica.Detach(primary)
}

func addressMoves(t *testing.T, o *layered.Options[int]) *loss {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	l := &loss{writer: build(t, primary, o), other: build(t, primary, o)}
	l.replicate = func() error { return detach(primary, replica) }
	l.forget = func() error {
		l.writer.link.Redirect(replica.Addr())
		l.other.link.Redirect(replica.Addr())
		primary.Kill()
		return replica.Promote()
	}
	return l
}

func sentinelsPromote(t *testing.T, o *layered.Options[int]) *loss {
	set := redistest.StartSentinel(t)
	l := &loss{writer: buildBehind(t, set, o), other: buildBehind(t, set, o)}
	l.replicate = func() error { return detach(set.Primary, set.Replica) }
	l.forget = func() error {
		set.Primary.Kill()
		redistest.WaitFor(t, "the promotion", func() bool {
			s, err := set.Current()
			return err == nil && s == set.Replica
		})
		return nil
	}
	return l
}

func clusterTakeover(t *testing.T, o *layered.Options[int]) *loss {
	cl := redistest.StartReplicatedCluster(t, 2)
	owner, err := cl.Owner("h:k")
	if err != nil {
		t.Fatal(err)
	}
	replica := cl.Replicas[slices.Index(cl.Nodes, owner)]
	var d redisstore.Dialer
	l := &loss{writer: buildWith(t, d, o, cl.Addrs()...), other: buildWith(t, d, o, cl.Addrs()...)}
	l.replicate = func() error { return detach(owner, replica) }
	l.forget = func() error {
		owner.Kill()
		_, err := replica.Do("CLUSTER", "FAILOVER", "TAKEOVER")
		return err
	}
	return l
}

func joinedTakeover(t *testing.T, o *layered.Options[int]) *loss {
	cl := redistest.StartCluster(t, 2)
	var d redisstore.Dialer
	l := &loss{writer: buildWith(t, d, o, cl.Addrs()...), other: buildWith(t, d, o, cl.Addrs()...)}
	want(t, l.writer, now(1), 1, layered.Origin) // the heartbeat runs before the shard joins
	joined := cl.Join(t)
	slot, err := cl.Slot("h:k")
	if err == nil {
		err = cl.Move(slot, joined, func() {})
	}
	if err != nil {
		t.Fatal(err)
	}
	replica := cl.AddReplicaOf(t, joined)
	l.replicate = func() error { return detach(joined, replica) }
	l.forget = func() error {
		joined.Kill()
		return replica.TakeOver()
	}
	return l
}

func restartFromFile(t *testing.T, o *layered.Options[int]) *loss {
	server := redistest.Start(t, nil)
	l := &loss{writer: build(t, server, o), other: build(t, server, o)}
	l.replicate = func() error {
		_, err := server.Do("SAVE")
		return err
	}
	l.forget = server.Restart
	return l
}

// A reader reads k in a process until it is stopped, and records the results.
type reader struct {
	old  atomic.Int64 // number of old values
	last atomic.Int64 // time of the last one, in Unix nanoseconds
}

func (r *reader) run(t *testing.T, h *house, stop *atomic.Bool) {
	for !stop.Load() {
		f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: tagged(2, "t")})
		if err != nil {
			t.Errorf("no answer: %v", err)
			return
		}
		if f.Value == 1 {
			r.old.Add(1)
			r.last.Store(time.Now().UnixNano())
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// If Redis loses a confirmed Delete, the process that made it never reads the old value,
// and others only briefly: the Delete is replayed.
func TestFailover_lostDelete(t *testing.T) {
	for name, begin := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := begin(t, nil)
			writer, other, promoted := l.run(t, deletes, func() bool {
				c := l.writer.Counts()
				f, err := l.other.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(2)})
				return c.Replayed > 0 && c.RetryQueue == 0 && err == nil && f.Tier != layered.Origin && f.Value == 2
			})
			if n := writer.old.Load(); n != 0 {
				t.Errorf("the process that deleted the value read it %d times", n)
			}
			if other.old.Load() == 0 {
				t.Log("the other process never read the old value")
				return
			}
			t.Logf("the other process read the old value until %v after the promotion", time.Unix(0, other.last.Load()).Sub(promoted).Round(time.Millisecond))
		})
	}
}

// The control: without a recent-write log the old value is read, also by the process that
// deleted it.
func TestFailover_withoutRecentWriteLog(t *testing.T) {
	for name, begin := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := begin(t, &layered.Options[int]{RecentWritesFor: -1})
			l.run(t, deletes, func() bool {
				f1, err1 := l.writer.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(2)})
				f2, err2 := l.other.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(2)})
				return err1 == nil && err2 == nil && f1.Value == 1 && f2.Value == 1
			})
		})
	}
}

func deletes(ctx context.Context, h *house) error { return h.Delete(ctx, "k") }

// The same for values invalidated by tag or Clear. (In a cluster the record of that may be
// on a node that loses nothing.)
func TestFailover_lostInvalidation(t *testing.T) {
	for what, invalidate := range invalidations {
		for name, begin := range losses {
			if name == "a replica that lags takes over" || strings.HasPrefix(name, "a shard joins") {
				continue
			}
			t.Run(what+", "+name, func(t *testing.T) {
				t.Parallel()
				l := begin(t, nil)
				writer, _, _ := l.run(t, invalidate, func() bool {
					for _, h := range []*house{l.writer, l.other} {
						f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{Load: tagged(2, "t")})
						if err != nil || f.Tier == layered.Origin || f.Value != 2 {
							return false
						}
					}
					return true
				})
				if n := writer.old.Load(); n != 0 {
					t.Errorf("the process that took the value back read it %d times", n)
				}
			})
		}
	}
}

// run makes k old in Redis and invalidates it, makes Redis lose that, and reads in both
// processes until settled returns true.
func (l *loss) run(t *testing.T, invalidate func(context.Context, *house) error, settled func() bool) (writer, other *reader, promoted time.Time) {
	t.Helper()
	ctx := t.Context()
	redistest.WaitFor(t, "both to have the old value from Redis", func() bool {
		for _, h := range []*house{l.other, l.writer} {
			if f, err := h.FindFresh(ctx, "k", layered.Source[int]{Load: tagged(1, "t")}); err != nil || f.Tier != layered.L2 {
				return false // servers that have just begun may be slow to answer
			}
		}
		return true
	})
	if err := l.replicate(); err != nil {
		t.Fatal(err)
	}
	if err := invalidate(ctx, l.writer); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the other process to be notified", func() bool {
		_, ok := l.other.Local(ctx, "k")
		return !ok
	})
	writer, other = &reader{}, &reader{}
	var stop atomic.Bool
	var wg sync.WaitGroup
	defer func() {
		stop.Store(true)
		wg.Wait()
	}()
	wg.Go(func() { writer.run(t, l.writer, &stop) })
	wg.Go(func() { other.run(t, l.other, &stop) })
	if err := l.forget(); err != nil {
		t.Fatal(err)
	}
	promoted = time.Now()
	redistest.WaitFor(t, "the old value to be gone, or to come", settled)
	return writer, other, promoted
}

// A planned failover loses nothing, and no process reads old values.
func TestFailover_planned(t *testing.T) {
	cl := redistest.StartReplicatedCluster(t, 2)
	houses := []*house{buildOn(t, 0, cl.Addrs()...), buildOn(t, 0, cl.Addrs()...)}
	owner, err := cl.Owner("h:k")
	if err != nil {
		t.Fatal(err)
	}
	replica := cl.Replicas[slices.Index(cl.Nodes, owner)]
	want(t, houses[0], now(-1), -1, layered.Origin) // both are connected to the primaries
	want(t, houses[1], now(-2), -1, layered.L2)
	if _, err := replica.Do("CLUSTER", "FAILOVER"); err != nil {
		t.Fatal(err)
	}
	after := 0 // number of rounds since the promotion
	for v := 0; after < 100; v++ {
		redistest.WaitFor(t, "Redis to take the change", func() bool { return houses[0].Delete(t.Context(), "k") == nil })
		for i, h := range houses {
			f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(v)})
			if err != nil || f.Value != v {
				t.Fatalf("process %d got %d from %v, %v; want %d", i, f.Value, f.Tier, err, v)
			}
		}
		if info, err := replica.Info("replication"); err == nil && info["role"] == "master" {
			after++
		}
	}
	redistest.WaitFor(t, "the processes to notice", func() bool { return houses[0].Counts().Replayed > 0 && houses[1].Counts().Lost > 0 })
}
