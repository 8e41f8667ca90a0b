package strata_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// inProcesses runs f in a bubble, with caches of one source in n processes; 0: in memory alone.
func inProcesses(t *testing.T, n int, o strata.Options[string, int64], f func(t *testing.T, cs []*strata.Cache[string, int64], s *slowSource)) {
	t.Run(fmt.Sprintf("%d processes", n), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var bs []*strata.Backend
			if n == 0 {
				bs = append(bs, backend(t, nil))
			} else {
				bs, _ = fleetOf(t, n)
			}
			s := &slowSource{}
			o.Jitter = -1
			var cs []*strata.Cache[string, int64]
			for _, b := range bs {
				c, err := strata.New(b, "c", s.load, &o)
				if err != nil {
					t.Fatal(err)
				}
				cs = append(cs, c)
			}
			f(t, cs, s)
			for _, b := range bs {
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	})
}

// TestOptions_RefreshEvery: ids that are read are loaded once in a period, by one process of
// all, until RefreshFor after the last read.
func TestOptions_RefreshEvery(t *testing.T) {
	for _, n := range []int{0, 1, 3} {
		o := strata.Options[string, int64]{TTL: time.Hour, RefreshEvery: time.Minute, RefreshFor: 10 * time.Minute}
		inProcesses(t, n, o, func(t *testing.T, cs []*strata.Cache[string, int64], s *slowSource) {
			read := func() (latest int64) {
				for _, c := range cs {
					v, err := c.Get(t.Context(), "k")
					if err != nil {
						t.Error(err)
					}
					latest = max(latest, v)
				}
				return latest
			}
			read()
			for range 30 {
				time.Sleep(time.Minute)
				read()
			}
			if n := s.calls.Load(); n < 25 || n > 32 {
				t.Errorf("%d loads in 30 minutes, want about 30", n)
			}
			time.Sleep(15 * time.Minute)
			before := s.calls.Load()
			time.Sleep(30 * time.Minute)
			if n := s.calls.Load(); n != before {
				t.Errorf("%d loads after the last read, %d before", n, before)
			}
		})
	}
}

// TestOptions_RefreshEvery_failure: after a failure the value stays, and a later refresh succeeds.
func TestOptions_RefreshEvery_failure(t *testing.T) {
	o := strata.Options[string, int64]{TTL: time.Hour, RefreshEvery: time.Minute}
	inProcesses(t, 0, o, func(t *testing.T, cs []*strata.Cache[string, int64], s *slowSource) {
		gets(t, cs[0], "k", 1)
		s.fail(errors.New("down"))
		time.Sleep(90 * time.Second)
		gets(t, cs[0], "k", 1)
		s.fail(nil)
		time.Sleep(5 * time.Minute)
		if v, err := cs[0].Get(t.Context(), "k"); v < 3 || err != nil {
			t.Errorf("Get = %d, %v", v, err)
		}
	})
}

