package redisstore_test

import (
	"fmt"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/bypass"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// padded returns a value that begins with v and is not sent by a primary.
func padded(v string) string { return v + stdstrings.Repeat("-", 10<<10) }

// byReplica returns the option for a server with replicas.
func byReplica(primary *redistest.Server, replicas ...*redistest.Server) rueidis.ClientOption {
	opt := to(primary)
	for _, r := range replicas {
		opt.Standalone.ReplicaAddress = append(opt.Standalone.ReplicaAddress, r.Addr())
	}
	return opt
}

// readsReplicas returns a store that has read a value from a replica.
func readsReplicas(t *testing.T, opt rueidis.ClientOption) (*redisstore.Store[string], *redisstore.Client) {
	t.Helper()
	c := dialWith(t, &redisstore.Dialer{Timeout: 4 * time.Second, ReadReplicas: true}, opt)
	s := strings(c, "p:")
	set(t, s, "k", padded("v"))
	waitUsed(t, s, c, "k")
	return s, c
}

// waitUsed waits until a replica answers for keys that a store has.
func waitUsed(t *testing.T, s *redisstore.Store[string], c *redisstore.Client, keys ...string) {
	t.Helper()
	for _, key := range keys {
		redistest.WaitFor(t, "a replica to be used", func() bool {
			before := c.Health().ReplicaReads
			get(t, s, key, padded("v"))
			return c.Health().ReplicaReads > before
		})
	}
}

// Of a large value the primary sends the beginning, and a replica all. Whether the time of the
// server is known, and so the end of a key, makes no difference to that.
func TestReadReplicas(t *testing.T) {
	for name, listens := range map[string]bool{"with a heartbeat": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			primary := redistest.Start(t, nil)
			replica := redistest.StartReplica(t, primary)
			s, _ := readsReplicas(t, byReplica(primary, replica))
			if listens {
				alive(t, s)
			}
			many := make(map[string]store.Entry[string])
			for i := range 20 {
				many[fmt.Sprint("large", i)] = store.Entry[string]{Value: padded("v"), ExpiresAt: store.In(time.Hour)}
				many[fmt.Sprint("small", i)] = store.Entry[string]{Value: "v", ExpiresAt: store.In(time.Hour)}
			}
			if err := s.SetMany(ctx, many); err != nil {
				t.Fatal(err)
			}
			if n, err := primary.Do("WAIT", 1, 0); n != int64(1) || err != nil {
				t.Fatal(n, err)
			}
			checkSplit(t, s, primary, replica, many)
		})
	}
}

