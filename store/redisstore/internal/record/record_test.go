package record

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

func build(t testing.TB, r *Record) []byte {
	t.Helper()
	b, err := AppendHead(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, r.Payload...)
	Seal(b)
	return b
}

func full() *Record {
	return &Record{
		Codec: 1, ID: 0x0102030405060708, KeepMs: 60_000, LoadedAt: 1_700_000_000_123,
		Tags: []string{"city:paris", "", "\x00\xff"}, Payload: []byte("payload"),
	}
}

func sameRecord(a, b *Record) bool {
	return a.Absent == b.Absent && a.Endless == b.Endless && a.Codec == b.Codec && a.ID == b.ID && a.KeepMs == b.KeepMs && a.Version == b.Version &&
		a.Took == b.Took && a.LoadedAt == b.LoadedAt && slices.Equal(a.Tags, b.Tags) && bytes.Equal(a.Payload, b.Payload)
}

func TestRecord_golden(t *testing.T) {
	for name, r := range map[string]*Record{
		"full":      full(),
		"plain":     {Codec: 2, ID: 1, Payload: []byte{0}},
		"absent":    {Absent: true, Codec: 1, ID: math.MaxUint64 - 1, KeepMs: math.MaxUint32},
		"versioned": {Codec: 1, ID: 7, Version: 1<<60 + 1, Payload: []byte("x")},
		"timed":     {Codec: 1, ID: 7, Took: 0x0102, LoadedAt: 1_700_000_000_123, Payload: []byte("x")},
		"endless":   {Endless: true, Codec: 1, ID: 7, KeepMs: 1, Payload: []byte("x")},
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
		var back Record
		if err := Parse(build(t, r), &back); err != nil || !sameRecord(&back, r) {
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
		var r Record
		if Parse(b, &r) != nil {
			continue
		}
		want := full()
		want.ID, want.KeepMs, want.Codec, want.Endless, want.Version, want.Took = r.ID, r.KeepMs, r.Codec, r.Endless, r.Version, r.Took
		if i/8 >= HeaderSize || !sameRecord(&r, want) {
			t.Errorf("bit %d of byte %d: accepted as %+v", i%8, i/8, r)
		}
	}
	for n := range good {
		if err := Parse(good[:n], new(Record)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	absent := build(t, &Record{Absent: true, Payload: []byte("x")})
	if Parse(absent, new(Record)) == nil {
		t.Error("an absent entry with a payload was accepted")
	}
}

func TestRecord_laterExtension(t *testing.T) {
	b := build(t, &Record{ID: 1, LoadedAt: 5})
	b[offExt+1] += 3
	b = append(b, "new"...)
	b = append(b, "payload"...)
	Seal(b)
	var r Record
	if err := Parse(b, &r); err != nil || r.LoadedAt != 5 || string(r.Payload) != "payload" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestTookOf(t *testing.T) {
	for d, want := range map[time.Duration]uint16{
		-1: 0, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, 65_535 * time.Millisecond: 65_535,
		65_535*time.Millisecond + 1: 65_535, math.MaxInt64: 65_535,
	} {
		if got := TookOf(d); got != want {
			t.Errorf("%v is %d, want %d", d, got, want)
		}
	}
}

func TestRecord_tagsTooLong(t *testing.T) {
	for _, tags := range [][]string{{string(make([]byte, 1<<16))}, {string(make([]byte, 40_000)), string(make([]byte, 40_000))}} {
		if _, err := AppendHead(nil, &Record{Tags: tags}); !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("err = %v", err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(build(f, full()))
	f.Add(build(f, &Record{Absent: true}))
	f.Add([]byte("N\x01"))
	f.Add([]byte("-12"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		err := Parse(b, &r)
		if (err == nil) && KindOf(b) != KindValue {
			t.Error("a record that is no value was parsed")
		}
		if err != nil {
			return
		}
		// What was accepted is written again the same, but for what the
		// record has no field for.
		again := build(t, &r)
		var back Record
		if err := Parse(again, &back); err != nil || !sameRecord(&back, &r) {
			t.Errorf("%+v came back as %+v, %v", r, back, err)
		}
	})
}

func TestKindOf(t *testing.T) {
	for in, want := range map[string]Kind{
		"": KindNone, "N\x01": KindNone, "V\x01": KindValue, "V\x02": KindCorrupt, "V": KindCorrupt, "0": KindCounter,
		"-9223372036854775808": KindCounter, "9223372036854775808": KindCorrupt, "-": KindCorrupt, "1.5": KindCorrupt, "x": KindCorrupt,
	} {
		if got := KindOf([]byte(in)); got != want {
			t.Errorf("kindOf(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestNewID(t *testing.T) {
	defer lastID.Store(lastID.Load())
	lastID.Store(math.MaxUint64 - 2)
	for range 3 {
		if id := NewID(); id == 0 || id == math.MaxUint64 {
			t.Errorf("id %x", id)
		}
	}
	if a, b := NewID(), NewID(); a == b {
		t.Error("twice the same")
	}
}

func TestLifeOf(t *testing.T) {
	const now, day = store.Time(1_700_000_000_000), 86_400_000
	for _, c := range []struct {
		name           string
		expires, stale store.Time
		want           Life
	}{
		{"none", 0, 0, Life{}},
		{"hard", now + 10, 0, Life{MS: 10}},
		{"expired", now, 0, Life{MS: -1}},
		{"negative", -5, 0, Life{MS: -1}},
		{"both", now + 10, now + 4, Life{MS: 10, KeepMs: 6}},
		{"stale already", now + 10, now - 4, Life{MS: 10, KeepMs: 14}},
		{"stale past hard", now + 10, now + 20, Life{MS: 10}},
		{"soft only", 0, now + 10, Life{MS: 10 + MaxKeep, KeepMs: MaxKeep, Endless: true}},
		{"soft only, over", 0, now - 10, Life{MS: MaxKeep, KeepMs: MaxKeep, Endless: true}},
		{"stale for 60 days", now + 61*day, now + day, Life{MS: day + MaxKeep, KeepMs: MaxKeep}},
		{"stale since 60 days", now + day, now - 60*day, Life{MS: day, KeepMs: MaxKeep}},
		{"the end of time", math.MaxInt64, 0, Life{MS: MaxLife}},
	} {
		if got := LifeOf(c.expires, c.stale, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
