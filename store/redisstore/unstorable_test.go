package redisstore_test

import (
	"errors"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// A pickyCodec cannot encode "error" and "panic".
type pickyCodec struct{ codec.Codec[string] }

var errPicky = errors.New("not that one")

func (c pickyCodec) Append(dst []byte, v string) ([]byte, error) {
	switch v {
	case "error":
		return dst, errPicky
	case "panic":
		var none *struct{ n int }
		dst = append(dst, byte(none.n))
	}
	return c.Codec.Append(dst, v)
}

// Every write of a value that the codec cannot encode is an error that says so, and leaves
// the other keys of the same call, and what was under the key, as they are: but that what was
// loaded under a lease is known to be newer, so that the old value goes.
func TestStore_valueThatCannotBeEncoded(t *testing.T) {
	c := dial(t, to(server(t)))
	for _, bad := range []string{"error", "panic"} {
		e := store.Entry[string]{Value: bad, ExpiresAt: store.In(time.Hour)}
		writes := map[string]func(s *redisstore.Store[string]) error{
			"Set":     func(s *redisstore.Store[string]) error { return s.Set(ctx, "k", e) },
			"SetMany": func(s *redisstore.Store[string]) error { return s.SetMany(ctx, map[string]store.Entry[string]{"k": e}) },
			"SetNewer": func(s *redisstore.Store[string]) error {
				newer := e
				newer.Revision = 9
				_, err := s.SetNewer(ctx, "k", newer)
				return err
			},
			"Fill": func(s *redisstore.Store[string]) error {
				_, _, err := s.Fill(ctx, "k", e)
				return err
			},
			"FillLeased": func(s *redisstore.Store[string]) error {
				g := mustLease(t, s, "k")
				leased := e
				leased.Stamp = g.Stamp
				kept, watched, err := s.FillLeased(ctx, "k", g.Lease, leased)
				if kept.Version == 0 || !watched {
					t.Errorf("Redis has not noted it: version %d, watched %v", kept.Version, watched)
				}
				return err
			},
			"FillManyLeased": func(s *redisstore.Store[string]) error {
				g, other := mustLease(t, s, "k"), mustLease(t, s, "other")
				leased := e
				leased.Stamp = g.Stamp
				r := s.FillManyLeased(ctx, []store.LeasedFill[string]{
					{Key: "k", Lease: g.Lease, Entry: leased}, {Key: "other", Lease: other.Lease, Entry: store.Entry[string]{Value: "new", Stamp: other.Stamp}}})
				if r[1].Err != nil {
					t.Errorf("another key of the batch failed: %v", r[1].Err)
				}
				if r[0].Entry.Version == 0 || !r[0].Watched {
					t.Errorf("Redis has not noted it: version %d, watched %v", r[0].Entry.Version, r[0].Watched)
				}
				return r[0].Err
			},
			"Replace": func(s *redisstore.Store[string]) error {
				there, err := s.Get(ctx, "k")
				if err != nil {
					t.Fatal(err)
				}
				_, _, err = s.Replace(ctx, "k", there.Version, e)
				return err
			},
		}
		for name, write := range writes {
			t.Run(name+" "+bad, func(t *testing.T) {
				s := redisstore.New(c, &redisstore.Options[string]{Prefix: prefix(), Codec: pickyCodec{codec.String()}})
				if err := s.Set(ctx, "k", store.Entry[string]{Value: "old"}); err != nil {
					t.Fatal(err)
				}
				if err := write(s); !errors.Is(err, store.ErrUnstorable) || bad == "error" && !errors.Is(err, errPicky) {
					t.Errorf("the write returned %v", err)
				}
				got, err := s.Get(ctx, "k")
				if leased := stdstrings.Contains(name, "Leased"); leased && !errors.Is(err, store.ErrNotFound) || !leased && got.Value != "old" {
					t.Errorf("the key has %q, %v", got.Value, err)
				}
			})
		}
	}
}

// mustLease gets a lease of key although it has a value.
func mustLease(t *testing.T, s *redisstore.Store[string], key string) store.Grant {
	t.Helper()
	there, _ := s.Get(ctx, key)
	g, err := s.Lease(ctx, key, time.Minute, there.Version)
	if err != nil || g.State != store.Granted {
		t.Fatalf("no lease of %q: %+v, %v", key, g, err)
	}
	return g
}

// A write intent ends also with a value that cannot be encoded: the key is removed.
func TestStore_EndWrite_valueThatCannotBeEncoded(t *testing.T) {
	s := redisstore.New(dial(t, to(server(t))), &redisstore.Options[string]{Prefix: prefix(), Codec: pickyCodec{codec.String()}})
	token, err := s.BeginWrite(ctx, time.Minute, "k", "other")
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]store.Entry[string]{"k": {Value: "panic"}, "other": {Value: "new"}}
	if err := s.EndWrite(ctx, token, entries, "k", "other"); !errors.Is(err, store.ErrUnstorable) {
		t.Errorf("EndWrite returned %v", err)
	}
	if e, err := s.Get(ctx, "other"); err != nil || e.Value != "new" {
		t.Errorf("the other key has %q, %v", e.Value, err)
	}
	if g, err := s.Lease(ctx, "k", time.Second, 0); err != nil || g.State != store.Granted {
		t.Errorf("the key cannot be loaded: %+v, %v", g, err)
	}
}
