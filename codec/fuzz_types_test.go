package codec_test

import (
	"fmt"
	"math"
	"math/rand"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
)

// leaves are the types that random types are made of: those that codecs carry, and those that
// they do not.
var leaves = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint64](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[[5]byte](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](), reflect.TypeFor[any](), reflect.TypeFor[error](),
	reflect.TypeFor[listing](), reflect.TypeFor[base](), reflect.TypeFor[model](), reflect.TypeFor[status](), reflect.TypeFor[box[int8]](),
	reflect.TypeFor[price](), reflect.TypeFor[level](), reflect.TypeFor[grade](), reflect.TypeFor[plug](), reflect.TypeFor[half](),
	reflect.TypeFor[event](), reflect.TypeFor[onlyTime](), reflect.TypeFor[account](), reflect.TypeFor[rated](), reflect.TypeFor[row](),
	reflect.TypeFor[chan int](), reflect.TypeFor[func()](), reflect.TypeFor[complex128](), reflect.TypeFor[uintptr](),
	reflect.TypeFor[fmt.Stringer](), reflect.TypeFor[hash](), reflect.TypeFor[hostOmit](), reflect.TypeFor[locked](),
}

// tags are those of random fields.
var tags = []reflect.StructTag{
	"", "", "", "", `msgpack:"a" json:"a"`, `msgpack:"A1" json:"A1"`, `msgpack:",omitempty" json:",omitempty"`, `msgpack:"-" json:"-"`,
	`json:"-"`, `json:"x,omitzero"`, `msgpack:",noinline"`, `json:",string"`,
}

// randomType returns a type that r chooses, of at most depth levels.
func randomType(r *rand.Rand, depth int) reflect.Type {
	if depth == 0 || r.Intn(3) == 0 {
		return leaves[r.Intn(len(leaves))]
	}
	elem := func() reflect.Type { return randomType(r, depth-1) }
	switch r.Intn(6) {
	case 0:
		return reflect.PointerTo(elem())
	case 1:
		return reflect.SliceOf(elem())
	case 2:
		return reflect.ArrayOf(r.Intn(3), elem())
	case 3:
		if key := elem(); key.Comparable() {
			return reflect.MapOf(key, elem())
		}
		return reflect.MapOf(reflect.TypeFor[string](), elem())
	default:
		fields := make([]reflect.StructField, r.Intn(4))
		for i := range fields {
			fields[i] = reflect.StructField{Name: fmt.Sprintf("A%d", i), Type: elem(), Tag: tags[r.Intn(len(tags))]}
		}
		return reflect.StructOf(fields)
	}
}

// fill sets v to what r chooses.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	if !v.CanSet() || depth > 12 {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.Intn(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> r.Intn(64))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(r.Uint64() >> r.Intn(64))
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, 0.5, -1e30, math.Copysign(0, -1), 1.0 / 3}[r.Intn(5)])
	case reflect.String:
		v.SetString([]string{"", "a", "text with \" and <", "\u00e9\u4e16"}[r.Intn(4)])
	case reflect.Pointer:
		if r.Intn(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth+1)
		}
	case reflect.Slice:
		if n := r.Intn(4) - 1; n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(r, v.Index(i), depth+1)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Map:
		fillMap(r, v, depth)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(r.Int63n(1<<34), r.Int63n(1e9)).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(r, v.Field(i), depth+1)
		}
	}
}

func fillMap(r *rand.Rand, v reflect.Value, depth int) {
	n := r.Intn(4) - 1
	if n < 0 {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for range n {
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(r, k, depth+1)
		fill(r, e, depth+1)
		v.SetMapIndex(k, e)
	}
}

// A typeOutcome is what became of a random type.
type typeOutcome int

const (
	refusedByCheck typeOutcome = iota
	equalAgain
)

// A reflectedCodec is a codec of a type that is known at run time only.
type reflectedCodec struct {
	check func(reflect.Type) error
	trip  func(reflect.Value) (reflect.Value, error)
}

// tryType checks a type that seed chooses, and if it is not refused passes values through the
// codec, which must come back equal.
func tryType(t *testing.T, name string, c reflectedCodec, seed int64) typeOutcome {
	t.Helper()
	r := rand.New(rand.NewSource(seed))
	typ := randomType(r, 3)
	if c.check(typ) != nil {
		return refusedByCheck
	}
	for range 3 {
		v := reflect.New(typ)
		fill(r, v.Elem(), 0)
		got, err := c.trip(v)
		if err != nil {
			t.Fatalf("%s: seed %d: %v of %+v: %v", name, seed, typ, v.Elem(), err)
		}
		if !reflect.DeepEqual(got.Elem().Interface(), v.Elem().Interface()) {
			t.Fatalf("%s: seed %d: %v of %+v came back as %+v", name, seed, typ, v.Elem(), got.Elem())
		}
	}
	return equalAgain
}

// Random types are refused, or all of their values come back equal; nothing panics. The
// environment variable STRATA_FUZZ_TYPES sets how many types.
func TestCheck_randomTypes(t *testing.T) {
	n := 3000
	if s := os.Getenv("STRATA_FUZZ_TYPES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]reflectedCodec{
		"msgpack": {codec.CheckMsgpackType, codec.TripMsgpack}, "json": {codec.CheckJSONType, codec.TripJSON},
	} {
		count := map[typeOutcome]int{}
		for seed := range n {
			count[tryType(t, name, c, int64(seed))]++
		}
		t.Logf("%s: of %d types %d were refused, and the values of %d came back equal", name, n, count[refusedByCheck], count[equalAgain])
		if count[equalAgain] < n/10 || count[refusedByCheck] < n/10 {
			t.Errorf("%s: too few types on one side: %v", name, count)
		}
	}
}

func FuzzTypes(f *testing.F) {
	f.Add(int64(1))
	f.Fuzz(func(t *testing.T, seed int64) {
		tryType(t, "msgpack", reflectedCodec{codec.CheckMsgpackType, codec.TripMsgpack}, seed)
		tryType(t, "json", reflectedCodec{codec.CheckJSONType, codec.TripJSON}, seed)
	})
}
