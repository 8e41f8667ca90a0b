package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// operations are all that a store can do, by name.
func operations(s *redisstore.Store[string]) map[string]func(context.Context) error {
	e := store.Entry[string]{Value: "s3cr3t", ExpiresAt: store.In(time.Hour)}
	return map[string]func(context.Context) error{
		"Get":     func(ctx context.Context) error { _, err := s.Get(ctx, "k"); return err },
		"Set":     func(ctx context.Context) error { return s.Set(ctx, "k", e) },
		"Fill":    func(ctx context.Context) error { _, _, err := s.Fill(ctx, "k", e); return err },
		"Delete":  func(ctx context.Context) error { return s.Delete(ctx, "k", "l") },
		"GetMany": func(ctx context.Context) error { _, err := s.GetMany(ctx, []string{"k", "l"}); return err },
		"SetMany": func(ctx context.Context) error { return s.SetMany(ctx, map[string]store.Entry[string]{"k": e}) },
		"TTL":     func(ctx context.Context) error { _, err := s.TTL(ctx, "k"); return err },
		"Expire":  func(ctx context.Context) error { return s.Expire(ctx, "k", time.Hour) },
		"Exists":  func(ctx context.Context) error { _, err := s.Exists(ctx, "k"); return err },
		"Add":     func(ctx context.Context) error { _, err := s.Add(ctx, "n", 1, 0); return err },
		"DeletePattern": func(ctx context.Context) error {
			_, err := s.DeletePattern(ctx, "*")
			return err
		},
		"Clear": s.Clear,
		"Ping":  s.Ping,
		"Stats": func(ctx context.Context) error { _, err := s.Stats(ctx); return err },
	}
}

// expect fails unless every operation returns an error that is want, and none
// that is unwanted, within limit.
func expect(t *testing.T, ctx context.Context, s *redisstore.Store[string], want, unwanted error, limit time.Duration) {
	t.Helper()
	for name, op := range operations(s) {
		start := time.Now()
		err := op(ctx)
		var e *store.Error
		if !errors.Is(err, want) || errors.Is(err, unwanted) || !errors.As(err, &e) || e.Store != "redis" {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if took := time.Since(start); took > limit {
			t.Errorf("%s took %v", name, took)
		}
		if err != nil && stdstrings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s has the value in it: %v", name, err)
		}
	}
}

func TestErrors_killed(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, BreakAfter: -1}, to(srv)), prefix())
	get(t, s, "k", "")
	srv.Kill()
	// The timeout is 20 s: a refused connection is not waited for.
	expect(t, ctx, s, store.ErrUnavailable, context.DeadlineExceeded, patience/2)
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
	set(t, s, "k", "v")
	get(t, s, "k", "v")
}

func TestErrors_paused(t *testing.T) {
	srv := redistest.Start(t, nil)
	opt := to(srv)
	opt.ConnWriteTimeout = time.Hour // nothing but the timeout ends an operation
	c := dialWith(t, &redisstore.Dialer{Timeout: 100 * time.Millisecond, BreakAfter: -1}, opt)
	s := strings(c, prefix())
	if err := srv.Pause(); err != nil {
		t.Fatal(err)
	}
	expect(t, ctx, s, store.ErrUnavailable, context.DeadlineExceeded, 5*time.Second)

	cancellable, cancel := context.WithCancel(ctx)
	expect(t, cancellable, s, store.ErrUnavailable, context.Canceled, 5*time.Second)
	cancel()
	expect(t, cancellable, s, context.Canceled, store.ErrUnavailable, 5*time.Second)

	for name := range operations(s) {
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		if err := operations(s)[name](short); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s with a deadline of its own: %v", name, err)
		}
		cancel()
	}
	if err := srv.Resume(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the store to work again", func() bool { return s.Ping(ctx) == nil })
}

