package keys_test

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func space(t testing.TB, name string, o *keys.Options) *keys.Space {
	t.Helper()
	s, err := keys.New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The form of the keys is a wire format. If this test fails, what is stored on
// servers is not found any more: do not rewrite the golden file, restore the form.
func TestSpace_golden(t *testing.T) {
	listings := space(t, "listing", &keys.Options{SchemaVersion: 3})
	odd := space(t, "50% {off}: ~\x00é\xff", &keys.Options{SchemaVersion: math.MaxUint})
	sub, err := listings.Sub("host:7")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("0123456789", 40)
	var b strings.Builder
	for _, l := range []struct{ call, key string }{
		{"Key()", listings.Key()},
		{"Key(42)", listings.Key("42")},
		{"KeyInt(42)", listings.KeyInt(42)},
		{"KeyInt(MinInt64)", listings.KeyInt(math.MinInt64)},
		{"Key(42, photos, 1)", listings.Key("42", "photos", "1")},
		{"Key(a:b, c)", listings.Key("a:b", "c")},
		{"Key(a, b:c)", listings.Key("a", "b:c")},
		{"Key(empty)", listings.Key("")},
		{"Key(empty, empty)", listings.Key("", "")},
		{"Key(~)", listings.Key("~")},
		{"Key(100%)", listings.Key("100%")},
		{"Key({a}b)", listings.Key("{a}b")},
		{"Key(glob)", listings.Key(`*?[a]\`)},
		{"Key(space, quotes)", listings.Key(`a "b" 'c'`)},
		{"Key(controls)", listings.Key("\x00\r\n\x1f\x7f")},
		{"Key(UTF-8)", listings.Key("é日本☃\U0001f600\ufffd")},
		{"Key(not UTF-8)", listings.Key("a\xffb\xc3\xed\xa0\x80")},
		{"Key(long)", listings.Key(long)},
		{"Key(42, long)", listings.Key("42", long)},
		{"Key(long of é)", listings.Key(strings.Repeat("é", 200))},
		{"Key(x, long of é)", listings.Key("x" + strings.Repeat("é", 200))},
		{"Key(long of 日)", listings.Key(strings.Repeat("日", 200))},
		{"Key(x, long of 日)", listings.Key("x" + strings.Repeat("日", 200))},
		{"Key(xx, long of 日)", listings.Key("xx" + strings.Repeat("日", 200))},
		{"Key(long of %)", listings.Key(strings.Repeat("%", 200))},
		{"Key(x, long of %)", listings.Key("x" + strings.Repeat("%", 200))},
		{"Key(xx, long of %)", listings.Key("xx" + strings.Repeat("%", 200))},
		{"Tagged(t)", listings.Tagged("t")},
		{"Tagged(host:7, 42)", listings.Tagged("host:7", "42")},
		{"Tagged({}, 42)", listings.Tagged("{}", "42")},
		{"Tagged(empty, 42)", listings.Tagged("", "42")},
		{"Tagged(t, empty)", listings.Tagged("t", "")},
		{"Tagged(long, 42)", listings.Tagged(long, "42")},
		{"Tagged(long, long)", listings.Tagged(long, long)},
		{"Sub(host:7).Key(42)", sub.Key("42")},
		{"Sub(host:7).Key()", sub.Key()},
		{"Sub(host:7).Tagged(t, 42)", sub.Tagged("t", "42")},
		{"All", listings.All()},
		{"Sub(host:7).All", sub.All()},
		{"odd name Key(1)", odd.Key("1")},
		{"odd name All", odd.All()},
	} {
		fmt.Fprintf(&b, "%-26s %s\n", l.call, l.key)
	}
	path := filepath.Join("testdata", "keys.golden")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(golden), "\n")
	got := strings.Split(b.String(), "\n")
	if len(got) != len(want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("the form of keys changed:\ngot  %q\nwant %q", got[i], want[i])
		}
	}
}

func TestNew_mistakes(t *testing.T) {
	for _, c := range []struct {
		name string
		o    *keys.Options
		says []string
	}{
		{"", nil, []string{"empty name"}},
		{"listing", &keys.Options{MaxLen: 20}, []string{"at least 105, not 20"}},
		{"listing", &keys.Options{MaxLen: -1}, []string{"at least 105, not -1"}},
		{strings.Repeat("x", 103), nil, []string{"at least 201, not 200"}},
		{"", &keys.Options{MaxLen: 1}, []string{"empty name", "not 1"}},
	} {
		s, err := keys.New(c.name, c.o)
		if !errors.Is(err, store.ErrInvalidKey) {
			t.Errorf("New(%q, %+v) = %v, %v", c.name, c.o, s, err)
			continue
		}
		for _, part := range c.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("New(%q, %+v): the error %q does not say %q", c.name, c.o, err, part)
			}
		}
	}
	space(t, strings.Repeat("x", 102), nil) // just fits
	space(t, "listing", &keys.Options{MaxLen: 105})
}

func TestSpace_Sub_tooLong(t *testing.T) {
	s := space(t, "listing", nil)
	if sub, err := s.Sub(strings.Repeat("x", 200)); !errors.Is(err, store.ErrInvalidKey) {
		t.Errorf("Sub of 200 bytes returned %v, %v", sub, err)
	}
}

// spaces are spaces whose names are easily mistaken for one another.
func spaces(t testing.TB) []*keys.Space {
	var all []*keys.Space
	for _, name := range []string{"a", "a:v1", "a:", "ab", "a*", "[a]", "?", "*", "~", "{a}", "%", "a%3A", "é", "\xff", `\`} {
		for _, version := range []uint{0, 1, 10, 11} {
			all = append(all, space(t, name, &keys.Options{SchemaVersion: version}))
		}
	}
	return all
}

func TestSpace_All(t *testing.T) {
	all := spaces(t)
	long := strings.Repeat("x", 300)
	for i, s := range all {
		for _, key := range []string{
			s.Key(), s.Key(""), s.Key("1"), s.Key("a", "v1", "1"), s.Key(long), s.KeyInt(-1),
			s.Tagged("t", "1"), s.Tagged(long, long), s.Key("\x00\xff"),
		} {
			for j, other := range all {
				if got := keys.Match(other.All(), key); got != (i == j) {
					t.Errorf("%q matches %q: %v", other.All(), key, got)
				}
				if got := strings.HasPrefix(key, other.Prefix()); got != (i == j) {
					t.Errorf("%q begins with %q: %v", key, other.Prefix(), got)
				}
				if _, _, ok := other.Parse(key); ok && i != j {
					t.Errorf("the space %q parses %q", other.Prefix(), key)
				}
			}
		}
	}
}

func TestSpace_Sub(t *testing.T) {
	s := space(t, "page", nil)
	long := strings.Repeat("x", 300)
	for _, tenant := range []string{"7", "", "a:b", "*", "é\xff", strings.Repeat("t", 90)} {
		sub, err := s.Sub(tenant)
		if err != nil {
			t.Fatal(err)
		}
		for _, parts := range [][]string{{"1"}, {""}, {"a", "b"}, {long}, {"a", long}} {
			key := s.Key(append([]string{tenant}, parts...)...)
			if got := sub.Key(parts...); got != key {
				t.Errorf("Sub(%q).Key(%q) = %q, want %q", tenant, parts, got, key)
			}
			if !keys.Match(sub.All(), key) {
				t.Errorf("Sub(%q).All does not match %q", tenant, key)
			}
			if other := s.Key(append([]string{tenant + "0"}, parts...)...); keys.Match(sub.All(), other) {
				t.Errorf("Sub(%q).All matches %q", tenant, other)
			}
		}
	}
}

// slot is the cluster slot of a key, by the Redis Cluster specification.
func slot(key string) uint16 {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16 // CRC16-XMODEM
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}

func TestSpace_Tagged_slot(t *testing.T) {
	if got := slot("123456789"); got != 0x31c3 { // the specification's own example
		t.Fatalf("slot is %#x", got)
	}
	short := space(t, "a", &keys.Options{MaxLen: 120})
	other := space(t, "another:{space}", &keys.Options{SchemaVersion: 7})
	long := strings.Repeat("}x", 100)
	for _, tag := range []string{"t", "host:7", "{", "}", "{}", "}{", "a{b}c", " ", "\x00\xff", "é", long, long + "y"} {
		want := slot(short.Tagged(tag))
		for _, s := range []*keys.Space{short, other} {
			for _, parts := range [][]string{nil, {""}, {"1"}, {"{x}", "2"}, {long, long}} {
				if key := s.Tagged(tag, parts...); slot(key) != want {
					t.Errorf("tag %q: %q is in slot %d, want %d", tag, key, slot(key), want)
				}
			}
		}
	}
	// Without a tag keys spread, whatever is in them.
	seen := map[uint16]bool{}
	for n := range 1000 {
		seen[slot(short.Key("{same}", strconv.Itoa(n)))] = true
	}
	if len(seen) < 900 {
		t.Errorf("1000 keys without a tag are in %d slots", len(seen))
	}
}

func TestSpace_Tagged_spread(t *testing.T) {
	s := space(t, "a", nil)
	long := strings.Repeat("x", 100)
	if slot(s.Tagged(long+"1")) == slot(s.Tagged(long+"2")) {
		t.Error("two long tags are in one slot: they are cut without a hash")
	}
}

func TestSpace_KeyInt(t *testing.T) {
	s := space(t, "listing", nil)
	for _, n := range []int64{0, 1, -1, 42, math.MaxInt64, math.MinInt64} {
		if got, want := s.KeyInt(n), s.Key(strconv.FormatInt(n, 10)); got != want {
			t.Errorf("KeyInt(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestSpace_Parse_others(t *testing.T) {
	s := space(t, "a", nil)
	long := strings.Repeat("x", 300)
	sub, err := s.Sub("x")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"", "a", "a:v0", "a:v1:1", "b:v0:1", "a:v0::", "a:v0:x:", "a:v0::x", "a:v0:%", "a:v0:%4", "a:v0:%41",
		"a:v0:%zz", "a:v0:%3a", "a:v0:~~", "a:v0:~x", "a:v0:{}", "a:v0:{}:1", "a:v0:{", "a:v0:{a", "a:v0:a}", "a:v0:{a}b",
		"a:v0:1:{a}", "a:v0:{{a}}", "a:v0:{a}:", "a:v0:{~}", "a:v0:\x00", "a:v0:\xff", "a:v0:" + long,
		s.Key(long), s.Tagged(long, "1"), s.Tagged("1", long), sub.Key(), sub.Tagged("t", "1"),
	} {
		if tag, parts, ok := s.Parse(key); ok {
			t.Errorf("Parse(%q) = %q, %q", key, tag, parts)
		}
	}
}

func TestSpace_shortened(t *testing.T) {
	s := space(t, "a", nil)
	long := strings.Repeat("x", 500)
	seen := map[string]bool{}
	for i := range long {
		b := []byte(long)
		b[i] = 'y'
		key := s.Key(string(b))
		if len(key) > 200 {
			t.Fatalf("%q has %d bytes", key, len(key))
		}
		seen[key] = true
	}
	if len(seen) != len(long) {
		t.Errorf("%d long keys that differ in one byte give %d keys", len(long), len(seen))
	}
	// Exactly as long as allowed is not shortened, one byte more is.
	fits := s.Key(strings.Repeat("x", 200-len(s.Prefix())))
	if _, _, ok := s.Parse(fits); !ok || len(fits) != 200 {
		t.Errorf("%q, of %d bytes, was shortened", fits, len(fits))
	}
	if _, _, ok := s.Parse(s.Key(strings.Repeat("x", 201-len(s.Prefix())))); ok {
		t.Error("a key of 201 bytes was not shortened")
	}
}
