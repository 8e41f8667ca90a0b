package redisstore_test

import (
	"errors"
	"fmt"
	gostrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// large is a value above what the servers of these tests accept, and below
// DefaultMaxValueSize.
var large = string(make([]byte, 2<<20))

// sizeWrites are the ways to write a value.
var sizeWrites = map[string]func(s *redisstore.Store[string], key string, e store.Entry[string]) error{
	"Set": func(s *redisstore.Store[string], key string, e store.Entry[string]) error {
		return s.Set(ctx, key, e)
	},
	"SetMany": func(s *redisstore.Store[string], key string, e store.Entry[string]) error {
		err := s.SetMany(ctx, map[string]store.Entry[string]{key: e, key + "small": {Value: "v"}})
		if got, gerr := s.Get(ctx, key+"small"); gerr != nil || got.Value != "v" {
			return fmt.Errorf("the small value of the batch: %q, %w", got.Value, gerr)
		}
		return store.ByKey[string](err)(key)
	},
	"SetNewer": func(s *redisstore.Store[string], key string, e store.Entry[string]) error {
		e.Revision = 1
		_, err := s.SetNewer(ctx, key, e)
		return err
	},
	"Fill": func(s *redisstore.Store[string], key string, e store.Entry[string]) error {
		_, _, err := s.Fill(ctx, key, e)
		return err
	},
	"FillLeased": func(s *redisstore.Store[string], key string, e store.Entry[string]) error {
		g, err := s.Lease(ctx, key, time.Minute, 0)
		if err != nil || g.State != store.Granted {
			return fmt.Errorf("no lease: %v, %w", g.State, err)
		}
		e.Stamp = g.Stamp
		_, _, err = s.FillLeased(ctx, key, g.Lease, e)
		return err
	},
	"FillManyLeased": func(s *redisstore.Store[string], key string, e store.Entry[string]) error {
		g, err := s.LeaseMany(ctx, []string{key}, time.Minute, []uint64{0})
		if err != nil {
			return err
		}
		e.Stamp = g[0].Stamp
		return s.FillManyLeased(ctx, []store.LeasedFill[string]{{Key: key, Lease: g[0].Lease, Entry: e}})[0].Err
	},
	"EndWrite": func(s *redisstore.Store[string], key string, e store.Entry[string]) error {
		token, err := s.BeginWrite(ctx, time.Minute, key)
		if err != nil {
			return err
		}
		return s.EndWrite(ctx, token, map[string]store.Entry[string]{key: e}, key)
	},
	"Replace": func(s *redisstore.Store[string], key string, e store.Entry[string]) error {
		if err := s.Set(ctx, key, store.Entry[string]{Value: "before"}); err != nil {
			return err
		}
		there, err := s.Get(ctx, key)
		if err != nil {
			return err
		}
		_, _, err = s.Replace(ctx, key, there.Version, e)
		return err
	},
}

// settingsBelow make a server refuse large.
var settingsBelow = []string{"proto-max-bulk-len 1mb", "client-query-buffer-limit 1mb"}

// connected is how many connections a server has had.
func connected(t *testing.T, s *redistest.Server) (n int) {
	t.Helper()
	reply, err := s.Do("INFO", "stats")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := gostrings.Cut(reply.(string), "total_connections_received:")
	if _, err := fmt.Sscan(rest, &n); err != nil || !found {
		t.Fatalf("INFO: %v", err)
	}
	return n
}

// A value that the server does not accept is refused before it is sent: no connection is
// lost.
func TestStore_SizeLimit_refusedBeforeSent(t *testing.T) {
	for _, setting := range settingsBelow {
		t.Run(setting, func(t *testing.T) {
			srv := redistest.Start(t, &redistest.Options{Config: []string{setting}})
			s := strings(dial(t, to(srv)), prefix())
			if err := s.Set(ctx, "k", store.Entry[string]{Value: "v"}); err != nil {
				t.Fatal(err)
			}
			before := connected(t, srv)
			for name, write := range sizeWrites {
				for i := range 3 {
					if err := write(s, fmt.Sprint(name, i), store.Entry[string]{Value: large}); !errors.Is(err, store.ErrTooLarge) {
						t.Errorf("%s: error %.300v, want ErrTooLarge", name, err)
					}
				}
				if err := write(s, name+"medium", store.Entry[string]{Value: large[:900<<10]}); err != nil {
					t.Errorf("%s of 900 KiB: %.300v", name, err)
				}
			}
			plain := redisstore.NewPlain[string](dial(t, to(srv)), &redisstore.PlainOptions[string]{Prefix: prefix()})
			if err := plain.Set(ctx, "k", store.Entry[string]{Value: large}); !errors.Is(err, store.ErrTooLarge) {
				t.Errorf("Plain: error %.300v, want ErrTooLarge", err)
			}
			if n := connected(t, srv) - before; n != 2 { // those of the plain store
				t.Errorf("%d new connections, want 2", n)
			}
		})
	}
}

// Where the server does not permit CONFIG GET, the first large value shows that it is too
// large. No other value of that size is sent.
func TestStore_SizeLimit_learned(t *testing.T) {
	for _, setting := range settingsBelow {
		for name, write := range sizeWrites {
			t.Run(setting+" "+name, func(t *testing.T) {
				srv := redistest.Start(t, &redistest.Options{Config: []string{setting, "user limited on >secret ~* &* +@all -config"}})
				opt := to(srv)
				opt.Username, opt.Password = "limited", "secret"
				s := strings(dial(t, opt), prefix())
				if err := write(s, "k", store.Entry[string]{Value: large}); err == nil {
					t.Fatal("a value that the server does not accept was written")
				}
				before := connected(t, srv)
				for i := range 5 {
					redistest.WaitFor(t, "Redis to be connected", func() bool {
						return s.Set(ctx, "small", store.Entry[string]{Value: "v"}) == nil && getsValue(s, "small")
					})
					if i == 0 {
						before = connected(t, srv)
					}
					if err := write(s, fmt.Sprint("k", i), store.Entry[string]{Value: large}); !errors.Is(err, store.ErrTooLarge) {
						t.Errorf("error %.300v, want ErrTooLarge", err)
					}
				}
				if n := connected(t, srv) - before; n != 0 {
					t.Errorf("%d connections were lost", n)
				}
			})
		}
	}
}

// A setting that is changed is noticed by the first large value that is refused.
func TestStore_SizeLimit_lowered(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dial(t, to(srv)), prefix())
	if err := s.Set(ctx, "k", store.Entry[string]{Value: large}); err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Do("CONFIG", "SET", "proto-max-bulk-len", "1mb"); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(ctx, "k", store.Entry[string]{Value: large}); err == nil {
		t.Fatal("a value that the server does not accept was written")
	}
	redistest.WaitFor(t, "the server to be asked for its setting", func() bool {
		return errors.Is(s.Set(ctx, "k", store.Entry[string]{Value: large}), store.ErrTooLarge)
	})
	before := connected(t, srv)
	if err := s.Set(ctx, "other", store.Entry[string]{Value: large}); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("error %.300v, want ErrTooLarge", err)
	}
	if n := connected(t, srv) - before; n != 0 {
		t.Errorf("%d connections were lost", n)
	}
}

