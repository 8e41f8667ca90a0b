package redisstore_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// Nothing that is written while a hold is on outlives it, whatever writes it, and who has
// written the error says so.
func TestStore_everyWriteRespectsAHold(t *testing.T) {
	const hold = time.Minute
	srv := redistest.Start(t, nil)
	c := dial(t, to(srv))
	entry := func() store.Entry[string] {
		return store.Entry[string]{Value: "v", ExpiresAt: store.In(time.Hour), LoadedAt: store.Now(), Revision: 7}
	}
	set := func(t *testing.T, s *redisstore.Store[string]) store.Entry[string] {
		t.Helper()
		if err := s.Set(ctx, "k", entry()); err != nil {
			t.Fatal(err)
		}
		e, err := s.Get(ctx, "k")
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	// Each returns the entry as it was kept, or a zero one if the call does not tell.
	writes := map[string]func(*testing.T, *redisstore.Store[string]) (store.Entry[string], error){
		"Set": func(_ *testing.T, s *redisstore.Store[string]) (kept store.Entry[string], err error) {
			return kept, s.Set(ctx, "k", entry())
		},
		"SetMany": func(_ *testing.T, s *redisstore.Store[string]) (kept store.Entry[string], err error) {
			return kept, s.SetMany(ctx, map[string]store.Entry[string]{"k": entry()})
		},
		"SetNewer": func(_ *testing.T, s *redisstore.Store[string]) (kept store.Entry[string], err error) {
			_, err = s.SetNewer(ctx, "k", entry())
			return kept, err
		},
		"Fill": func(_ *testing.T, s *redisstore.Store[string]) (store.Entry[string], error) {
			kept, _, err := s.Fill(ctx, "k", entry())
			return kept, err
		},
		"FillLeased": func(t *testing.T, s *redisstore.Store[string]) (store.Entry[string], error) {
			g, e := mustLease(t, s, "k"), entry()
			e.Stamp = g.Stamp
			kept, _, err := s.FillLeased(ctx, "k", g.Lease, e)
			return kept, err
		},
		"FillManyLeased": func(t *testing.T, s *redisstore.Store[string]) (store.Entry[string], error) {
			g, e := mustLease(t, s, "k"), entry()
			e.Stamp = g.Stamp
			r := s.FillManyLeased(ctx, []store.LeasedFill[string]{{Key: "k", Lease: g.Lease, Entry: e}})
			return r[0].Entry, r[0].Err
		},
		"Replace": func(t *testing.T, s *redisstore.Store[string]) (store.Entry[string], error) {
			kept, _, err := s.Replace(ctx, "k", set(t, s).Version, entry())
			return kept, err
		},
		"Confirm": func(t *testing.T, s *redisstore.Store[string]) (store.Entry[string], error) {
			kept, _, err := s.Confirm(ctx, "k", set(t, s), entry())
			return kept, err
		},
		"Expire": func(t *testing.T, s *redisstore.Store[string]) (kept store.Entry[string], err error) {
			set(t, s)
			return kept, s.Expire(ctx, "k", time.Hour)
		},
	}
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			p := prefix()
			s := redisstore.New(c, &redisstore.Options[string]{Prefix: p, Codec: codec.String()})
			if err := s.DeleteHolding(ctx, store.Hold{For: hold}, "k"); err != nil {
				t.Fatal(err)
			}
			kept, err := write(t, s)
			if err != nil {
				t.Fatal(err)
			}
			if left := kept.ExpiresAt.Until(); kept.ExpiresAt != 0 && left > hold {
				t.Errorf("it was kept for %v", left)
			}
			left, err := srv.Do("PTTL", p+"k")
			if ms, _ := left.(int64); err != nil || ms <= 0 || ms > hold.Milliseconds() {
				t.Errorf("the key lasts %v ms, %v", left, err)
			}
			if e, err := s.Get(ctx, "k"); err != nil || e.Value != "v" || e.ExpiresAt.Until() > hold {
				t.Errorf("it is there for %v, %v", e.ExpiresAt.Until(), err)
			}
		})
	}
}
