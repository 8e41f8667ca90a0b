package redisstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// Inspect describes each kind of record, and what makes reads refuse a value; a Store with the
// codec of the record reads its bytes.
func TestInspect(t *testing.T) {
	srv := server(t)
	c := dial(t, to(srv))
	tags := redisstore.NewTags(c, prefix()+"!")
	o := &redisstore.Options[string]{Prefix: prefix(), Tags: tags, Codec: codec.JSON[string]()}
	s := redisstore.New(c, o)
	ctx := t.Context()
	inspect := func(key string) redisstore.Record {
		t.Helper()
		r, err := s.Inspect(ctx, key)
		if err != nil || r.Key != o.Prefix+key {
			t.Fatalf("%q: %+v, %v", key, r, err)
		}
		return r
	}
	now := store.Now()
	entry := store.Entry[string]{
		Value: "v", StaleAt: now.Add(time.Minute), ExpiresAt: now.Add(time.Hour), LoadedAt: now, LoadTime: 7 * time.Millisecond,
		Tags: []string{"a", "b"}, Revision: 5,
	}
	for key, e := range map[string]store.Entry[string]{"value": entry, "for ever": {Value: "v"}, "absent": {Absent: true, ExpiresAt: now.Add(time.Hour)}} {
		if err := s.Set(ctx, key, e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Add(ctx, "counter", 3, time.Hour); err != nil {
		t.Fatal(err)
	}
	if l, err := s.Lease(ctx, "lease", 10*time.Second, 0); err != nil || l.State != store.Granted {
		t.Fatal(l, err)
	}
	if err := s.DeleteHolding(ctx, store.Hold{For: time.Minute}, "hold"); err != nil {
		t.Fatal(err)
	}
	do(t, srv, "set", o.Prefix+"foreign", "x")
	do(t, srv, "rpush", o.Prefix+"list", "x")
	for key, want := range map[string]redisstore.Kind{
		"value": redisstore.KindValue, "for ever": redisstore.KindValue, "absent": redisstore.KindAbsent, "counter": redisstore.KindCounter,
		"lease": redisstore.KindLease, "hold": redisstore.KindLease, "foreign": redisstore.KindForeign, "list": redisstore.KindForeign,
		"nothing": redisstore.KindMissing,
	} {
		if r := inspect(key); r.Kind != want {
			t.Errorf("%s is %q, want %q", key, r.Kind, want)
		}
	}

	r := inspect("value")
	if r.Codec != "json" || r.Version == 0 || r.Revision != 5 || !slices.Equal(r.Tags, entry.Tags) || r.LoadTime != entry.LoadTime || string(r.Payload) != `"v"` ||
		!between(r.TTL, 59*time.Minute, time.Hour) || !between(r.FreshFor, 50*time.Second, time.Minute) || r.LoadedAt.UnixMilli() != now.Time().UnixMilli() {
		t.Errorf("got %+v", r)
	}
	if len(r.Readings) != 2 || r.Readings[0] == 0 || r.Readings[1] > r.Stamp {
		t.Errorf("stamp %d, readings %d", r.Stamp, r.Readings)
	}
	if r := inspect("for ever"); r.TTL != -1 || r.FreshFor != -1 || len(r.Invalidated) > 0 {
		t.Errorf("for ever: %+v", r)
	}
	if r := inspect("lease"); !between(r.Lease, time.Second, 10*time.Second) || r.Hold != 0 {
		t.Errorf("lease: %+v", r)
	}
	if r := inspect("hold"); !between(r.Hold, 50*time.Second, time.Minute) || r.Lease != 0 {
		t.Errorf("hold: %+v", r)
	}

	bytes := redisstore.New(c, &redisstore.Options[[]byte]{Prefix: o.Prefix, Tags: tags, Codec: r.RawCodec()})
	if e, err := bytes.Get(ctx, "value"); err != nil || string(e.Value) != `"v"` {
		t.Errorf("the bytes are %q, %v", e.Value, err)
	}
	if err := tags.Invalidate(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	if r := inspect("value"); !slices.Equal(r.Invalidated, []string{"tag b"}) || r.Readings[0] > r.Stamp || r.Readings[1] <= r.Stamp {
		t.Errorf("after the invalidation of b: %+v", r)
	}
	if err := s.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	if r := inspect("value"); !slices.Equal(r.Invalidated, []string{"clear", "tag b"}) {
		t.Errorf("after Clear: %q", r.Invalidated)
	}
}

func between(d, least, most time.Duration) bool { return d >= least && d <= most }
