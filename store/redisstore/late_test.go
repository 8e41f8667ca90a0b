package redisstore_test

import (
	"bytes"
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

// A lease ends although its fill or release was lost with the connection, or not sent at all
// because Redis could not be reached. So does a claim.
func TestStore_lostReleaseIsMadeLater(t *testing.T) {
	lease := func(s *redisstore.Store[string]) (store.Grant, error) { return s.Lease(ctx, "k", time.Hour, 0) }
	claim := func(s *redisstore.Store[string]) (store.Grant, error) { return s.Claim(ctx, "k", 7, time.Hour) }
	rights := map[string]struct {
		take func(s *redisstore.Store[string]) (store.Grant, error)
		end  func(ctx context.Context, s *redisstore.Store[string], g store.Grant) error
	}{
		"Release": {lease, func(ctx context.Context, s *redisstore.Store[string], g store.Grant) error {
			return s.Release(ctx, "k", g.Lease, 0, "")
		}},
		"FillLeased": {lease, func(ctx context.Context, s *redisstore.Store[string], g store.Grant) error {
			_, _, err := s.FillLeased(ctx, "k", g.Lease, store.Entry[string]{Value: "v", Stamp: g.Stamp})
			return err
		}},
		"FillManyLeased": {lease, func(ctx context.Context, s *redisstore.Store[string], g store.Grant) error {
			return s.FillManyLeased(ctx, []store.LeasedFill[string]{{Key: "k", Lease: g.Lease, Entry: store.Entry[string]{Value: "v", Stamp: g.Stamp}}})[0].Err
		}},
		"EndClaim": {claim, func(ctx context.Context, s *redisstore.Store[string], g store.Grant) error {
			return s.EndClaim(ctx, "k", 7, g.Lease, 0)
		}},
	}
	losses := map[string]struct {
		from func(t *testing.T, link *redistest.Proxy, s *redisstore.Store[string])
		to   func(link *redistest.Proxy)
	}{
		"lost": { // and so is what is on its way
			func(_ *testing.T, link *redistest.Proxy, _ *redisstore.Store[string]) { link.HoleRequests(true) },
			func(link *redistest.Proxy) { link.Cut(); link.HoleRequests(false) },
		},
		"not sent": {
			func(t *testing.T, link *redistest.Proxy, s *redisstore.Store[string]) {
				link.Refuse(true)
				link.Cut()
				redistest.WaitFor(t, "the breaker to open", func() bool {
					_, err := s.Get(ctx, "other")
					return err != nil && bytes.Contains([]byte(err.Error()), []byte("breaker is open"))
				})
			},
			func(link *redistest.Proxy) { link.Refuse(false) },
		},
	}
	for name, right := range rights {
		for what, loss := range losses {
			t.Run(name+"/"+what, func(t *testing.T) {
				link := redistest.StartProxy(t, redistest.Start(t, nil).Addr())
				s := redisstore.New(dial(t, rueidis.ClientOption{InitAddress: []string{link.Addr()}}), &redisstore.Options[string]{Prefix: "s:"})
				g, err := right.take(s)
				if err != nil || g.State != store.Granted {
					t.Fatalf("got %+v, %v", g, err)
				}
				loss.from(t, link, s)
				short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
				if err := right.end(short, s, g); err == nil {
					t.Fatal("the call succeeded")
				}
				loss.to(link)
				redistest.WaitFor(t, "the right to end", func() bool {
					g, err := right.take(s)
					return err == nil && g.State != store.Taken
				})
			})
		}
	}
}
