package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

const (
	day       = 24 * time.Hour
	leastLife = 10 * time.Minute
)

// A tagStore is a store and its client.
type tagStore struct {
	*redisstore.Store[string]
	client *redisstore.Client
}

// eachTracking runs f with a server of its own for each way in which Redis tells of changes.
func eachTracking(t *testing.T, f func(t *testing.T, srv *redistest.Server, open func() *tagStore)) {
	for name, prefixes := range map[string][]string{"per key": nil, "broadcast": {"p:"}} {
		t.Run(name, func(t *testing.T) {
			srv := redistest.Start(t, nil)
			f(t, srv, func() *tagStore {
				c := dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: unhurried, Broadcast: prefixes}, to(srv))
				s := strings(c, "p:")
				listen(t, s)
				return &tagStore{s, c}
			})
		})
	}
}

// tagPTTL returns how long the key of a tag lasts: -1ms has no end, -2ms is not there.
func tagPTTL(t *testing.T, srv *redistest.Server, tag string) time.Duration {
	t.Helper()
	ms, err := srv.Do("PTTL", "!p:t:"+tag)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ms.(int64)) * time.Millisecond
}

// lasts checks that the key of a tag lasts for life, of which less than a minute is over.
func lasts(t *testing.T, srv *redistest.Server, what, tag string, life time.Duration) {
	t.Helper()
	if left := tagPTTL(t, srv, tag); left > life || left < life-time.Minute {
		t.Errorf("%s: the key of the tag lasts for %v, want %v", what, left, life)
	}
}

// entryWith is an entry that lives for ttl and carries a tag.
func entryWith(ttl time.Duration, tags ...string) store.Entry[string] {
	e := store.Entry[string]{Value: "v", Tags: tags}
	if ttl != store.Forever {
		e.ExpiresAt = store.In(ttl)
	}
	return e
}

// setLeased is what a load does.
func setLeased(s *tagStore, key string, e store.Entry[string]) error {
	g, err := s.Lease(ctx, key, time.Minute, 0)
	if err != nil {
		return err
	}
	e.Stamp = g.Stamp
	_, _, err = s.FillLeased(ctx, key, g.Lease, e)
	return err
}

// setMany is SetMany that begins with an entry without tags.
func setMany(s *tagStore, key string, e store.Entry[string]) error {
	return s.SetMany(ctx, map[string]store.Entry[string]{"none": {Value: "v"}, key: e})
}

// The key of a tag lasts twice as long as the entry that carries it, whichever operation makes it.
func TestTags_keysLastAsLongAsEntries(t *testing.T) {
	eachTracking(t, func(t *testing.T, srv *redistest.Server, open func() *tagStore) {
		a, b := open(), open()
		for name, set := range map[string]func(*tagStore, string, store.Entry[string]) error{
			"Set":     func(s *tagStore, key string, e store.Entry[string]) error { return s.Set(ctx, key, e) },
			"SetMany": setMany,
			"a load":  setLeased,
			"a refresh": func(s *tagStore, key string, e store.Entry[string]) error {
				if err := s.Set(ctx, key, store.Entry[string]{Value: "old"}); err != nil {
					return err
				}
				old, err := s.Get(ctx, key)
				if err != nil {
					return err
				}
				_, _, err = s.Replace(ctx, key, old.Version, e)
				return err
			},
		} {
			for ttl, life := range map[time.Duration]time.Duration{
				time.Minute: leastLife, time.Hour: 2 * time.Hour, 20 * day: 40 * day, store.Forever: 30 * day,
			} {
				what := fmt.Sprintf("%s for %v", name, ttl)
				if err := set(a, what, entryWith(ttl, what)); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				lasts(t, srv, what, what, life)
				for how, read := range map[string]func() error{
					"Get":     func() error { _, err := b.Get(ctx, what); return err },
					"GetMany": func() error { _, err := b.GetMany(ctx, []string{what, "none"}); return err },
				} {
					if _, err := srv.Do("DEL", "!p:t:"+what); err != nil { // as an eviction does
						t.Fatal(err)
					}
					if err := b.client.Sync(ctx); err != nil {
						t.Fatal(err)
					}
					if err := read(); err != nil {
						t.Errorf("%s, %s: %v", what, how, err)
					}
					lasts(t, srv, what+", then "+how, what, life)
				}
			}
		}
	})
}

