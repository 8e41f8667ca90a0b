package codec_test

import (
	"errors"
	"math/rand"
	"reflect"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
)

// survives checks what holds for any input: no panic, no error but ErrCorrupt and
// then no value, and memory in proportion to the input and no more than extra.
// What decodes is encoded and decoded again, and must come back.
func survives[T any](t *testing.T, c codec.Codec[T], src []byte, extra uint64) {
	t.Helper()
	var v T
	var err error
	spent := allocated(func() { v, err = codec.DecodeFor(c, "k", src) })
	// An element of a byte may become a listing, and slices grow by doubling.
	if most := 256<<10 + extra + uint64(len(src))*8*uint64(reflect.TypeFor[listing]().Size()); spent > most {
		t.Errorf("%v: %d bytes of input allocate %d, of at most %d", c, len(src), spent, most)
	}
	if err != nil {
		if !errors.Is(err, codec.ErrCorrupt) {
			t.Errorf("%v: error %v, want ErrCorrupt", c, err)
		}
		if !reflect.ValueOf(&v).Elem().IsZero() {
			t.Errorf("%v: a value beside the error %v", c, err)
		}
		return
	}
	out, err := codec.AppendFor(c, nil, "k", v)
	if err != nil {
		return // a value that only a decoder makes, such as a time beyond year 9999
	}
	if _, err := codec.DecodeFor(c, "k", out); err != nil {
		t.Errorf("%v: a value that was decoded does not come back: %v", c, err)
	}
}

func seed[T any](f *testing.F, c codec.Codec[T], values ...T) {
	f.Helper()
	for _, v := range values {
		out, err := codec.AppendFor(c, nil, "k", v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out)
	}
}

func FuzzMsgpack_Decode(f *testing.F) {
	seed(f, codec.Msgpack[listing](), sample(), listing{})
	seed(f, codec.Msgpack[generatedListing](), generatedListing(sample()))
	seed[any](f, codec.Msgpack[any](), []any{1, "a", []byte("b"), map[string]any{"c": time.Unix(1, 2)}, nil, 2.5})
	r := rand.New(rand.NewSource(1))
	seed(f, codec.Msgpack[tree](), tree{}.Generate(r, 0).Interface().(tree), tree{}.Generate(r, 0).Interface().(tree))
	listings, generated := codec.Msgpack[[]listing](), codec.Msgpack[generatedListing]()
	anything, untyped := codec.Msgpack[any](), codec.Msgpack[map[any]any]()
	trees, times := codec.Msgpack[tree](), codec.Msgpack[map[string]time.Time]()
	f.Fuzz(func(t *testing.T, src []byte) {
		survives(t, listings, src, 0)
		survives(t, generated, src, 0)
		survives(t, anything, src, 0)
		survives(t, untyped, src, 0)
		survives(t, trees, src, 0)
		survives(t, times, src, 0)
	})
}

func FuzzJSON_Decode(f *testing.F) {
	seed(f, codec.JSON[listing](), sample(), listing{})
	seed[any](f, codec.JSON[any](), []any{1, "a", map[string]any{"c": nil}, 2.5e300})
	listings, anything, trees := codec.JSON[[]listing](), codec.JSON[any](), codec.JSON[tree]()
	f.Fuzz(func(t *testing.T, src []byte) {
		survives(t, listings, src, 0)
		survives(t, anything, src, 0)
		survives(t, trees, src, 0)
	})
}

func FuzzCompress_Decode(f *testing.F) {
	const most = 1 << 20
	for _, a := range []codec.Algorithm{codec.S2, codec.Zstd} {
		seed(f, compress(f, codec.Msgpack[listing](), &codec.CompressOptions{Algorithm: a, Threshold: 1}), sample(), listing{})
	}
	f.Add(repeatedS2(most + 1))
	f.Add(repeatedZstd(most))
	f.Add(lyingZstd(5000, 100))
	raw := compress(f, codec.Bytes(), &codec.CompressOptions{MaxSize: most})
	zstd := compress(f, codec.String(), &codec.CompressOptions{MaxSize: most, Algorithm: codec.Zstd, Threshold: 1})
	f.Fuzz(func(t *testing.T, src []byte) {
		survives(t, raw, src, 4*most)
		survives(t, zstd, src, 4*most)
	})
}

func FuzzSeal_DecodeFor(f *testing.F) {
	keys := ring(f, codec.Key{ID: 1, Secret: secret(1)}, codec.Key{ID: 2, Secret: secret(2)})
	c := seal(f, codec.Bytes(), keys)
	seed(f, c, []byte("value"), nil)
	f.Fuzz(func(t *testing.T, src []byte) {
		survives(t, c, src, 0)
		if v, err := codec.DecodeFor(c, "another key", src); err == nil {
			t.Errorf("%x opens as %q", src, v)
		}
	})
}

// FuzzAll_roundTrip checks that what goes in comes out, through every codec.
func FuzzAll_roundTrip(f *testing.F) {
	f.Add(int64(1), "title", "amenity", 1.5, true, int64(1_700_000_000), int64(5))
	f.Add(int64(-1), "", "\xff", -2.5, false, int64(-1), int64(999_999_999))
	codecs := listingCodecs(f)
	f.Fuzz(func(t *testing.T, n int64, title, amenity string, x float64, flag bool, sec, nsec int64) {
		want := listing{
			ID: n, HostID: -n, Title: title, City: amenity, Latitude: x, Superhost: flag, Reviews: int(n >> 7),
			Amenities: []string{amenity, title}, CreatedAt: time.Unix(sec%(1<<36), nsec),
		}
		for i, c := range codecs {
			out, err := codec.AppendFor(c, nil, "k", want)
			if err != nil {
				if codec.ID(c) == codec.IDMsgpack {
					t.Errorf("%d %v: %v", i, c, err)
				}
				continue // JSON has no NaN and no years beyond 9999
			}
			got, err := codec.DecodeFor(c, "k", out)
			if err != nil {
				t.Errorf("%v: %v", c, err)
				continue
			}
			if i == 0 && x == x && !equal(got, want) {
				t.Errorf("%v: got %+v, want %+v", c, got, want)
			}
		}
	})
}
