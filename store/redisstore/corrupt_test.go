package redisstore_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

func TestStore_Get_foreign(t *testing.T) {
	srv := redistest.Start(t, nil)
	c := dial(t, to(srv))
	other := redisstore.New(c, &redisstore.Options[string]{Codec: codec.JSON[string]()})
	s := redisstore.New(c, &redisstore.Options[string]{Codec: codec.String()})
	run := func(args ...any) {
		t.Helper()
		if _, err := srv.Do(args...); err != nil {
			t.Fatal(err)
		}
	}
	run("FLUSHALL")
	run("SET", "bytes", "some bytes of another program")
	run("SET", "short", "V\x01")
	run("RPUSH", "list", "a")
	set(t, s, "flipped", "value")
	run("SETRANGE", "flipped", 90, "\xff")
	set(t, s, "cut", "value")
	blob, err := srv.Do("GET", "cut")
	if err != nil {
		t.Fatal(err)
	}
	run("SET", "cut", blob.(string)[:91])
	set(t, s, "format", "value")
	run("SETRANGE", "format", 1, "\x02")
	set(t, other, "codec", "value")
	run("SET", "lease", "N\x01", "PX", 60_000)
	run("SET", "counter", 5)
	keys := []string{"bytes", "short", "list", "flipped", "cut", "format", "codec"}

	before, _ := s.Stats(ctx)
	for _, key := range keys {
		get(t, s, key, "")
	}
	after, err := s.Stats(ctx)
	if n := after.Corrupt - before.Corrupt; err != nil || n != uint64(len(keys)) {
		t.Errorf("%d corrupt, want %d (%v)", n, len(keys), err)
	}
	if n := after.Misses - before.Misses; n != uint64(len(keys)) {
		t.Errorf("%d misses, want %d", n, len(keys))
	}
	for _, key := range []string{"lease", "counter"} { // known, and no entries
		get(t, s, key, "")
	}
	if found, err := store.GetMap(ctx, s, append(keys, "lease", "counter")); err != nil || len(found) > 0 {
		t.Errorf("GetMany = %v, %v", found, err)
	}
	for _, key := range append(keys[:3:3], "lease") {
		if ok, err := s.Exists(ctx, key); key != "short" && ok || err != nil {
			t.Errorf("Exists(%s) = %v, %v", key, ok, err)
		}
	}
	for _, key := range []string{"list", "lease"} {
		if err := s.Expire(ctx, key, time.Hour); err != store.ErrNotFound {
			t.Errorf("Expire(%s) = %v", key, err)
		}
		if _, err := s.TTL(ctx, key); err != store.ErrNotFound {
			t.Errorf("TTL(%s) = %v", key, err)
		}
	}
	for _, key := range keys { // a Set replaces whatever it is
		set(t, s, key, "new")
		get(t, s, key, "new")
	}
}

// TestStore_softExpiryOnly follows an entry without a hard expiry, which Redis
// can only be told with one.
func TestStore_softExpiryOnly(t *testing.T) {
	s, _ := open(t)
	stale := store.In(time.Hour)
	if err := s.Set(ctx, "k", store.Entry[string]{Value: "v", StaleAt: stale}); err != nil {
		t.Fatal(err)
	}
	check := func(what string, expires bool) {
		t.Helper()
		e, err := s.Get(ctx, "k")
		ttl, err2 := s.TTL(ctx, "k")
		if err != nil || err2 != nil || (e.ExpiresAt != 0) != expires || (ttl != store.Forever) != expires {
			t.Errorf("%s: %+v, TTL %v, errors %v, %v", what, e, ttl, err, err2)
		}
	}
	check("after Set", false)
	if e, _ := s.Get(ctx, "k"); e.StaleAt.Sub(stale).Abs() > time.Minute {
		t.Errorf("stale at %v, want %v", e.StaleAt, stale)
	}
	if err := s.Expire(ctx, "k", store.Forever); err != nil {
		t.Fatal(err)
	}
	check("after Expire(Forever)", false)
	if err := s.Expire(ctx, "k", time.Hour); err != nil {
		t.Fatal(err)
	}
	check("after Expire(1h)", true)
}