// A stale part counts, and an entry that has only a soft expiry has no end.
func TestTags_keysOfStaleEntries(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dial(t, to(srv)), "p:")
	for tag, e := range map[string]store.Entry[string]{
		"stale":     {Tags: []string{"stale"}, StaleAt: store.In(time.Minute), ExpiresAt: store.In(time.Hour)},
		"soft only": {Tags: []string{"soft only"}, StaleAt: store.In(time.Minute)},
	} {
		if err := s.Set(ctx, tag, e); err != nil {
			t.Fatal(err)
		}
	}
	lasts(t, srv, "fresh and stale", "stale", 2*time.Hour)
	lasts(t, srv, "without a hard expiry", "soft only", 30*day)
}

// What needs no reading of a tag makes no key: a lease, and an entry that is over.
func TestTags_noKeyWithoutNeed(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dial(t, to(srv)), "p:")
	if _, err := s.Lease(ctx, "k", time.Minute, 0); err != nil {
		t.Fatal(err)
	}
	over := store.Entry[string]{Tags: []string{"over"}, ExpiresAt: store.In(-time.Second)}
	if err := s.Set(ctx, "k", over); err != nil {
		t.Fatal(err)
	}
	if err := s.SetMany(ctx, map[string]store.Entry[string]{"k": over, "l": {Value: "v"}}); err != nil {
		t.Fatal(err)
	}
	if left := tagPTTL(t, srv, "over"); left != -2*time.Millisecond {
		t.Errorf("the tag of an entry that is over has a key, which lasts for %v", left)
	}
}

// An invalidation makes a key that lasts for a short time, and cuts the life of none.
func TestTags_invalidatedKeys(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dial(t, to(srv)), "p:")
	if err := s.Set(ctx, "k", entryWith(time.Hour, "carried")); err != nil {
		t.Fatal(err)
	}
	if err := s.InvalidateTags(ctx, "carried", "of nothing"); err != nil {
		t.Fatal(err)
	}
	lasts(t, srv, "a tag that an entry carried", "carried", 2*time.Hour)
	lasts(t, srv, "a tag of nothing", "of nothing", leastLife)
}

// A tag of an entry that lasts longer than its key is prolonged, by the process that knows
// how long the key lasts, and by one that does not. It keeps its reading, and those who know
// that it is long enough do nothing.
func TestTags_keysAreProlonged(t *testing.T) {
	eachTracking(t, func(t *testing.T, srv *redistest.Server, open func() *tagStore) {
		a, b := open(), open()
		probes := calls(t, srv)["pexpire"] // of the rights of each
		set := func(s *tagStore, key string, ttl time.Duration) {
			t.Helper()
			if err := s.Set(ctx, key, entryWith(ttl, "t")); err != nil {
				t.Fatal(err)
			}
		}
		prolonged := func(life time.Duration) {
			t.Helper()
			redistest.WaitFor(t, fmt.Sprintf("the key of the tag to last for %v", life), func() bool {
				left := tagPTTL(t, srv, "t")
				return left <= life && left > life-time.Minute
			})
		}
		set(a, "first", time.Hour)
		prolonged(2 * time.Hour)
		ttl := time.Hour
		for i, s := range []*tagStore{a, b, a, b} { // a knows how long the key lasts; b does not at first
			ttl *= 3
			set(s, fmt.Sprint("longer ", i), ttl)
			prolonged(2 * ttl)
		}
		if n := calls(t, srv)["pexpire"] - probes; n != 4 {
			t.Errorf("prolonged %d times, want 4", n)
		}
		if err := a.InvalidateTags(ctx, "other"); err != nil { // what has no key now is lost
			t.Fatal(err)
		}
		for range 10 {
			for i, s := range []*tagStore{a, b} {
				set(s, fmt.Sprint("short ", i), time.Hour)
				for _, key := range []string{"first", "longer 0", "longer 3", fmt.Sprint("short ", i)} {
					if _, err := s.Get(ctx, key); err != nil {
						t.Fatalf("%s: %v", key, err)
					}
				}
			}
		}
		if n := calls(t, srv)["pexpire"] - probes; n != 4 {
			t.Errorf("prolonged %d times after that, want 4", n)
		}
	})
}