func checkSplit(t *testing.T, s *redisstore.Store[string], primary, replica *redistest.Server, many map[string]store.Entry[string]) {
	t.Helper()
	gets := func(s *redistest.Server) int { n := calls(t, s); return n["get"] + n["mget"] }
	onPrimary, onReplica := gets(primary), gets(replica)
	for i := range 20 {
		get(t, s, fmt.Sprint("large", i), padded("v"))
		get(t, s, fmt.Sprint("small", i), "v")
		get(t, s, fmt.Sprint("none", i), "")
	}
	if n := gets(replica) - onReplica; n != 20 {
		t.Errorf("the replica was asked for %d values, of 20 large ones", n)
	}
	keys := []string{"none"}
	for key := range many {
		keys = append(keys, key)
	}
	found, err := s.GetMany(ctx, keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range found {
		if want := many[keys[i]]; (e != nil) != (want.Value != "") || e != nil && (e.Value != want.Value || e.ExpiresAt < want.ExpiresAt-5000 || e.ExpiresAt > want.ExpiresAt+1000) {
			t.Errorf("GetMany has another value for %s, or another time", keys[i])
		}
	}
	if n := gets(replica) - onReplica; n != 40 {
		t.Errorf("the replica was asked for %d values, of 20 large ones, twice", n)
	}
	strict := bypass.Strict(ctx)
	if e, err := s.Get(strict, "large1"); err != nil || e.Value != padded("v") {
		t.Errorf("a strict Get: %v", err)
	}
	if found, err := s.GetMany(strict, []string{"large1", "large2"}); err != nil || found[0] == nil || found[1] == nil {
		t.Errorf("a strict GetMany: %v", err)
	}
	if n := gets(replica) - onReplica; n != 40 {
		t.Error("a strict read has asked the replica")
	}
	if n := gets(primary) - onPrimary; n > 5 { // those strict ones, and the clock of the tags
		t.Errorf("the primary was asked for %d whole values", n)
	}
}

// A replica that does not have the value of the primary, or does not answer, costs no read its
// answer, and is used again once it has recovered.
func TestReadReplicas_faults(t *testing.T) {
	for name, f := range map[string]struct {
		break_, mend func(primary, replica *redistest.Server) error
	}{
		"stopped": {
			func(_, replica *redistest.Server) error { return replica.Pause() },
			func(_, replica *redistest.Server) error { return replica.Resume() },
		},
		"behind": {
			func(primary, replica *redistest.Server) error { return replica.Detach(primary) },
			func(primary, replica *redistest.Server) error { return replica.Attach(primary) },
		},
		"emptied": {
			func(_, replica *redistest.Server) error {
				if _, err := replica.Do("CONFIG", "SET", "replica-read-only", "no"); err != nil {
					return err
				}
				_, err := replica.Do("FLUSHALL")
				return err
			},
			func(_, replica *redistest.Server) error { return nil }, // by the next value
		},
		"killed": {
			func(_, replica *redistest.Server) error { replica.Kill(); return nil },
			func(_, replica *redistest.Server) error { return replica.Restart() },
		},
		"promoted": {
			func(_, replica *redistest.Server) error { return replica.Promote() },
			func(primary, replica *redistest.Server) error {
				_, err := replica.Do("REPLICAOF", "127.0.0.1", primary.Port())
				return err
			},
		},
		"without its primary's data": { // MASTERDOWN
			func(primary, replica *redistest.Server) error {
				if _, err := replica.Do("CONFIG", "SET", "replica-serve-stale-data", "no"); err != nil {
					return err
				}
				return replica.Detach(primary)
			},
			func(primary, replica *redistest.Server) error { return replica.Attach(primary) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := redistest.Start(t, nil)
			replica := redistest.StartReplica(t, primary)
			s, c := readsReplicas(t, byReplica(primary, replica))
			alive(t, s)
			checkReads(t, s)
			if err := f.break_(primary, replica); err != nil {
				t.Fatal(err)
			}
			checkReads(t, s)
			if err := f.mend(primary, replica); err != nil {
				t.Fatal(err)
			}
			checkReads(t, s)
			set(t, s, "k", padded("v"))
			waitUsed(t, s, c, "k")
			if st, err := s.Stats(ctx); st.Corrupt > 0 || err != nil {
				t.Errorf("%d values were corrupt, %v", st.Corrupt, err)
			}
		})
	}
}

// checkReads checks that reads return what was written last.
func checkReads(t *testing.T, s *redisstore.Store[string]) {
	t.Helper()
	keys := []string{"a", "b", "c"}
	for i := range 40 {
		v := padded(fmt.Sprint(i))
		for _, key := range keys {
			set(t, s, key, v)
		}
		get(t, s, "a", v)
		if i%5 == 0 {
			if err := s.Delete(ctx, "b"); err != nil {
				t.Fatal(err)
			}
		}
		found, err := s.GetMany(ctx, keys)
		if err != nil {
			t.Fatal(err)
		}
		for j, e := range found {
			if gone := keys[j] == "b" && i%5 == 0; gone != (e == nil) || e != nil && e.Value != v {
				t.Fatalf("write %d: GetMany does not return the last value of %s", i, keys[j])
			}
		}
	}
}

// Of several replicas those are used that work.
func TestReadReplicas_several(t *testing.T) {
	primary := redistest.Start(t, nil)
	first, second := redistest.StartReplica(t, primary), redistest.StartReplica(t, primary)
	s, c := readsReplicas(t, byReplica(primary, first, second))
	for _, r := range []*redistest.Server{first, second} {
		before := calls(t, r)["get"]
		redistest.WaitFor(t, "each replica to be asked", func() bool {
			get(t, s, "k", padded("v"))
			return calls(t, r)["get"] > before
		})
	}
	first.Kill()
	waitUsed(t, s, c, "k")
	before := c.Health()
	for range 100 {
		get(t, s, "k", padded("v"))
	}
	if n := c.Health().ReplicaReads - before.ReplicaReads; n < 50 {
		t.Errorf("%d of 100 reads used the other replica", n)
	}
	redistest.WaitFor(t, "the failure to be reported", func() bool {
		get(t, s, "k", padded("v"))
		return c.Health().ReplicaError != ""
	})
}

// Settings that cannot work are refused.
func TestReadReplicas_refused(t *testing.T) {
	for name, f := range map[string]struct {
		dialer redisstore.Dialer
		opt    func() rueidis.ClientOption
		want   string
	}{
		"no address":  {redisstore.Dialer{ReadReplicas: true}, func() rueidis.ClientOption { return to(server(t)) }, "replica=HOST:PORT"},
		"not asked":   {redisstore.Dialer{}, func() rueidis.ClientOption { return byReplica(server(t), server(t)) }, "requires ReadReplicas"},
		"cluster":     {redisstore.Dialer{ReadReplicas: true}, func() rueidis.ClientOption { return byReplica(cluster(t).Nodes[0], server(t)) }, "a cluster names its replicas"},
		"no tracking": {redisstore.Dialer{ReadReplicas: true, NoTracking: true}, func() rueidis.ClientOption { return byReplica(server(t), server(t)) }, "NoTracking and ReadReplicas"},
		"sentinel": {redisstore.Dialer{ReadReplicas: true}, func() rueidis.ClientOption {
			o := byReplica(server(t), server(t))
			o.Sentinel.MasterSet = "m"
			return o
		}, "sentinels name the replicas"},
		"all replicas": {redisstore.Dialer{ReadReplicas: true}, func() rueidis.ClientOption { o := to(server(t)); o.ReplicaOnly = true; return o }, "ReplicaOnly"},
	} {
		f.dialer.Lazy, f.dialer.Timeout = true, patience // waiting would not help
		if c, err := f.dialer.Dial(f.opt()); err == nil || !stdstrings.Contains(err.Error(), f.want) {
			t.Errorf("%s: %v", name, err)
			if c != nil {
				c.Close()
			}
		}
	}
}

// A URL may name the replicas.
func TestReadReplicas_url(t *testing.T) {
	primary := redistest.Start(t, &redistest.Options{Password: "p@ss"})
	replica := redistest.StartReplica(t, primary)
	url := primary.URL() + "?replica=" + replica.Addr()
	c, err := (&redisstore.Dialer{Timeout: patience, ReadReplicas: true}).DialURL(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := strings(c, "p:")
	set(t, s, "k", padded("v"))
	waitUsed(t, s, c, "k")
	roundTrip(t, dialURL(t, url)) // another program
	if _, err := (&redisstore.Dialer{}).DiagnoseURL(ctx, url, "p:"); err != nil {
		t.Error(err)
	}
}
