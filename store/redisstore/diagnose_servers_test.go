package redisstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

func do(t testing.TB, s *redistest.Server, args ...any) {
	t.Helper()
	if _, err := s.Do(args...); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

func on(o *redistest.Options) func(*testing.T) diagnosed {
	return func(t *testing.T) diagnosed { return diagnosed{opt: to(redistest.Start(t, o))} }
}

// refusing returns a server that answers a command with an error.
func refusing(command, text string) func(*testing.T) diagnosed {
	return func(t *testing.T) diagnosed {
		return diagnosed{opt: rueidis.ClientOption{InitAddress: []string{answering(t, command, text)}}}
	}
}

// lacking returns a server whose user has the documented rights but one.
func lacking(right string) func(*testing.T) diagnosed {
	return func(t *testing.T) diagnosed {
		s := redistest.Start(t, sound())
		s.Grant(t, "narrow", slices.DeleteFunc(documentedRights(t), func(r string) bool { return r == right })...)
		return diagnosed{opt: as("narrow", s)}
	}
}

// instead returns a server to which another command is sent in the place of those that match.
func instead(t *testing.T, match func(args []string) bool, command string) diagnosed {
	r := redistest.StartRewriter(t, server(t).Addr())
	r.Rewrite(match, []byte(command))
	return diagnosed{opt: rueidis.ClientOption{InitAddress: []string{r.Addr()}}}
}

// deaf is behind a proxy that asks for no pushes, whatever its clients say.
func deaf(t *testing.T) diagnosed {
	at := instead(t, func(args []string) bool {
		return len(args) > 1 && stdstrings.EqualFold(args[0], "CLIENT") && stdstrings.EqualFold(args[1], "TRACKING")
	}, "PING\r\n")
	at.d.Timeout = 500 * time.Millisecond
	return at
}

func uncovered(t *testing.T) diagnosed {
	return diagnosed{redisstore.Dialer{Broadcast: []string{"other:"}}, to(server(t))}
}

// leastModified has a policy that only newer servers have.
func leastModified(t *testing.T) diagnosed {
	return instead(t, func(args []string) bool {
		return len(args) > 1 && stdstrings.EqualFold(args[0], "INFO") && stdstrings.EqualFold(args[1], "memory")
	}, "*3\r\n$4\r\nEVAL\r\n$52\r\nreturn 'maxmemory:100\\nmaxmemory_policy:allkeys-lrm'\r\n$1\r\n0\r\n")
}

// lasting has values without a TTL beside others, in two databases.
func lasting(t *testing.T) diagnosed {
	s := redistest.Start(t, sound("maxmemory-policy volatile-lru"))
	for i := range 9 {
		do(t, s, "SET", fmt.Sprint("ends", i), "v", "EX", 1000)
	}
	do(t, s, "MSET", "a", "v", "b", "v")
	other, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	for _, args := range [][]any{{"SELECT", 1}, {"SET", "c", "v"}} {
		if _, err := other.Do(args...); err != nil {
			t.Fatal(err)
		}
	}
	return diagnosed{opt: to(s)}
}

func fullTable(t *testing.T) diagnosed {
	s := redistest.Start(t, sound("tracking-table-max-keys 20000"))
	read(t, s, 10_000)
	return diagnosed{opt: to(s)}
}

func leakingTable(t *testing.T) diagnosed {
	s := redistest.Start(t, sound())
	for range 20 {
		read(t, s, 100)()
	}
	return diagnosed{opt: to(s)}
}

// read has a client that tracks read n keys, and returns what closes it.
func read(t *testing.T, s *redistest.Server, n int) (end func()) {
	t.Helper()
	c, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	keys := []any{"MGET"}
	for i := range n {
		keys = append(keys, fmt.Sprint("k", i))
	}
	for _, args := range [][]any{{"CLIENT", "TRACKING", "ON"}, keys} {
		if _, err := c.Do(args...); err != nil {
			t.Fatal(err)
		}
	}
	return func() { c.Close() }
}

// failingSnapshot has a directory where the snapshot should be.
func failingSnapshot(t *testing.T) diagnosed {
	dir := t.TempDir()
	o := sound("dbfilename taken")
	o.Dir = dir
	s := redistest.Start(t, o)
	if err := os.MkdirAll(filepath.Join(dir, "taken", "by"), 0o755); err != nil {
		t.Fatal(err)
	}
	do(t, s, "SET", "k", "v")
	do(t, s, "BGSAVE")
	redistest.WaitFor(t, "the snapshot to fail", func() bool {
		info, err := s.Do("INFO", "persistence")
		return err == nil && stdstrings.Contains(fmt.Sprint(info), "rdb_last_bgsave_status:err")
	})
	return diagnosed{opt: to(s)}
}

func replica(t *testing.T) diagnosed {
	return diagnosed{opt: to(redistest.StartReplica(t, redistest.Start(t, nil)))}
}

func tooFewReplicas(t *testing.T) diagnosed {
	return diagnosed{redisstore.Dialer{WaitReplicas: 2}, to(redistest.Start(t, sound()))}
}

func behind(t *testing.T) diagnosed {
	s := redistest.Start(t, sound())
	r := redistest.StartReplica(t, s)
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Resume() })
	do(t, s, "SET", "k", stdstrings.Repeat("x", 2<<20))
	return diagnosed{opt: to(s)}
}

func skewed(t *testing.T) diagnosed {
	o := sound()
	o.OwnClock = true
	s := redistest.Start(t, o)
	if err := s.SetClock(time.Hour); err != nil {
		t.Fatal(err)
	}
	return diagnosed{opt: to(s)}
}

func distant(t *testing.T) diagnosed {
	p := redistest.StartProxy(t, redistest.Start(t, sound()).Addr())
	p.Delay(10 * time.Millisecond)
	return diagnosed{opt: rueidis.ClientOption{InitAddress: []string{p.Addr()}}}
}

// holey is a cluster in which a slot was taken from its primary.
func holey(t *testing.T) diagnosed {
	cl := redistest.StartCluster(t, 2)
	for _, node := range cl.Nodes {
		do(t, node, "CLUSTER", "DELSLOTS", "7")
	}
	return diagnosed{opt: rueidis.ClientOption{InitAddress: cl.Addrs()}}
}
