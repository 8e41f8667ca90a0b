package redisstore_test

import (
	"errors"
	"fmt"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// A proxy that passes on every command and reply but drops pushes is noticed by the
// heartbeat: L1 does not trust its copies, Redis is used, and Health says why. When pushes
// arrive again, it trusts what is read from then on.
func TestPushes_dropped(t *testing.T) {
	for mode, prefixes := range modes {
		for servers, start := range map[string]func(*testing.T) []string{
			"one server": func(t *testing.T) []string { return []string{redistest.Start(t, nil).Addr()} },
			"cluster":    func(t *testing.T) []string { return redistest.StartCluster(t, 3).Addrs() },
		} {
			t.Run(mode+", "+servers, func(t *testing.T) { pushesDropped(t, prefixes, start(t)) })
		}
	}
}

func pushesDropped(t *testing.T, prefixes, addrs []string) {
	network := redistest.StartNetwork(t)
	network.DropPushes(true)
	opt := rueidis.ClientOption{InitAddress: addrs, DialCtxFn: network.Dial}
	c := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: 200 * time.Millisecond, Broadcast: prefixes}, opt)
	s := strings(c, "p:")
	alive(t, s)
	redistest.WaitFor(t, "the loss to be noticed", func() bool { return c.Health().NoPushes != "" })
	if h := c.Health(); h.Connected || !stdstrings.Contains(h.NoPushes, "pushes do not arrive") || h.Breaker != "closed" {
		t.Errorf("Health: %+v", h)
	}
	for i := range 10 {
		key := fmt.Sprint("k", i)
		set(t, s, key, "v")
		get(t, s, key, "v")
	}
	if err := c.Sync(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Sync: %v", err)
	}
	if c.Health().Connected {
		t.Error("L1 trusts its copies again")
	}
	l := watch(t, s)
	network.DropPushes(false)
	redistest.WaitFor(t, "the pushes to be noticed", func() bool { h := c.Health(); return h.Connected && h.NoPushes == "" })
	if l.alls() == 0 {
		t.Error("copies from before are trusted")
	}
}

// Where pushes arrive nothing is held against them, whatever else happens to the test key,
// and nothing of the test stays in Redis.
func TestPushes_arrive(t *testing.T) {
	for mode, prefixes := range modes {
		t.Run(mode, func(t *testing.T) {
			srv := redistest.Start(t, nil)
			var clients []*redisstore.Client
			for range 3 {
				c := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: 40 * time.Millisecond, Broadcast: prefixes}, to(srv))
				alive(t, strings(c, "p:"))
				clients = append(clients, c)
			}
			writes := func() int64 {
				info, err := srv.Info("commandstats")
				if err != nil {
					t.Fatal(err)
				}
				var n int64
				fmt.Sscanf(info["cmdstat_set"], "calls=%d", &n)
				return n
			}
			redistest.WaitFor(t, "a hundred tests", func() bool {
				for _, c := range clients {
					if h := c.Health(); h.NoPushes != "" {
						t.Fatal(h.NoPushes)
					}
				}
				return writes() > 100
			})
			for _, c := range clients {
				c.Close()
			}
			redistest.WaitFor(t, "an empty server", func() bool {
				n, err := srv.Do("DBSIZE")
				return err == nil && n == int64(0)
			})
		})
	}
}

// A server or proxy that knows no client tracking is refused, with what to do.
func TestPushes_refused(t *testing.T) {
	for _, command := range []string{"HELLO", "CLIENT"} {
		t.Run(command, func(t *testing.T) {
			srv := redistest.Start(t, &redistest.Options{Config: []string{"rename-command " + command + ` ""`}})
			_, err := redisstore.Dial(to(srv))
			if err == nil || !stdstrings.Contains(err.Error(), "a proxy in front of it must pass on") || stdstrings.Contains(err.Error(), "\n") {
				t.Errorf("Dial: %v", err)
			}
		})
	}
}
