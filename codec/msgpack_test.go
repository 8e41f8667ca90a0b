package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/vmihailenco/msgpack/v5"
)

// roundTrip passes v through a codec and returns what comes out.
func roundTrip[T any](tb testing.TB, c codec.Codec[T], v T) T {
	tb.Helper()
	out, err := codec.AppendFor(c, nil, "k", v)
	if err != nil {
		tb.Fatalf("%v: Append(%+v): %v", c, v, err)
	}
	got, err := codec.DecodeFor(c, "k", out)
	if err != nil {
		tb.Fatalf("%v: Decode of %+v: %v", c, v, err)
	}
	return got
}

// preserves checks that random values of T come back through msgpack, packed and
// sealed as well.
func preserves[T any](t *testing.T) {
	t.Helper()
	plain := codec.Codec[T](codec.Msgpack[T]())
	zstd := compress(t, plain, &codec.CompressOptions{Algorithm: codec.Zstd, Threshold: 1})
	for _, c := range []codec.Codec[T]{plain, compress(t, plain, &codec.CompressOptions{Threshold: 1}), seal(t, zstd, ring(t))} {
		same := func(v T) bool { return reflect.DeepEqual(roundTrip(t, c, v), v) }
		if err := quick.Check(same, &quick.Config{MaxCount: 200}); err != nil {
			t.Errorf("%v of %T: %v", c, *new(T), err)
		}
	}
}

type base struct {
	ID   int64
	Note string `msgpack:"note,omitempty"`
}

type tree struct {
	base
	Base2 base `msgpack:",inline"`
	Name  string
	Left  *tree
	Kids  []tree
	Index map[string]*base
	Raw   []byte
	Sizes [3]uint16
	F32   float32
	F64   float64
	Flag  *bool
	Any   map[int]string
	Skip  string `msgpack:"-"`
}

// Generate keeps trees finite, and leaves out what is not encoded.
func (tree) Generate(r *rand.Rand, _ int) reflect.Value {
	var gen func(depth int) tree
	gen = func(depth int) tree {
		n := tree{Name: fmt.Sprint(r.Int63()), F32: r.Float32(), F64: r.NormFloat64(), Sizes: [3]uint16{1, 500, uint16(r.Int())}}
		n.ID, n.Base2.Note = r.Int63()-1<<62, "n"
		n.Base2.ID = n.ID // the field of the same name that is written last
		n.Note = n.Base2.Note
		if depth > 0 && r.Intn(2) == 0 {
			left := gen(depth - 1)
			n.Left, n.Flag = &left, new(bool)
			n.Kids = []tree{gen(depth - 1), gen(0)}
			n.Index = map[string]*base{"a": {ID: 1}, "none": nil, "": {Note: strings.Repeat("x", r.Intn(400))}}
			n.Raw, n.Any = []byte{1, 2, 3}, map[int]string{-1: "m", 1 << 30: "p"}
		}
		return n
	}
	return reflect.ValueOf(gen(r.Intn(4)))
}

func TestMsgpack_preserves(t *testing.T) {
	preserves[string](t)
	preserves[[]byte](t)
	preserves[bool](t)
	preserves[int](t)
	preserves[int8](t)
	preserves[uint64](t)
	preserves[float32](t)
	preserves[float64](t)
	preserves[*int](t)
	preserves[[]string](t)
	preserves[[4]int16](t)
	preserves[map[string]string](t)
	preserves[map[int64][]float64](t)
	preserves[map[string]*bool](t)
	preserves[tree](t)
	preserves[struct {
		A int
		B *string
		C []struct{ D uint8 }
		E map[string]map[string]int
		F time.Duration
	}](t)
}