// A steady stream of entries keeps its tag alive: each time that half of the life of the key
// is over, the next entry prolongs it, whether that is set, loaded or read.
func TestTags_steadyStream(t *testing.T) {
	eachTracking(t, func(t *testing.T, srv *redistest.Server, open func() *tagStore) {
		a, b := open(), open()
		for name, use := range map[string]func(s *tagStore, key string) error{
			"Set":     func(s *tagStore, key string) error { return s.Set(ctx, key, entryWith(time.Minute, "t")) },
			"SetMany": func(s *tagStore, key string) error { return setMany(s, key, entryWith(time.Minute, "t")) },
			"a load":  func(s *tagStore, key string) error { return setLeased(s, key, entryWith(time.Minute, "t")) },
			"Get":     func(s *tagStore, _ string) error { _, err := s.Get(ctx, "first"); return err },
			"GetMany": func(s *tagStore, _ string) error {
				m, err := store.GetMap(ctx, s, []string{"first", "none"})
				if err == nil && len(m) == 0 {
					err = store.ErrNotFound
				}
				return err
			},
		} {
			if err := a.Set(ctx, "first", entryWith(time.Hour, "t")); err != nil {
				t.Fatal(err)
			}
			for i := range 6 {
				if err := a.InvalidateTags(ctx, "other"); err != nil { // what has no key now is lost
					t.Fatal(err)
				}
				if _, err := srv.Do("PEXPIRE", "!p:t:t", (leastLife/2 - time.Second).Milliseconds()); err != nil { // time passes
					t.Fatal(err)
				}
				s := []*tagStore{a, b}[i%2]
				key := fmt.Sprint(name, i)
				if err := s.client.Sync(ctx); err != nil {
					t.Fatal(err)
				}
				if err := use(s, key); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				redistest.WaitFor(t, name+" to prolong the key", func() bool { return tagPTTL(t, srv, "t") > leastLife-time.Minute })
			}
			if _, err := b.Get(ctx, "first"); err != nil {
				t.Errorf("%s: the first entry: %v", name, err)
			}
		}
	})
}

// A key that is prolonged while Redis cannot be reached is prolonged by a later use.
func TestTags_prolongedLater(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: unhurried}, to(srv)), "p:")
	listen(t, s)
	if err := s.Set(ctx, "k", entryWith(time.Hour, "t")); err != nil {
		t.Fatal(err)
	}
	forbid := func(rule string) {
		t.Helper()
		if _, err := srv.Do("ACL", "SETUSER", "default", rule); err != nil {
			t.Fatal(err)
		}
	}
	forbid("-pexpire")
	if err := s.Set(ctx, "longer", entryWith(2*time.Hour+time.Minute, "t")); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "a failed attempt", func() bool {
		log, err := srv.Do("ACL", "LOG")
		if err != nil {
			t.Fatal(err)
		}
		return len(log.([]any)) > 0
	})
	lasts(t, srv, "without the right to prolong", "t", 2*time.Hour)
	forbid("+pexpire")
	redistest.WaitFor(t, "a read to prolong the key", func() bool {
		if _, err := s.Get(ctx, "longer"); err != nil {
			t.Fatal(err)
		}
		return tagPTTL(t, srv, "t") > 4*time.Hour
	})
}
