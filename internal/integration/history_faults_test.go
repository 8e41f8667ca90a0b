package integration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
)

// A historyFault is a way in which things fail.
type historyFault struct {
	name     string
	told     bool // of all changes, instead of those of what was read
	redis    redistest.Options
	keys     int                           // 0: few
	proxied  bool                          // the victim's link
	inject   func(context.Context, *fleet) // until the context ends; leaves everything in order
	happened func(*testing.T, *fleet, *history.Report, []history.Op)
}

// A connection that is killed, and a process, may take with them a lease, so that
// others wait for it to end: these faults have more keys, or everybody waits.
var historyFaults = []historyFault{
	{name: "nothing"},
	{name: "all connections are killed", keys: 64, inject: killConnections(false), happened: lost},
	{name: "tracking connections are killed", keys: 64, inject: killConnections(true), happened: lost},
	{name: "Redis is killed and starts empty", inject: killRedis, happened: lost},
	{name: "Redis stalls", inject: stallRedis, happened: stalled},
	{name: "FLUSHALL", inject: flushAll, happened: lost},
	{name: "half-open link", proxied: true, inject: hole((*redistest.Proxy).Hole), happened: older},
	{name: "replies are held", proxied: true, inject: hole((*redistest.Proxy).HoleReplies), happened: older},
	{name: "slow link", proxied: true, inject: slowLink, happened: older},
	{name: "link is cut", proxied: true, inject: cutLink, happened: lost},
	{
		name: "eviction", redis: redistest.Options{MaxMemory: "4mb", MaxMemoryPolicy: "allkeys-lru"},
		inject: fillMemory, happened: evicted,
	},
	{
		name: "tracking table overflows", redis: redistest.Options{Config: []string{"tracking-table-max-keys 100"}}, keys: 400,
		inject: watchTable,
	},
	{name: "a process stalls", keys: 64, inject: stallProcess, happened: silent},
	{name: "a process is killed while it loads", keys: 64, inject: killProcess, happened: waited},
	{name: "broadcast, half-open link", told: true, proxied: true, inject: hole((*redistest.Proxy).Hole), happened: older},
}

// lost checks that processes lost sight of Redis.
func lost(t *testing.T, f *fleet, _ *history.Report, _ []history.Op) {
	if n := f.sum().Lost; n < uint64(f.faults) {
		t.Errorf("%d faults, but connections were lost %d times", f.faults, n)
	}
}

// older checks that something came late: L1 had served what was not true any more.
func older(t *testing.T, _ *fleet, r *history.Report, _ []history.Op) {
	if r.Age(1) < 20*time.Millisecond {
		t.Errorf("L1 was never more than %v behind", r.Age(1))
	}
}

// stalled checks that something had to wait for Redis.
func stalled(t *testing.T, _ *fleet, r *history.Report, _ []history.Op) {
	if took := r.Slowest.Return - r.Slowest.Call; took < 100*time.Millisecond {
		t.Errorf("nothing took longer than %v", took)
	}
}

// silent checks that the victim did nothing for a while.
func silent(t *testing.T, f *fleet, _ *history.Report, ops []history.Op) {
	var calls []time.Duration
	for _, o := range ops {
		if o.Process == f.victim().number && o.Kind != history.Commit {
			calls = append(calls, o.Call)
		}
	}
	slices.Sort(calls)
	var most time.Duration
	for i := 1; i < len(calls); i++ {
		most = max(most, calls[i]-calls[i-1])
	}
	if most < time.Second {
		t.Errorf("the victim was never silent for longer than %v", most)
	}
}

func waited(t *testing.T, f *fleet, _ *history.Report, _ []history.Op) {
	if f.sum().Waits == 0 {
		t.Error("nobody waited for the one that was killed")
	}
}

// errNoFault says that nothing came of it this time.
var errNoFault = errors.New("no fault")

// times does something again and again.
func (f *fleet) times(ctx context.Context, least, most time.Duration, do func() error) {
	for f.pause(ctx, least, most) {
		switch err := do(); err {
		case nil:
			f.faults++
		case errNoFault:
		default:
			f.t.Errorf("fault %d: %v", f.faults+1, err)
			return
		}
	}
}

