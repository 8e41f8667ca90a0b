package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// An address that leads to another primary after a planned failover is dialled again,
// though the connections to the old primary stay open: because of the heartbeat, or of
// the answer to a write where there is none.
func TestRedial_addressMoves(t *testing.T) {
	for mode, prefixes := range modes {
		for name, listens := range map[string]bool{"heartbeat": true, "no heartbeat": false} {
			t.Run(mode+", "+name, func(t *testing.T) {
				address := redistest.StartAddress(t)
				opt := rueidis.ClientOption{InitAddress: []string{address.Addr()}}
				c := dialWith(t, &redisstore.Dialer{Timeout: patience, Broadcast: prefixes}, opt)
				s := strings(c, "p:")
				if listens {
					alive(t, s)
				}
				for range 2 { // there and back
					set(t, s, "k", "v")
					get(t, s, "k", "v")
					if err := address.Failover(); err != nil {
						t.Fatal(err)
					}
					redistest.WaitFor(t, "a write to the new primary", func() bool { return s.Delete(ctx, "k") == nil })
					get(t, s, "k", "")
				}
			})
		}
	}
}

// The first heartbeat after a demotion says that nothing is heard: it does not wait for
// MaxDisconnected. Broadcasts once took the answer to the write for a failure of that alone.
func TestRedial_demotedStopsL1(t *testing.T) {
	for mode, prefixes := range modes {
		t.Run(mode, func(t *testing.T) {
			primary := redistest.Start(t, nil)
			c := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: time.Minute, Broadcast: prefixes}, to(primary))
			s := strings(c, "p:")
			hears := make(chan bool, 1000)
			t.Cleanup(watching(t, s, store.Watching{Connected: func(b bool) { hears <- b }}))
			for !<-hears {
			}
			if _, err := primary.Do("REPLICAOF", "127.0.0.1", "1"); err != nil {
				t.Fatal(err)
			}
			if err := c.Sync(ctx); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Sync: %v", err)
			}
			if c.Health().Connected {
				t.Error("L1 still trusts its copies")
			}
		})
	}
}
