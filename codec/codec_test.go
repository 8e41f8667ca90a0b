package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
)

// compress and seal are the constructors without the error.
func compress[T any](tb testing.TB, inner codec.Codec[T], o *codec.CompressOptions) codec.Codec[T] {
	tb.Helper()
	c, err := codec.Compress(inner, o)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func seal[T any](tb testing.TB, inner codec.Codec[T], ring *codec.KeyRing) codec.Codec[T] {
	tb.Helper()
	c, err := codec.Seal(inner, ring)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func secret(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func ring(tb testing.TB, keys ...codec.Key) *codec.KeyRing {
	tb.Helper()
	if len(keys) == 0 {
		keys = []codec.Key{{ID: 7, Secret: secret(7)}}
	}
	r, err := codec.NewKeyRing(keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// listingCodecs are all codecs of a type with many fields.
func listingCodecs(tb testing.TB) []codec.Codec[listing] {
	always := func(a codec.Algorithm) *codec.CompressOptions {
		return &codec.CompressOptions{Algorithm: a, Threshold: 1}
	}
	return []codec.Codec[listing]{
		codec.Msgpack[listing](),
		codec.JSON[listing](),
		compress(tb, codec.Msgpack[listing](), always(codec.S2)),
		compress(tb, codec.Msgpack[listing](), always(codec.Zstd)),
		compress(tb, codec.Msgpack[listing](), nil),
		seal(tb, codec.Msgpack[listing](), ring(tb)),
		seal(tb, compress(tb, codec.JSON[listing](), always(codec.S2)), ring(tb)),
		compress(tb, seal(tb, codec.JSON[listing](), ring(tb)), always(codec.S2)),
	}
}

// equal is reflect.DeepEqual, but for times, which need not keep their zone.
func equal(a, b listing) bool {
	if !a.CreatedAt.Equal(b.CreatedAt) || !a.UpdatedAt.Equal(b.UpdatedAt) {
		return false
	}
	a.CreatedAt, a.UpdatedAt = b.CreatedAt, b.UpdatedAt
	return reflect.DeepEqual(a, b)
}

func TestCodec_keepsItsContract(t *testing.T) {
	for _, c := range listingCodecs(t) {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			prefix := []byte("before")
			out, err := codec.AppendFor(c, prefix, "k", sample())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(out, prefix) || len(out) == len(prefix) {
				t.Fatalf("Append does not append: %q", out)
			}
			src := out[len(prefix):]
			kept := bytes.Clone(src)
			got, err := codec.DecodeFor(c, "k", src)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(src, kept) {
				t.Error("Decode changes its source")
			}
			for i := range src {
				src[i] = 0xAA
			}
			// Use the pools again, so that what they kept would be overwritten.
			other := sample()
			other.Title, other.Amenities = strings.Repeat("x", 4000), []string{"none", "of", "the", "old", "ones"}
			again, err := codec.AppendFor(c, nil, "k", other)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := codec.DecodeFor(c, "k", again); err != nil {
				t.Fatal(err)
			}
			if !equal(got, sample()) {
				t.Errorf("the value shares memory: %+v", got)
			}
		})
	}
}

func TestCodec_refusesEveryTruncation(t *testing.T) {
	for _, c := range listingCodecs(t) {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			whole, err := codec.AppendFor(c, nil, "k", sample())
			if err != nil {
				t.Fatal(err)
			}
			for n := range whole {
				got, err := codec.DecodeFor(c, "k", whole[:n])
				if !errors.Is(err, codec.ErrCorrupt) {
					t.Fatalf("%d of %d bytes: error %v, want ErrCorrupt", n, len(whole), err)
				}
				if !reflect.ValueOf(got).IsZero() {
					t.Fatalf("%d of %d bytes: a value beside the error: %+v", n, len(whole), got)
				}
			}
		})
	}
}

func TestCodec_refusesTrailingBytes(t *testing.T) {
	for _, c := range listingCodecs(t) {
		for _, extra := range []string{"\x00", "x", "\xc0\xc0"} {
			out, err := codec.AppendFor(c, nil, "k", sample())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := codec.DecodeFor(c, "k", append(out, extra...)); !errors.Is(err, codec.ErrCorrupt) {
				t.Errorf("%v followed by %q: error %v, want ErrCorrupt", c, extra, err)
			}
		}
	}
}

// unencodable has a method that quotes its value in the error.
type unencodable struct{ Secret string }

func (u unencodable) MarshalJSON() ([]byte, error)    { return nil, fmt.Errorf("bad: %s", u.Secret) }
func (u unencodable) MarshalMsgpack() ([]byte, error) { return nil, fmt.Errorf("bad: %s", u.Secret) }
func (u *unencodable) UnmarshalJSON(b []byte) error   { return fmt.Errorf("bad: %s", b) }
func (u *unencodable) UnmarshalMsgpack(b []byte) error {
	return fmt.Errorf("bad: %s", b)
}

func TestCodec_errorsDoNotShowValues(t *testing.T) {
	const hidden = "hunter2"
	always := &codec.CompressOptions{Threshold: 1}
	plain := []codec.Codec[unencodable]{codec.Msgpack[unencodable](), codec.JSON[unencodable]()}
	for _, inner := range plain {
		strings1 := codec.Codec[string](codec.JSON[string]())
		if fmt.Sprint(inner) == "msgpack" {
			strings1 = codec.Msgpack[string]()
		}
		wrap := map[codec.Codec[unencodable]]codec.Codec[string]{
			inner:                      strings1,
			compress(t, inner, always): compress(t, strings1, always),
			seal(t, inner, ring(t)):    seal(t, strings1, ring(t)),
		}
		for c, writer := range wrap {
			dst := []byte("before")
			out, err := codec.AppendFor(c, dst, "k", unencodable{hidden})
			if err == nil || string(out) != "before" {
				t.Fatalf("%v: Append = %q, %v; want dst and an error", c, out, err)
			}
			checkHidden(t, err, hidden)
			src, err := codec.AppendFor(writer, nil, "k", hidden)
			if err != nil {
				t.Fatal(err)
			}
			_, err = codec.DecodeFor(c, "k", src)
			if !errors.Is(err, codec.ErrCorrupt) {
				t.Fatalf("%v: Decode: error %v, want ErrCorrupt", c, err)
			}
			checkHidden(t, err, hidden)
		}
	}
}

func checkHidden(t *testing.T, err error, hidden string) {
	t.Helper()
	for _, format := range []string{"%v", "%+v", "%#v", "%q", "%s"} {
		if text := fmt.Sprintf(format, err); strings.Contains(text, hidden) {
			t.Errorf("the error shows the value: %s", text)
		}
	}
}

func TestCodec_isSafeForConcurrentUse(t *testing.T) {
	for _, c := range listingCodecs(t) {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				var buf []byte
				for i := range 50 {
					want := sample()
					want.ID, want.Title = int64(g*1000+i), strings.Repeat("t", g*i)
					key := fmt.Sprint(g)
					var err error
					if buf, err = codec.AppendFor(c, buf[:0], key, want); err != nil {
						t.Error(err)
						return
					}
					got, err := codec.DecodeFor(c, key, buf)
					if err != nil || !equal(got, want) {
						t.Errorf("%v: got %+v, %v", c, got, err)
						return
					}
					if _, err := codec.DecodeFor(c, key, buf[:len(buf)/2]); !errors.Is(err, codec.ErrCorrupt) {
						t.Errorf("%v: error %v, want ErrCorrupt", c, err)
					}
				}
			})
		}
		wg.Wait()
	}
}