// TestErrors_timeoutOfStore shows that a store's own timeout counts.
func TestErrors_timeoutOfStore(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := redisstore.New(dial(t, to(srv)), &redisstore.Options[string]{Timeout: 50 * time.Millisecond})
	if err := srv.Pause(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := s.Get(ctx, "k"); !errors.Is(err, store.ErrUnavailable) || time.Since(start) > patience/2 {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	srv.Resume()
}

func TestErrors_closed(t *testing.T) {
	c := dial(t, to(server(t)))
	s := strings(c, prefix())
	c.Close()
	expect(t, ctx, s, store.ErrClosed, store.ErrUnavailable, patience/2)
}

func TestErrors_replica(t *testing.T) {
	primary := redistest.Start(t, nil)
	replica := redistest.Start(t, &redistest.Options{Config: []string{fmt.Sprintf("replicaof 127.0.0.1 %d", primary.Port())}})
	s := strings(dial(t, to(replica)), prefix())
	err := s.Set(ctx, "k", store.Entry[string]{Value: "s3cr3t"})
	if !errors.Is(err, store.ErrUnavailable) || !stdstrings.Contains(err.Error(), "READONLY") {
		t.Errorf("Set on a replica: %v", err)
	}
}

func TestErrors_outOfMemory(t *testing.T) {
	srv := redistest.Start(t, &redistest.Options{MaxMemory: "3mb", MaxMemoryPolicy: "noeviction"})
	s := strings(dial(t, to(srv)), prefix())
	e := store.Entry[string]{Value: stdstrings.Repeat("x", 1<<20)}
	var err error
	for i := 0; i < 10 && err == nil; i++ {
		err = s.Set(ctx, fmt.Sprint(i), e)
	}
	if !errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Set = %v", err)
	}
	if err := s.Delete(ctx, "0"); err != nil {
		t.Errorf("Delete when memory is full: %v", err)
	}
}

func TestErrors_renamedCommand(t *testing.T) {
	srv := redistest.Start(t, &redistest.Options{Config: []string{`rename-command SET ""`}})
	s := strings(dial(t, to(srv)), prefix())
	err := s.Set(ctx, "k", store.Entry[string]{Value: "s3cr3t"})
	if err == nil || stdstrings.Contains(err.Error(), "s3cr3t") || !stdstrings.Contains(stdstrings.ToLower(err.Error()), "unknown") {
		t.Errorf("Set = %v", err)
	}
}

func TestErrors_tooLarge(t *testing.T) {
	srv := redistest.Start(t, nil)
	c := dial(t, to(srv))
	s := redisstore.New(c, &redisstore.Options[string]{Prefix: "p:", Codec: codec.String(), MaxKeySize: 10, MaxValueSize: 5})
	const long = "123456789"
	for name, err := range map[string]error{
		"value": s.Set(ctx, "k", store.Entry[string]{Value: "123456"}),
		"key":   s.Set(ctx, long, store.Entry[string]{}),
		"get":   func() error { _, err := s.Get(ctx, long); return err }(),
		"tags":  s.Set(ctx, "k", store.Entry[string]{Tags: []string{stdstrings.Repeat("t", 1<<16)}}),
		"many":  s.SetMany(ctx, map[string]store.Entry[string]{"ok": {Value: "1"}, long: {}}),
		"keys":  func() error { _, err := s.GetMany(ctx, []string{"ok", long}); return err }(),
		"del":   s.Delete(ctx, "k", long),
	} {
		if !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	set(t, s, "12345678", "12345")
	if found, _ := store.GetMap(ctx, s, []string{"ok", long}); found["ok"].Value != "1" {
		t.Errorf("GetMany beside a key that is too long: %v", found)
	}
}

// TestErrors_leaderLeaves lets the call that dials run out of its own time: those
// who wait for the same connection must not get its error.
func TestErrors_leaderLeaves(t *testing.T) {
	srv := redistest.Start(t, nil)
	proxy := redistest.StartProxy(t, srv.Addr())
	opt := to(srv)
	opt.InitAddress = []string{proxy.Addr()}
	s := strings(dial(t, opt), prefix())
	for range 5 {
		proxy.Delay(20 * time.Millisecond)
		proxy.Cut()
		leader := make(chan error)
		go func() {
			short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
			defer cancel()
			_, err := s.Get(short, "k")
			leader <- err
		}()
		time.Sleep(5 * time.Millisecond) // let it begin; nothing depends on it
		if _, err := s.Get(ctx, "k"); err != store.ErrNotFound {
			t.Errorf("Get beside one that gave up: %v", err)
		}
		<-leader
		proxy.Delay(0)
	}
}