func killConnections(tracking bool) func(context.Context, *fleet) {
	return func(ctx context.Context, f *fleet) {
		f.times(ctx, 200*time.Millisecond, 500*time.Millisecond, func() error {
			if !tracking {
				n, err := f.server.Do("CLIENT", "KILL", "TYPE", "normal")
				if n == int64(0) { // all had been killed and were not back yet
					return errNoFault
				}
				return err
			}
			list, err := f.server.Do("CLIENT", "LIST")
			if err != nil {
				return err
			}
			done := errNoFault
			for line := range strings.Lines(list.(string)) {
				if id, ok := trackingID(line); ok {
					if _, err := f.server.Do("CLIENT", "KILL", "ID", id); err == nil {
						done = nil
					}
				}
			}
			return done
		})
	}
}

// trackingID returns the ID of a connection in CLIENT LIST that is told of changes.
func trackingID(line string) (id string, ok bool) {
	for field := range strings.FieldsSeq(line) {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "id":
			id = value
		case "flags":
			ok = strings.Contains(value, "t")
		}
	}
	return id, ok
}

func killRedis(ctx context.Context, f *fleet) {
	f.times(ctx, 300*time.Millisecond, 700*time.Millisecond, func() error {
		f.server.Kill()
		f.pause(ctx, 0, 300*time.Millisecond)
		return f.server.Restart()
	})
}

func stallRedis(ctx context.Context, f *fleet) {
	f.times(ctx, 200*time.Millisecond, 500*time.Millisecond, func() error {
		if err := f.server.Pause(); err != nil {
			return err
		}
		f.pause(ctx, 100*time.Millisecond, time.Second)
		return f.server.Resume()
	})
}

func flushAll(ctx context.Context, f *fleet) {
	f.times(ctx, 50*time.Millisecond, 200*time.Millisecond, func() error {
		_, err := f.server.Do("FLUSHALL")
		return err
	})
}

// hole makes the victim's link fall silent for longer than it may.
func hole(set func(*redistest.Proxy, bool)) func(context.Context, *fleet) {
	return func(ctx context.Context, f *fleet) {
		f.times(ctx, 200*time.Millisecond, 600*time.Millisecond, func() error {
			set(f.proxy, true)
			f.pause(ctx, historyUnheard/2, 2*historyUnheard)
			set(f.proxy, false)
			return nil
		})
	}
}

func slowLink(ctx context.Context, f *fleet) {
	defer f.proxy.Delay(0)
	f.times(ctx, 50*time.Millisecond, 300*time.Millisecond, func() error {
		f.proxy.Delay(time.Duration(f.rand.IntN(100)) * time.Millisecond)
		return nil
	})
}

func cutLink(ctx context.Context, f *fleet) {
	f.times(ctx, 50*time.Millisecond, 300*time.Millisecond, func() error {
		f.proxy.Cut()
		return nil
	})
}

// fillMemory writes so much that Redis has to evict.
func fillMemory(ctx context.Context, f *fleet) {
	junk := strings.Repeat("x", 20_000)
	f.times(ctx, 0, 4*time.Millisecond, func() error {
		_, err := f.server.Do("SET", fmt.Sprint("junk", f.faults), junk)
		return err
	})
}

func evicted(t *testing.T, f *fleet, _ *history.Report, _ []history.Op) {
	info, err := f.server.Info("stats")
	if err != nil {
		t.Fatal(err)
	}
	// More than the junk itself.
	if n, _ := strconv.Atoi(info["evicted_keys"]); n < 100 {
		t.Errorf("%d keys were evicted", n)
	}
}

// watchTable counts how often Redis had as many keys in its table as it may.
func watchTable(ctx context.Context, f *fleet) {
	f.times(ctx, 10*time.Millisecond, 20*time.Millisecond, func() error {
		info, err := f.server.Info("stats")
		if n, _ := strconv.Atoi(info["tracking_total_keys"]); err == nil && n < 99 {
			return errNoFault
		}
		return err
	})
}

func stallProcess(ctx context.Context, f *fleet) {
	f.times(ctx, 200*time.Millisecond, 500*time.Millisecond, func() error {
		p := f.victim().cmd.Process
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		f.pause(ctx, time.Second, 2*time.Second)
		f.woken = append(f.woken, history.Now())
		return p.Signal(syscall.SIGCONT)
	})
}

// killProcess kills the victim while it loads, and starts another one.
func killProcess(ctx context.Context, f *fleet) {
	f.times(ctx, 200*time.Millisecond, 500*time.Millisecond, func() error {
		select {
		case <-f.source.holdLoad(f.victim().number):
		case <-ctx.Done():
			return errNoFault
		}
		f.victim().kill()
		f.start(f.server.Addr())
		return nil
	})
}