// bare has none of the optional interfaces.
type bare struct{ codec.Codec[string] }

func TestID_namesTheOutermostCodec(t *testing.T) {
	m := codec.Msgpack[string]()
	for _, test := range []struct {
		c    codec.Codec[string]
		id   byte
		name string
	}{
		{m, 1, "msgpack"},
		{codec.JSON[string](), 2, "json"},
		{codec.String(), 4, "string"},
		{compress(t, m, nil), 5, "s2(msgpack)"},
		{compress(t, m, &codec.CompressOptions{Algorithm: codec.Zstd}), 5, "zstd(msgpack)"},
		{seal(t, compress(t, m, nil), ring(t)), 6, "seal(s2(msgpack))"},
		{seal(t, codec.Codec[string](bare{m}), ring(t)), 6, "seal(codec_test.bare)"},
	} {
		if got := codec.ID(test.c); got != test.id {
			t.Errorf("ID(%v) = %d, want %d", test.c, got, test.id)
		}
		if got := fmt.Sprint(test.c); got != test.name {
			t.Errorf("name %q, want %q", got, test.name)
		}
	}
	if got := codec.ID(codec.Bytes()); got != 3 || fmt.Sprint(codec.Bytes()) != "bytes" {
		t.Errorf("Bytes: ID %d, name %v", got, codec.Bytes())
	}
	if got := codec.ID[string](bare{m}); got != codec.IDUnknown {
		t.Errorf("ID without the capability = %d, want 0", got)
	}
}

func TestErrTooLarge_isTheStores(t *testing.T) {
	if !errors.Is(codec.ErrTooLarge, store.ErrTooLarge) {
		t.Error("a store cannot pass it on")
	}
}

func TestBytes_copiesAndKeepsEmpty(t *testing.T) {
	c := codec.Bytes()
	src := []byte("abc")
	got, err := c.Decode(src)
	src[0] = 'x'
	if err != nil || string(got) != "abc" {
		t.Errorf("Decode = %q, %v; want a copy of abc", got, err)
	}
	for _, empty := range [][]byte{nil, {}} {
		out, err := c.Append(nil, empty)
		if err != nil || len(out) != 0 {
			t.Errorf("Append = %q, %v", out, err)
		}
		if got, err := c.Decode(out); got == nil || len(got) != 0 || err != nil {
			t.Errorf("Decode = %#v, %v; want empty, not nil", got, err)
		}
	}
}

func TestString_takesAnyBytes(t *testing.T) {
	c := codec.String()
	for _, want := range []string{"", "a", "\xff\x00\xfe"} {
		out, err := c.Append([]byte("-"), want)
		if err != nil || string(out) != "-"+want {
			t.Errorf("Append = %q, %v", out, err)
		}
		if got, err := c.Decode(out[1:]); got != want || err != nil {
			t.Errorf("Decode = %q, %v; want %q", got, err, want)
		}
	}
}
