package fleet_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

var operatorFaults = []operatorFault{
	{name: "SWAPDB", health: "?Redis has not received changes", do: swapDatabases},
	{name: "FLUSHDB of another database", do: flushOther},
	{name: "DEBUG RELOAD", redis: redistest.Options{Config: []string{"enable-debug-command local"}}, writes: true, health: "?Redis ", do: reload},
	{name: "REPLICAOF to other data", writes: true, health: "?Redis ", do: replicaOfOther},
	{name: "restart with older data", writes: true, health: "Redis ", do: restartOlder},
	{name: "maxmemory-clients", writes: true, health: "Redis ", do: evictClients},
	{name: "client-output-buffer-limit", pad: 50_000, writes: true, health: "?Redis ", do: limitReplies},
	{name: "CLIENT PAUSE ALL", writes: true, health: "Redis ", do: pauseAll},
	{name: "timeout 1", maxDisconnected: 8 * time.Second, health: "?Redis last answered", do: closeIdle},
	{name: "SCRIPT FLUSH", do: flushScriptsOften},
	{name: "io-threads 4", redis: redistest.Options{Config: []string{"io-threads 4"}}, do: (*operated).goesOn},
	{name: "memory is full, noeviction", do: fillUp},
	{name: "the clock of the server is set", redis: redistest.Options{OwnClock: true}, do: setClock},
}

// goesOn lets both processes work for some time.
func (o *operated) goesOn() error {
	before := o.caches[1].Stats().L2Hits
	redistest.WaitFor(o.t, "values to come from Redis", func() bool { return o.caches[1].Stats().L2Hits > before+50 })
	return nil
}

// run sends commands one after the other.
func (o *operated) run(commands ...string) error {
	for _, c := range commands {
		var args []any
		for word := range strings.FieldsSeq(c) {
			args = append(args, word)
		}
		if _, err := o.server.Do(args...); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	return nil
}

func swapDatabases(o *operated) error {
	return o.rewinds(0, true, func() error {
		if err := o.run("SWAPDB 0 1"); err != nil {
			return err
		}
		return errors.Join(o.goesOn(), o.run("SWAPDB 0 1"))
	})
}

// flushOther empties an unused database. Redis pushes an invalidation of all keys.
func flushOther(o *operated) error {
	err := o.run("SELECT 1", "SET other 1", "FLUSHDB")
	o.lost()
	return err
}

func reload(o *operated) error {
	err := o.run("DEBUG RELOAD")
	o.lost()
	redistest.WaitFor(o.t, "changes to be made again", func() bool { return o.caches[0].Stats().Replayed > 0 })
	return err
}

// replicaOfOther makes the server a replica of one with older data, and a primary again.
func replicaOfOther(o *operated) error {
	other := redistest.StartReplica(o.t, o.server)
	old := history.Now()
	if err := errors.Join(other.CaughtUp(o.server), other.Promote()); err != nil {
		return err
	}
	if err := o.goesOn(); err != nil {
		return err
	}
	return o.rewinds(old, true, func() error {
		if err := o.run("REPLICAOF 127.0.0.1 " + strconv.Itoa(other.Port())); err != nil {
			return err
		}
		redistest.WaitFor(o.t, "both to notice", func() bool {
			return o.says("not a primary any more")
		})
		return errors.Join(o.server.Follows(), o.run("REPLICAOF NO ONE"))
	})
}

func restartOlder(o *operated) error {
	saved := history.Now()
	if err := errors.Join(o.run("SAVE"), o.goesOn()); err != nil {
		return err
	}
	return o.rewinds(saved, false, o.server.Restart)
}

// evictClients makes the server close all connections except those of the operator, one of
// which takes all the memory for clients. The minimum setting of a server is 128 KiB.
func evictClients(o *operated) error {
	hog, err := o.server.Dial()
	if err != nil {
		return err
	}
	defer hog.Close()
	for _, c := range [][]any{{"CLIENT", "NO-EVICT", "ON"}, {"MULTI"}, {"SET", "hog", strings.Repeat("x", 1<<20)}} {
		if _, err := hog.Do(c...); err != nil {
			return err
		}
	}
	if err := o.run("CLIENT NO-EVICT ON", "CONFIG SET maxmemory-clients 128kb"); err != nil {
		return err
	}
	o.lost()
	redistest.WaitFor(o.t, "Health to notice", func() bool { return o.says("") })
	return o.run("CONFIG SET maxmemory-clients 0")
}

// limitReplies makes the server close, for a moment, the connections that carry values.
func limitReplies(o *operated) error {
	if _, err := o.server.Do("CONFIG", "SET", "client-output-buffer-limit", "normal 1 0 0"); err != nil {
		return err
	}
	o.lost()
	_, err := o.server.Do("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
	return err
}

// pauseAll makes the server answer no client for longer than MaxDisconnected.
func pauseAll(o *operated) error {
	if err := o.run("CLIENT PAUSE 3000 ALL"); err != nil {
		return err
	}
	redistest.WaitFor(o.t, "both breakers to open", func() bool {
		return o.says("the breaker is open")
	})
	return nil
}

// closeIdle makes the server close connections that are idle for more than a second.
// Clients send a probe once a second, which is not always sufficient.
func closeIdle(o *operated) error {
	if err := o.run("CONFIG SET timeout 1"); err != nil {
		return err
	}
	goOn := o.quiet()
	defer goOn()
	time.Sleep(6 * time.Second)
	o.t.Logf("copies were suspect %d and %d times", o.caches[0].Stats().Lost, o.caches[1].Stats().Lost)
	return nil
}

func flushScriptsOften(o *operated) error {
	for range 200 {
		if err := o.run("SCRIPT FLUSH"); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	if n := o.caches[0].Stats().Lost + o.caches[1].Stats().Lost; n > 0 {
		return fmt.Errorf("connections were lost %d times", n)
	}
	return nil
}

// fillUp makes the server reject commands that need memory. Deletions still work.
func fillUp(o *operated) error {
	before := o.caches[0].Stats()
	if err := o.run("CONFIG SET maxmemory 1"); err != nil {
		return err
	}
	if err := o.caches[0].Set(o.t.Context(), operatorKeys-1, operatorRow{Version: 1 << 40}); !errors.Is(err, store.ErrTooLarge) {
		return fmt.Errorf("Set: %w", err)
	}
	redistest.WaitFor(o.t, "values to be loaded", func() bool { return o.caches[0].Stats().Loads > before.Loads+20 })
	return o.run("CONFIG SET maxmemory 0")
}

// setClock sets the clock of the server forward and back. Values expire by that clock and
// must be found nevertheless.
func setClock(o *operated) error {
	for _, ahead := range []time.Duration{time.Hour, 0, -time.Hour, 0} {
		if err := o.server.SetClock(ahead); err != nil {
			return err
		}
		time.Sleep(2 * historyMaxDisconnected)
		if err := o.goesOn(); err != nil {
			return err
		}
	}
	return nil
}
