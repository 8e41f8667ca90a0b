package redisstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// A right that Redis gives although its reply was given up is given back: else nobody would
// use it, and others wait for its end.
func TestStore_lateReplyGivesRightsBack(t *testing.T) {
	const long = time.Hour
	calls := map[string]func(ctx context.Context, s *redisstore.Store[string]) error{
		"Lease": func(ctx context.Context, s *redisstore.Store[string]) error {
			_, err := s.Lease(ctx, "k", long, 0)
			return err
		},
		"LeaseMany": func(ctx context.Context, s *redisstore.Store[string]) error {
			_, err := s.LeaseMany(ctx, []string{"k", "l"}, long, []uint64{0, 0})
			return err
		},
		"Claim": func(ctx context.Context, s *redisstore.Store[string]) error {
			_, err := s.Claim(ctx, "k", 7, long)
			return err
		},
		"BeginWrite": func(ctx context.Context, s *redisstore.Store[string]) error {
			_, err := s.BeginWrite(ctx, long, "k", "l")
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, nil)
			s := redisstore.New(dial(t, to(server)), &redisstore.Options[string]{Prefix: "s:"})
			mustLease(t, s, "warm") // the scripts and the clock are known
			if err := s.Delete(ctx, "warm"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Claim(ctx, "warm", 7, time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if token, err := s.BeginWrite(ctx, long, "warm"); err != nil || s.EndWrite(ctx, token, nil, "warm") != nil {
				t.Fatal(err)
			}
			server.Pause()
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			err := call(short, s)
			server.Resume()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("the call returned %v", err)
			}
			redistest.WaitFor(t, "the right to be given back", func() bool {
				entries, err1 := server.Do("KEYS", "s:*")
				claims, err2 := server.Do("KEYS", "!s:r:*")
				n, _ := entries.([]any)
				m, _ := claims.([]any)
				return err1 == nil && err2 == nil && len(n) == 0 && len(m) == 0
			})
		})
	}
}

// The lease of a fill, or of a release, that was lost with its connection ends, too.
func TestStore_lostReleaseIsMadeLater(t *testing.T) {
	calls := map[string]func(ctx context.Context, s *redisstore.Store[string], g store.Grant) error{
		"Release": func(ctx context.Context, s *redisstore.Store[string], g store.Grant) error {
			return s.Release(ctx, "k", g.Lease, 0, "")
		},
		"FillLeased": func(ctx context.Context, s *redisstore.Store[string], g store.Grant) error {
			_, _, err := s.FillLeased(ctx, "k", g.Lease, store.Entry[string]{Value: "v", Stamp: g.Stamp})
			return err
		},
		"FillManyLeased": func(ctx context.Context, s *redisstore.Store[string], g store.Grant) error {
			return s.FillManyLeased(ctx, []store.LeasedFill[string]{{Key: "k", Lease: g.Lease, Entry: store.Entry[string]{Value: "v", Stamp: g.Stamp}}})[0].Err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			link := redistest.StartProxy(t, redistest.Start(t, nil).Addr())
			s := redisstore.New(dial(t, rueidis.ClientOption{InitAddress: []string{link.Addr()}}), &redisstore.Options[string]{Prefix: "s:"})
			g := mustLease(t, s, "k")
			link.HoleRequests(true) // and what is in it is lost
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			if err := call(short, s, g); err == nil {
				t.Fatal("the call succeeded")
			}
			link.Cut()
			link.HoleRequests(false)
			redistest.WaitFor(t, "the lease to end", func() bool {
				g, err := s.Lease(ctx, "k", time.Minute, 0)
				return err == nil && g.State != store.Taken
			})
		})
	}
}