// A setting that is raised is noticed within seconds.
func TestStore_SizeLimit_raised(t *testing.T) {
	srv := redistest.Start(t, &redistest.Options{Config: []string{"proto-max-bulk-len 1mb"}})
	s := strings(dial(t, to(srv)), prefix())
	if err := s.Set(ctx, "k", store.Entry[string]{Value: large}); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("error %.300v, want ErrTooLarge", err)
	}
	if _, err := srv.Do("CONFIG", "SET", "proto-max-bulk-len", "4mb"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the new setting", func() bool {
		return s.Set(ctx, "k", store.Entry[string]{Value: large}) == nil
	})
}

// Servers that do not permit CONFIG GET, or do not know CONFIG, are taken to have the
// defaults.
func TestStore_SizeLimit_notPermitted(t *testing.T) {
	for _, setting := range []string{"user limited on >secret ~* &* +@all -config", `rename-command CONFIG ""`} {
		t.Run(setting, func(t *testing.T) {
			srv := redistest.Start(t, &redistest.Options{Config: []string{setting}})
			opt := to(srv)
			if gostrings.HasPrefix(setting, "user") {
				opt.Username, opt.Password = "limited", "secret"
			}
			s := strings(dial(t, opt), prefix())
			if err := s.Set(ctx, "small", store.Entry[string]{Value: "v"}); err != nil {
				t.Fatal(err)
			}
			before := connected(t, srv)
			for name, write := range sizeWrites {
				if err := write(s, name, store.Entry[string]{Value: large}); err != nil {
					t.Errorf("%s: %.300v", name, err)
				}
			}
			if n := connected(t, srv) - before; n != 0 {
				t.Errorf("%d connections were lost", n)
			}
		})
	}
}

// A key that need not be accepted is refused, whatever MaxKeySize says.
func TestStore_SizeLimit_keys(t *testing.T) {
	srv := redistest.Start(t, &redistest.Options{Config: settingsBelow})
	s := redisstore.New[string](dial(t, to(srv)), &redisstore.Options[string]{Prefix: prefix(), MaxKeySize: 8 << 20})
	if err := s.Set(ctx, "k", store.Entry[string]{Value: "v"}); err != nil {
		t.Fatal(err)
	}
	before := connected(t, srv)
	for name, f := range map[string]func(key string) error{
		"Get":    func(key string) error { _, err := s.Get(ctx, key); return err },
		"Set":    func(key string) error { return s.Set(ctx, key, store.Entry[string]{Value: "v"}) },
		"Delete": func(key string) error { return s.Delete(ctx, key) },
		"Add":    func(key string) error { _, err := s.Add(ctx, key, 1, time.Minute); return err },
		"DeletePattern": func(key string) error {
			_, err := s.DeletePattern(ctx, key)
			return err
		},
	} {
		if err := f(large); !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("%s: error %.300v, want ErrTooLarge", name, err)
		}
	}
	if n := connected(t, srv) - before; n != 0 {
		t.Errorf("%d connections were lost", n)
	}
}

func getsValue(s *redisstore.Store[string], key string) bool {
	_, err := s.Get(ctx, key)
	return err == nil
}
