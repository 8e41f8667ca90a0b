package redisstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// TestStore_shortLifeUnderHold follows a value that ends before the hold under which
// it was kept: the key stands for the hold, and nobody finds the value in it.
func TestStore_shortLifeUnderHold(t *testing.T) {
	server := redistest.Start(t, nil)
	c, err := Dial(rueidis.ClientOption{InitAddress: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	followShortLife(t, New(c, &Options[string]{Codec: codec.String()}), "k")
}

// aging makes the record older, as if time had passed for it alone: so no
// test waits for something to run out.
var aging = script.New(`
local k,ms=KEYS[1],tonumber(ARGV[1])
local left=redis.call('PTTL',k)
if left>=0 and left<=ms then return redis.call('DEL',k) end
local h=redis.pcall('GETRANGE',k,0,87)
if type(h)~='string' or #h<88 then return 0 end
for _,at in ipairs{21,29} do
  local t=struct.unpack('>I8',h,at)
  if t>0 then redis.call('SETRANGE',k,at-1,struct.pack('>I8',math.max(1,t-ms))) end
end
local s=struct.unpack('>I4',h,57)
if s>0 and s<4294967295 then
  local t=s*1000+struct.unpack('>I2',h,77)-ms
  redis.call('SETRANGE',k,56,struct.pack('>I4',math.floor(t/1000)))
  redis.call('SETRANGE',k,76,struct.pack('>I2',t%1000))
end
if left>=0 then redis.call('PEXPIRE',k,left-ms) end
return 1`)

func followShortLife(t *testing.T, s *Store[string], key string) {
	ctx := context.Background()
	lasts := func(what string, left, most time.Duration, err error) {
		t.Helper()
		if err != nil || left > most || left < most-5*time.Minute {
			t.Errorf("%s of %s: %v, %v, want %v", what, key, left, err, most)
		}
	}
	if err := s.DeleteHolding(ctx, store.Hold{For: time.Hour}, key); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(ctx, key, store.Entry[string]{Value: "v", ExpiresAt: store.In(20 * time.Minute), StaleAt: store.In(10 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	e, err := s.Get(ctx, key)
	lasts("Get", e.ExpiresAt.Until(), 10*time.Minute, err)
	if e.StaleAt != 0 || e.Value != "v" {
		t.Errorf("%s: %+v", key, e)
	}
	ttl, err := s.TTL(ctx, key)
	lasts("TTL", ttl, 10*time.Minute, err)
	r, err := s.Revalidate(ctx, key, store.Entry[string]{Version: e.Version, Stamp: e.Stamp})
	lasts("Revalidate", r.ExpiresAt.Until(), 10*time.Minute, err)
	if there, err := s.Exists(ctx, key); !there || err != nil || r.StaleAt != 0 {
		t.Errorf("%s exists: %v, %v; revalidated: %+v", key, there, err, r)
	}

	l, err := s.client.link.Connected(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := aging.Run(ctx, l.W, key, "660000").Error(); err != nil {
		t.Fatal(err)
	}
	_, err1 := s.Get(ctx, key)
	_, err2 := s.TTL(ctx, key)
	_, err3 := s.Revalidate(ctx, key, e)
	err4 := s.Expire(ctx, key, time.Hour)
	for i, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s is over, call %d: %v", key, i, err)
		}
	}
	many, err := store.GetMap(ctx, s, []string{key})
	there, err2 := s.Exists(ctx, key)
	if len(many) > 0 || there || err != nil || err2 != nil {
		t.Errorf("%s is over: %v, %v, %v, %v", key, many, there, err, err2)
	}

	g, err := s.Lease(ctx, key, time.Minute, 0)
	if err != nil || g.State != store.Granted {
		t.Fatalf("%s: %+v, %v", key, g, err)
	}
	e, _, err = s.FillLeased(ctx, key, g.Lease, store.Entry[string]{Value: "w", Stamp: g.Stamp, ExpiresAt: store.In(2 * time.Hour)})
	lasts("FillLeased", e.ExpiresAt.Until(), 49*time.Minute, err)
	e, err = s.Get(ctx, key)
	lasts("Get", e.ExpiresAt.Until(), 49*time.Minute, err)

	// One that is stale already when it is kept is over then.
	g, err = s.Lease(ctx, key, time.Minute, e.Version)
	if err != nil || g.State != store.Granted {
		t.Fatalf("%s: %+v, %v", key, g, err)
	}
	e, _, err = s.FillLeased(ctx, key, g.Lease, store.Entry[string]{Value: "x", Stamp: g.Stamp, ExpiresAt: store.In(time.Minute), StaleAt: store.In(-time.Minute)})
	if err != nil || e.ExpiresAt == 0 || e.ExpiresAt.Until() > time.Second {
		t.Errorf("%s, stale already: %+v, %v", key, e, err)
	}
}

// Bytes that look like a value whose id is that of none are no reason not to load.
func TestStore_Lease_noID(t *testing.T) {
	server := redistest.Start(t, nil)
	c, err := Dial(rueidis.ClientOption{InitAddress: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := server.Do("SET", "k", append([]byte("V\x01"), make([]byte, record.HeaderSize)...)); err != nil {
		t.Fatal(err)
	}
	s := New[string](c, nil)
	if g, err := s.Lease(context.Background(), "k", time.Minute, 0); err != nil || g.State != store.Granted {
		t.Errorf("%+v, %v", g, err)
	}
}
