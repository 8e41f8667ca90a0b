package fleet_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
)

// Faults of Redis.

// killConnections kills connections with one of flags in CLIENT LIST: t for those with
// tracking, N for none.
func killConnections(flags string) func(context.Context, *fleet) {
	return func(ctx context.Context, f *fleet) {
		f.times(ctx, 150*time.Millisecond, 400*time.Millisecond, func() error {
			list, err := f.server.Do("CLIENT", "LIST")
			if err != nil {
				return err
			}
			mine, err := f.server.Do("CLIENT", "ID")
			if err != nil {
				return err
			}
			done := errNoFault
			for line := range strings.Lines(list.(string)) {
				id, has := clientFlags(line)
				if !strings.ContainsAny(has, flags) || id == fmt.Sprint(mine) {
					continue
				}
				if _, err := f.server.Do("CLIENT", "KILL", "ID", id); err == nil {
					done = nil
				}
			}
			return done
		})
	}
}

func clientFlags(line string) (id, flags string) {
	for field := range strings.FieldsSeq(line) {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "id":
			id = value
		case "flags":
			flags = value
		}
	}
	return id, flags
}

// limitOutput makes Redis kill, for a moment, connections with more output than fits into
// the buffer of each.
func limitOutput(ctx context.Context, f *fleet) {
	f.times(ctx, 150*time.Millisecond, 400*time.Millisecond, func() error {
		for _, limit := range []string{"normal 1 0 0", "normal 0 0 0"} {
			if _, err := f.server.Do("CONFIG", "SET", "client-output-buffer-limit", limit); err != nil {
				return err
			}
			f.pause(ctx, 0, 20*time.Millisecond)
		}
		return nil
	})
}

func killRedis(ctx context.Context, f *fleet) {
	f.times(ctx, 200*time.Millisecond, 500*time.Millisecond, func() error {
		f.server.Kill()
		f.pause(ctx, 0, 300*time.Millisecond)
		return f.server.Restart()
	})
}

func stallRedis(ctx context.Context, f *fleet) {
	f.times(ctx, 150*time.Millisecond, 400*time.Millisecond, func() error {
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

func flushScripts(ctx context.Context, f *fleet) {
	f.times(ctx, 5*time.Millisecond, 20*time.Millisecond, func() error {
		_, err := f.server.Do("SCRIPT", "FLUSH")
		return err
	})
}

// fillMemory writes until Redis evicts.
func fillMemory(ctx context.Context, f *fleet) {
	junk := strings.Repeat("x", 20_000)
	f.times(ctx, 0, 4*time.Millisecond, func() error {
		_, err := f.server.Do("SET", fmt.Sprint("junk", f.faults.Load()), junk)
		return err
	})
}

// shrinkMemory makes Redis full for a moment.
func shrinkMemory(ctx context.Context, f *fleet) {
	f.times(ctx, 50*time.Millisecond, 200*time.Millisecond, func() error {
		for _, limit := range []string{"1", "0"} {
			if _, err := f.server.Do("CONFIG", "SET", "maxmemory", limit); err != nil {
				return err
			}
			f.pause(ctx, 0, 100*time.Millisecond)
		}
		return nil
	})
}

// unpushedTags is how long after an invalidation by tag, or a Clear, other processes may find
// the old value in Redis, where their own connection made Redis evict the key of the tag: Redis
// then pushes neither the eviction nor the invalidation. The next heartbeat notices, which
// is sent after a quarter of MaxDisconnected, and takes as long on a busy machine.
func unpushedTags(w *history.Op) time.Duration {
	if w.Kind == history.Delete && strings.HasPrefix(w.Key, string(histTagged)) {
		return historyMaxDisconnected / 2
	}
	return 0
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

// full checks that Redis refused commands, without an effect on Delete and BeginWrite.
func full(t *testing.T, f *fleet, _ *history.Report, ops []history.Op) {
	refused := f.sum().L2Errors
	for _, o := range ops {
		switch {
		case o.Err == "":
		case o.Kind == history.Set:
			refused++
		case o.Kind != history.Get && o.Kind != history.Load:
			t.Errorf("full memory was in the way of this: %v", o)
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

// watchTable counts how often the tracking table of Redis was full.
func watchTable(ctx context.Context, f *fleet) {
	f.times(ctx, 10*time.Millisecond, 20*time.Millisecond, func() error {
		info, err := f.server.Info("stats")
		if n, _ := strconv.Atoi(info["tracking_total_keys"]); err == nil && n < 99 {
			return errNoFault
		}
		return err
	})
}