// TestOptions_RefreshEvery_redis: with Redis.
func TestOptions_RefreshEvery_redis(t *testing.T) {
	s := &counting{}
	c, err := strata.New(backend(t, &strata.Config{RedisURL: redistest.Start(t, nil).URL()}), "c", s.load, &strata.Options[string, string]{RefreshEvery: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "a third load", func() bool {
		v, err := c.Get(t.Context(), "k")
		return v >= "3" && err == nil
	})
}

// TestOptions_IdleTTL: a value that is read lives up to its TTL, one that is not read for IdleTTL.
func TestOptions_IdleTTL(t *testing.T) {
	for _, n := range []int{0, 1, 2} {
		inProcesses(t, n, strata.Options[string, int64]{TTL: 3 * time.Hour, IdleTTL: 30 * time.Minute}, func(t *testing.T, cs []*strata.Cache[string, int64], _ *slowSource) {
			for i := range 8 { // 2 hours and 55 minutes
				gets(t, cs[i%len(cs)], "k", 1)
				time.Sleep(25 * time.Minute)
			}
			gets(t, cs[0], "k", 2) // the hard end is over
			time.Sleep(31 * time.Minute)
			gets(t, cs[0], "k", 3) // it was not read
			for range 3 {
				time.Sleep(20 * time.Minute)
				if err := cs[0].Touch(t.Context(), "k"); err != nil {
					t.Error(err)
				}
			}
			gets(t, cs[0], "k", 3)
		})
	}
}

// TestOptions_IdleTTL_extends: a read after half of IdleTTL extends the life, in all tiers. One
// that reads a batch does.
func TestOptions_IdleTTL_extends(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		ctx := t.Context()
		c, err := strata.New[string, string](b, "c", nil, &strata.Options[string, string]{
			TTL: 50 * time.Hour, IdleTTL: 10 * time.Hour, StaleFor: time.Hour, Jitter: -1,
			TTLOf: func(id, _ string) time.Duration {
				if id == "short" {
					return 6 * time.Hour // the hard end
				}
				return 0
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]time.Duration{"long": 10 * time.Hour, "short": 6 * time.Hour} {
			if err := c.Set(ctx, id, id); err != nil {
				t.Fatal(err)
			}
			lifetimes(t, c, id, want, want+time.Hour)
			for _, read := range []func() error{
				func() error { _, err := c.Get(ctx, id); return err },
				func() error { _, err := c.GetMany(ctx, []string{id}); return err },
				func() error { _, err := c.GetFresh(ctx, id); return err },
				func() error { return c.Touch(ctx, id) },
			} {
				if err := c.Tiers().Expire(ctx, id, 3*time.Hour); err != nil {
					t.Fatal(err)
				}
				if err := read(); err != nil {
					t.Fatal(err)
				}
				redistest.WaitFor(t, "the life to be extended", func() bool {
					fresh, kept, err := c.TTL(ctx, id)
					return near(fresh, want) && near(kept, want+time.Hour) && err == nil
				})
			}
		}
		for _, err := range []error{c.SetFor(ctx, "long", "", time.Hour), c.SetTTL(ctx, "long", time.Hour)} {
			if !errors.Is(err, store.ErrRefused) || !strings.Contains(err.Error(), "Options.IdleTTL") {
				t.Errorf("the error is %v", err)
			}
		}
	})
}

// TestNew_idleGroups: the options of this file are refused where they have no effect.
func TestNew_idleGroups(t *testing.T) {
	load := func(context.Context, string) (string, error) { return "", nil }
	type options = strata.Options[string, string]
	for want, o := range map[string]options{
		"RefreshEvery requires a longer TTL": {TTL: time.Minute, RefreshEvery: time.Minute},
		"RefreshFor requires RefreshEvery":   {RefreshFor: time.Minute},
		"SourceFirst excludes":               {SourceFirst: true, RefreshAhead: 0.5},
		"IdleTTL requires a longer TTL":      {TTL: time.Minute, IdleTTL: time.Minute},
		"IdleTTL -1s is negative":            {IdleTTL: -time.Second},
		"RefreshEvery -1s is negative":       {RefreshEvery: -time.Second},
		"MaxTTL -1s is negative":             {MaxTTL: -time.Second},
	} {
		if _, err := strata.New(backend(t, nil), "c", load, &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for want, o := range map[string]options{"SourceFirst requires a loader": {SourceFirst: true}, "RefreshEvery requires a loader": {RefreshEvery: time.Second}} {
		if _, err := strata.New(backend(t, nil), "c", nil, &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	o := options{IdleTTL: time.Minute, LoadEntry: func(context.Context, string) (strata.Loaded[string], error) { return strata.Loaded[string]{}, nil }}
	if _, err := strata.New(backend(t, nil), "c", nil, &o); err == nil || !strings.Contains(err.Error(), "IdleTTL excludes LoadEntry") {
		t.Errorf("LoadEntry: %v", err)
	}
}
