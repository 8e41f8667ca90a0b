package redisstore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/lokroom/strata/store"
)

// These tests look inside because the record is a wire format: other programs
// of the fleet, and later versions, read it.

var update = flag.Bool("update", false, "write the golden files")

func build(t testing.TB, r *record) []byte {
	t.Helper()
	b, err := appendHead(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, r.payload...)
	seal(b)
	return b
}

func full() *record {
	return &record{
		codec: 1, id: 0x0102030405060708, keepMs: 60_000, loadedAt: 1_700_000_000_123,
		tags: []string{"city:paris", "", "\x00\xff"}, payload: []byte("payload"),
	}
}

func sameRecord(a, b *record) bool {
	return a.absent == b.absent && a.endless == b.endless && a.codec == b.codec && a.id == b.id && a.keepMs == b.keepMs && a.version == b.version &&
		a.took == b.took && a.loadedAt == b.loadedAt && slices.Equal(a.tags, b.tags) && bytes.Equal(a.payload, b.payload)
}

func TestRecord_golden(t *testing.T) {
	for name, r := range map[string]*record{
		"full":      full(),
		"plain":     {codec: 2, id: 1, payload: []byte{0}},
		"absent":    {absent: true, codec: 1, id: math.MaxUint64 - 1, keepMs: math.MaxUint32},
		"versioned": {codec: 1, id: 7, version: 1<<60 + 1, payload: []byte("x")},
		"timed":     {codec: 1, id: 7, took: 0x0102, loadedAt: 1_700_000_000_123, payload: []byte("x")},
		"endless":   {endless: true, codec: 1, id: 7, keepMs: 1, payload: []byte("x")},
	} {
		got := hex.Dump(build(t, r))
		file := "testdata/" + name + ".golden"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is\n%swant\n%s", name, got, want)
		}
		var back record
		if err := parseRecord(build(t, r), &back); err != nil || !sameRecord(&back, r) {
			t.Errorf("%s came back as %+v, %v", name, back, err)
		}
	}
}

// TestRecord_corrupt changes every bit of a record: what is still accepted may
// differ in nothing but the fields that are not covered by the sum.
func TestRecord_corrupt(t *testing.T) {
	good := build(t, full())
	for i := range len(good) * 8 {
		b := slices.Clone(good)
		b[i/8] ^= 1 << (i % 8)
		var r record
		if parseRecord(b, &r) != nil {
			continue
		}
		want := full()
		want.id, want.keepMs, want.codec, want.endless, want.version, want.took = r.id, r.keepMs, r.codec, r.endless, r.version, r.took
		if i/8 >= headerSize || !sameRecord(&r, want) {
			t.Errorf("bit %d of byte %d: accepted as %+v", i%8, i/8, r)
		}
	}
	for n := range good {
		if err := parseRecord(good[:n], new(record)); !errors.Is(err, errCorrupt) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	absent := build(t, &record{absent: true, payload: []byte("x")})
	if parseRecord(absent, new(record)) == nil {
		t.Error("an absent entry with a payload was accepted")
	}
}

func TestRecord_laterExtension(t *testing.T) {
	b := build(t, &record{id: 1, loadedAt: 5})
	b[offExt+1] += 3
	b = append(b, "new"...)
	b = append(b, "payload"...)
	seal(b)
	var r record
	if err := parseRecord(b, &r); err != nil || r.loadedAt != 5 || string(r.payload) != "payload" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestTookOf(t *testing.T) {
	for d, want := range map[time.Duration]uint16{
		-1: 0, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, 65_535 * time.Millisecond: 65_535,
		65_535*time.Millisecond + 1: 65_535, math.MaxInt64: 65_535,
	} {
		if got := tookOf(d); got != want {
			t.Errorf("%v is %d, want %d", d, got, want)
		}
	}
}

func TestRecord_tagsTooLong(t *testing.T) {
	for _, tags := range [][]string{{string(make([]byte, 1<<16))}, {string(make([]byte, 40_000)), string(make([]byte, 40_000))}} {
		if _, err := appendHead(nil, &record{tags: tags}); !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("err = %v", err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(build(f, full()))
	f.Add(build(f, &record{absent: true}))
	f.Add([]byte("N\x01"))
	f.Add([]byte("-12"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r record
		err := parseRecord(b, &r)
		if (err == nil) && kindOf(b) != kindValue {
			t.Error("a record that is no value was parsed")
		}
		if err != nil {
			return
		}
		// What was accepted is written again the same, but for what the
		// record has no field for.
		again := build(t, &r)
		var back record
		if err := parseRecord(again, &back); err != nil || !sameRecord(&back, &r) {
			t.Errorf("%+v came back as %+v, %v", r, back, err)
		}
	})
}

func TestKindOf(t *testing.T) {
	for in, want := range map[string]kind{
		"": kindNone, "N\x01": kindNone, "V\x01": kindValue, "V\x02": kindCorrupt, "V": kindCorrupt, "0": kindCounter,
		"-9223372036854775808": kindCounter, "9223372036854775808": kindCorrupt, "-": kindCorrupt, "1.5": kindCorrupt, "x": kindCorrupt,
	} {
		if got := kindOf([]byte(in)); got != want {
			t.Errorf("kindOf(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestNewID(t *testing.T) {
	defer lastID.Store(lastID.Load())
	lastID.Store(math.MaxUint64 - 2)
	for range 3 {
		if id := newID(); id == 0 || id == math.MaxUint64 {
			t.Errorf("id %x", id)
		}
	}
	if a, b := newID(), newID(); a == b {
		t.Error("twice the same")
	}
}

func TestLifeOf(t *testing.T) {
	const now, day = store.Time(1_700_000_000_000), 86_400_000
	for _, c := range []struct {
		name           string
		expires, stale store.Time
		want           life
	}{
		{"none", 0, 0, life{}},
		{"hard", now + 10, 0, life{ms: 10}},
		{"expired", now, 0, life{ms: -1}},
		{"negative", -5, 0, life{ms: -1}},
		{"both", now + 10, now + 4, life{ms: 10, keepMs: 6}},
		{"stale already", now + 10, now - 4, life{ms: 10, keepMs: 14}},
		{"stale past hard", now + 10, now + 20, life{ms: 10}},
		{"soft only", 0, now + 10, life{ms: 10 + maxKeep, keepMs: maxKeep, endless: true}},
		{"soft only, over", 0, now - 10, life{ms: maxKeep, keepMs: maxKeep, endless: true}},
		{"stale for 60 days", now + 61*day, now + day, life{ms: day + maxKeep, keepMs: maxKeep}},
		{"stale since 60 days", now + day, now - 60*day, life{ms: day, keepMs: maxKeep}},
		{"the end of time", math.MaxInt64, 0, life{ms: maxLife}},
	} {
		if got := lifeOf(c.expires, c.stale, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
