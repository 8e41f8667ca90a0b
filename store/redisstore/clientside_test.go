package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

func clientSide(c *redisstore.Client, prefix string) *redisstore.Store[string] {
	return redisstore.New(c, &redisstore.Options[string]{Prefix: prefix, Codec: codec.String(), ClientSide: true})
}

// TestClientSide_readYourWrites fails within some hundred rounds if writes do not
// wait for their own pushes.
func TestClientSide_readYourWrites(t *testing.T) {
	for name, option := range map[string]func(testing.TB) *redisstore.Client{
		"server":  func(t testing.TB) *redisstore.Client { return dial(t, onServer(t)) },
		"cluster": func(t testing.TB) *redisstore.Client { return dial(t, onCluster(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := clientSide(option(t), prefix())
			for i := range 2000 {
				v := fmt.Sprint(i)
				e := store.Entry[string]{Value: v}
				key := fmt.Sprint("k", i%3)
				switch i % 4 {
				case 0, 1:
					set(t, s, key, v)
					get(t, s, key, v)
				case 2:
					if err := s.SetMany(ctx, map[string]store.Entry[string]{key: e}); err != nil {
						t.Fatal(err)
					}
					get(t, s, key, v)
				case 3:
					if _, _, err := s.Fill(ctx, key, e); err != nil {
						t.Fatal(err)
					}
					get(t, s, key, v)
				}
				if i%10 == 0 {
					if err := s.Delete(ctx, key); err != nil {
						t.Fatal(err)
					}
					get(t, s, key, "")
				}
			}
		})
	}
}

func TestClientSide_otherWays(t *testing.T) {
	s := clientSide(dial(t, onServer(t)), prefix())
	for range 300 {
		set(t, s, "k", "v")
		get(t, s, "k", "v")
		if n, err := s.DeletePattern(ctx, "[k]"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		get(t, s, "k", "")
		set(t, s, "k", "v")
		get(t, s, "k", "v")
		if err := s.Expire(ctx, "k", -1); err != nil {
			t.Fatal(err)
		}
		get(t, s, "k", "")
	}
}

// TestClientSide_fillBeside fills through a plain store of the same client what
// the other answers from memory.
func TestClientSide_fillBeside(t *testing.T) {
	c := dial(t, onServer(t))
	p := prefix()
	s, plain := clientSide(c, p), strings(c, p)
	for i := range 300 {
		v := fmt.Sprint(i)
		if _, watched, err := plain.Fill(ctx, "k", store.Entry[string]{Value: v}); err != nil || !watched {
			t.Fatal(watched, err)
		}
		get(t, s, "k", v)
	}
}

// TestClientSide_fromMemory shows that hits do not go to the server, and that a
// change by somebody else is seen.
func TestClientSide_fromMemory(t *testing.T) {
	srv := redistest.Start(t, nil)
	s, peer := clientSide(dial(t, to(srv)), "p:"), strings(dial(t, to(srv)), "p:")
	if err := s.Set(ctx, "k", store.Entry[string]{Value: "v", ExpiresAt: store.In(time.Hour), StaleAt: store.In(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	get(t, s, "k", "v")
	before := calls(t, srv)
	for range 100 {
		e, err := s.Get(ctx, "k")
		if err != nil || e.ExpiresAt.Until() < 59*time.Minute || e.StaleAt.Until() > time.Minute+time.Second {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	if after := calls(t, srv); after["get"] != before["get"] {
		t.Errorf("%d GETs for 100 hits", after["get"]-before["get"])
	}
	set(t, peer, "k", "new")
	redistest.WaitFor(t, "the change", func() bool {
		e, err := s.Get(ctx, "k")
		return err == nil && e.Value == "new"
	})
}
