package codec_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
)

var update = flag.Bool("update", false, "rewrite the golden files of the wire formats")

// A wire has one field for each form that MessagePack and JSON have.
type wire struct {
	Nil    *int
	True   bool
	Small  int
	Neg    int64
	Big    uint64
	F32    float32
	F64    float64
	Str    string
	Long   string
	Bin    []byte
	List   []string
	Map    map[string]int
	At     time.Time
	Exact  time.Time
	Nested struct {
		A int `msgpack:"a,omitempty" json:"a,omitempty"`
		B int `msgpack:"b,omitempty" json:"b,omitempty"`
	}
}

func wireValue() wire {
	w := wire{
		True: true, Small: 5, Neg: -70000, Big: 1 << 63, F32: 0.5, F64: 3.25, Str: "é",
		Long: strings.Repeat("all work and no play ", 60), Bin: []byte{0, 255}, List: []string{"a", ""},
		Map: map[string]int{"k": -1}, At: time.Unix(1_700_000_000, 0).UTC(), Exact: time.Unix(1_700_000_000, 5).UTC(),
	}
	w.Nested.B = 300
	return w
}

// golden compares what c makes of v with the file of that name, and checks that c
// reads the file. If exact is false, only the first byte is compared: nonces are
// random, and compressors may get better.
func golden[T any](t *testing.T, name string, c codec.Codec[T], v T, exact bool) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	out, err := codec.AppendFor(c, nil, "golden:key", v)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -update makes it)", err)
	}
	if exact && !bytes.Equal(out, want) || out[0] != want[0] {
		t.Errorf("%s: the wire format changed: caches in use would lose their entries\ngot  %x\nwant %x", name, out, want)
	}
	got, err := codec.DecodeFor(c, "golden:key", want)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if want := codec.Canonical(c, v); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: read as %+v, want %+v", name, got, want)
	}
}

func TestGolden(t *testing.T) {
	v := wireValue()
	m := codec.Codec[wire](codec.Msgpack[wire]())
	golden(t, "msgpack", m, v, true)
	golden(t, "json", codec.JSON[wire](), v, true)
	golden(t, "bytes", codec.Bytes(), []byte{1, 2, 0, 255}, true)
	golden(t, "string", codec.String(), "strata", true)
	golden(t, "raw", compress(t, m, &codec.CompressOptions{Threshold: 1 << 20}), v, true)
	golden(t, "s2", compress(t, m, nil), v, false)
	golden(t, "zstd", compress(t, m, &codec.CompressOptions{Algorithm: codec.Zstd}), v, false)
	golden(t, "seal", seal(t, m, ring(t)), v, false)
	golden(t, "seal-s2", seal(t, compress(t, m, nil), ring(t)), v, false)

	// The generated methods write the same format, and here even the same names.
	l := sample()
	golden(t, "msgpack-generated", codec.Msgpack[generatedListing](), generatedListing(l), true)
	out, err := os.ReadFile("testdata/msgpack-generated.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := codec.Msgpack[listing]().Decode(out); err != nil || !equal(got, l) {
		t.Errorf("without the generated methods: %+v, %v", got, err)
	}
}