func TestMsgpack_keepsNilAndEmptyApart(t *testing.T) {
	type lists struct {
		Nil, Empty     []int
		NilS, EmptyS   []string
		NilB, EmptyB   []byte
		NilM, EmptyM   map[string]int
		NilMS, EmptyMS map[string]string
		NilP           *int
	}
	want := lists{Empty: []int{}, EmptyS: []string{}, EmptyB: []byte{}, EmptyM: map[string]int{}, EmptyMS: map[string]string{}}
	if got := roundTrip(t, codec.Msgpack[lists](), want); !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
	if got := roundTrip(t, codec.Msgpack[[]int](), nil); got != nil {
		t.Errorf("a nil slice came back as %#v", got)
	}
	if got := roundTrip(t, codec.Msgpack[[]int](), []int{}); got == nil {
		t.Error("an empty slice came back as nil")
	}
	if got := roundTrip(t, codec.Msgpack[*listing](), nil); got != nil {
		t.Errorf("a nil pointer came back as %+v", got)
	}
}

func TestMsgpack_keepsInstants(t *testing.T) {
	c := codec.Msgpack[time.Time]()
	zone := time.FixedZone("X", 3600)
	for _, want := range []time.Time{
		{}, time.Unix(0, 0), time.Unix(-1, 999_999_999), time.Date(2026, 1, 2, 3, 4, 5, 6, zone),
		time.Unix(1<<34, 1), time.Unix(1_000_000_000, 0xdf<<22|1), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
	} {
		got := roundTrip(t, c, want)
		if !got.Equal(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if want.IsZero() != got.IsZero() {
			t.Errorf("IsZero of %v changed", want)
		}
	}
}

func TestMsgpack_interfaceValues(t *testing.T) {
	got := roundTrip[any](t, codec.Msgpack[any](), map[string]any{
		"small": int8(5), "neg": -70000, "big": uint64(math.MaxUint64), "f": float32(0.5), "s": "x", "b": []byte("raw"),
		"list": []any{nil, true}, "at": time.Unix(5, 0),
	})
	want := map[string]any{
		"small": int64(5), "neg": int64(-70000), "big": uint64(math.MaxUint64), "f": 0.5, "s": "x", "b": "raw",
		"list": []any{nil, true}, "at": time.Unix(5, 0).UTC(),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v\nwant %#v", got, want)
	}
}

func TestMsgpack_fieldsComeAndGo(t *testing.T) {
	type before struct {
		A int
		B string
	}
	type after struct {
		A int
		C []string
	}
	out, err := codec.Msgpack[before]().Append(nil, before{A: 1, B: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := codec.Msgpack[after]().Decode(out); err != nil || got.A != 1 || got.C != nil {
		t.Errorf("got %+v, %v; want the fields that both have", got, err)
	}
}

func TestMsgpack_structsAsArrays(t *testing.T) {
	type row struct {
		_msgpack struct{} `msgpack:",as_array"`
		A, B     int
		C        string
	}
	c := codec.Msgpack[row]()
	out, err := c.Append(nil, row{A: 1, B: 2, C: "x"})
	if err != nil || !bytes.Equal(out, []byte{0x93, 1, 2, 0xa1, 'x'}) {
		t.Errorf("Append = %x, %v; want an array", out, err)
	}
	if got, err := c.Decode(out); err != nil || got != (row{A: 1, B: 2, C: "x"}) {
		t.Errorf("Decode = %+v, %v", got, err)
	}
	_ = row{}._msgpack
}

// several writes more than one value, as the documentation of msgpack shows.
type several struct{ a, b int }

func (s several) EncodeMsgpack(e *msgpack.Encoder) error  { return e.EncodeMulti(s.a, s.b) }
func (s *several) DecodeMsgpack(d *msgpack.Decoder) error { return d.DecodeMulti(&s.a, &s.b) }

func TestMsgpack_methodsThatWriteSeveralValues(t *testing.T) {
	type holder struct {
		Name string
		List []several
		By   map[string]several
		Last int
	}
	want := holder{"n", []several{{1, 2}, {300, 70000}}, map[string]several{"k": {-1, -2}}, 9}
	if got := roundTrip(t, codec.Msgpack[holder](), want); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := roundTrip(t, codec.Msgpack[several](), several{5, 6}); got != (several{5, 6}) {
		t.Errorf("got %+v", got)
	}
}

// An amount is an extension type of the application.
type amount struct{ cents []byte }

func (a *amount) MarshalMsgpack() ([]byte, error) { return a.cents, nil }
func (a *amount) UnmarshalMsgpack(b []byte) error { a.cents = bytes.Clone(b); return nil }

func TestMsgpack_extensions(t *testing.T) {
	msgpack.RegisterExt(42, (*amount)(nil))
	defer msgpack.UnregisterExt(42)
	type invoice struct{ A, B *amount }
	for _, size := range []int{0, 1, 2, 3, 4, 8, 16, 300, 70_000} {
		want := invoice{&amount{bytes.Repeat([]byte{0xdf}, size)}, &amount{[]byte{0xdd, 0xff, 0xff, 0xff, 0xff}}}
		got := roundTrip(t, codec.Msgpack[invoice](), want)
		if !bytes.Equal(got.A.cents, want.A.cents) || !bytes.Equal(got.B.cents, want.B.cents) {
			t.Errorf("%d bytes came back as %x", size, got.A.cents)
		}
	}
}

func TestMsgpack_unsupportedTypeIsNamed(t *testing.T) {
	type odd struct{ C chan int }
	dst := []byte("before")
	out, err := codec.Msgpack[odd]().Append(dst, odd{make(chan int)})
	if err == nil || string(out) != "before" || !strings.Contains(err.Error(), "chan int") {
		t.Errorf("Append = %q, %v; want dst and an error that names the type", out, err)
	}
}

func TestMsgpack_usesGeneratedMethods(t *testing.T) {
	want := generatedListing(sample())
	byHand, err := want.MarshalMsg(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, p := codec.Msgpack[generatedListing](), codec.Msgpack[*generatedListing]()
	out, err := c.Append(nil, want)
	if err != nil || !bytes.Equal(out, byHand) {
		t.Fatalf("Append of the value = %x, %v; want what MarshalMsg gives", out, err)
	}
	if out, err = p.Append([]byte("-"), &want); err != nil || !bytes.Equal(out[1:], byHand) {
		t.Fatalf("Append of the pointer = %x, %v; want what MarshalMsg gives", out, err)
	}
	if got, err := c.Decode(byHand); err != nil || !equal(listing(got), listing(want)) {
		t.Errorf("Decode = %+v, %v", got, err)
	}
	if got, err := p.Decode(byHand); err != nil || !equal(listing(*got), listing(want)) {
		t.Errorf("Decode = %+v, %v", got, err)
	}
	if got := roundTrip(t, p, nil); got != nil {
		t.Errorf("a nil pointer came back as %+v", got)
	}
	for n := range byHand {
		if got, err := p.Decode(byHand[:n]); !errors.Is(err, codec.ErrCorrupt) || got != nil {
			t.Fatalf("%d of %d bytes: %v, %v; want nil and ErrCorrupt", n, len(byHand), got, err)
		}
	}
	if _, err := p.Decode(append(byHand, 0xc0)); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("trailing bytes: error %v, want ErrCorrupt", err)
	}
}

// halfGenerated has one of the two methods, which is not enough.
type halfGenerated struct{ A int }

func (halfGenerated) MarshalMsg([]byte) ([]byte, error) { return nil, errors.New("not to be called") }

func TestMsgpack_oneGeneratedMethodIsNotUsed(t *testing.T) {
	if got := roundTrip(t, codec.Msgpack[halfGenerated](), halfGenerated{3}); got.A != 3 {
		t.Errorf("got %+v", got)
	}
}

// The error of Decode names the struct field that does not fit, by its path.
func TestMsgpack_Decode_field(t *testing.T) {
	type owner[A any] struct {
		Name string
		Age  A
	}
	type listing[A any] struct {
		ID     int
		Owners []owner[A]
		Title  string
	}
	b, err := codec.Msgpack[listing[string]]().Append(nil, listing[string]{ID: 1, Owners: []owner[string]{{"planted", "planted"}}})
	if err != nil {
		t.Fatal(err)
	}
	c := codec.Msgpack[listing[int]]()
	_, err = c.Decode(b)
	if err == nil || !strings.Contains(err.Error(), "field Owners.Age: no int at byte ") || strings.Contains(err.Error(), "planted") {
		t.Errorf("a field of another type: %v", err)
	}
	if _, err := c.Decode([]byte{1}); err == nil || strings.Contains(err.Error(), "field") {
		t.Errorf("no struct: %v", err)
	}
}
