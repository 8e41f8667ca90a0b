package heartbeat

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
)

// When the clock of the server is set, all copies become suspect: their ends were computed
// from the expiry by the clock as it is now and the reading that the last heartbeat has left,
// and so may be wrong by as much as it was set.
func TestHeartbeat_clockIsSet(t *testing.T) {
	server := redistest.Start(t, &redistest.Options{OwnClock: true})
	p, _ := open(t, server.Addr(), time.Minute)
	defer p.Listen(notify.NewListener(func(bool) {}, nil), "p:")()
	var suspect atomic.Int64
	defer p.watchers.Watch("p:", nil, func(inv store.Invalidation) {
		if inv.All {
			suspect.Add(1)
		}
	})()
	sync := func() {
		t.Helper()
		if err := p.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sync()
	sync()
	before := suspect.Load() // connecting counts
	sync()
	if n := suspect.Load(); n != before {
		t.Errorf("copies became suspect %d times though the clock was not set", n-before)
	}
	for _, ahead := range []time.Duration{time.Hour, 0} {
		before = suspect.Load()
		if err := server.SetClock(ahead); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "copies to become suspect", func() bool { // Valkey reads its clock some milliseconds late
			sync()
			return suspect.Load() > before
		})
	}
}

// A replica that takes writes is no primary, though it answers a heartbeat without an error.
func TestHeartbeat_writableReplica(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.StartReplica(t, primary)
	if _, err := replica.Do("CONFIG", "SET", "replica-read-only", "no"); err != nil {
		t.Fatal(err)
	}
	p, _ := open(t, replica.Addr(), time.Minute)
	defer p.Listen(notify.NewListener(func(bool) {}, nil), "p:")()
	if err := p.Sync(t.Context()); !errors.Is(err, link.ErrDemoted) {
		t.Errorf("the heartbeat of a replica that takes writes: %v, want %v", err, link.ErrDemoted)
	}
}
