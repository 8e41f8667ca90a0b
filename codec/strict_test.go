package codec_test

import (
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
)

// A misfit is the encoding of a value of one type that is none of another.
type misfit struct {
	name string
	run  func(*testing.T)
}

// misread checks that what Msgpack[From] writes for v, bare and inside slices, maps, arrays,
// pointers and structs, is corrupt for Msgpack[To].
func misread[To, From any](name string, v From) misfit {
	return misfit{name, func(t *testing.T) {
		refusedAs[To](t, v)
		refusedAs[[]To](t, []From{v})
		refusedAs[[1]To](t, [1]From{v})
		refusedAs[map[string]To](t, map[string]From{"k": v})
		refusedAs[struct{ A To }](t, struct{ A From }{v})
		refusedAs[[]struct{ A []To }](t, []struct{ A []From }{{[]From{v}}})
	}}
}

func refusedAs[To, From any](t *testing.T, v From) {
	t.Helper()
	out, err := codec.Msgpack[From]().Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := codec.Msgpack[To]().Decode(out); !errors.Is(err, codec.ErrCorrupt) || !reflect.ValueOf(&got).Elem().IsZero() {
		t.Errorf("%T %v was read as %T %v, %v; want ErrCorrupt", v, v, got, got, err)
	}
}

func TestMsgpack_whatDoesNotFitIsCorrupt(t *testing.T) {
	type pair struct{ A, B int }
	for _, m := range []misfit{
		misread[int32]("int64 that exceeds int32", int64(5e9)),
		misread[int8]("int that exceeds int8", 128),
		misread[int8]("int below int8", -129),
		misread[uint8]("int that exceeds uint8", 256),
		misread[uint16]("uint that exceeds uint16", uint(65536)),
		misread[uint64]("negative as unsigned", -1),
		misread[uint64]("negative of 64 bits", int64(math.MinInt64)),
		misread[int64]("unsigned that exceeds int64", uint64(math.MaxUint64)),
		misread[time.Duration]("unsigned as duration", uint64(math.MaxUint64)),
		misread[int]("float as integer", 1.0),
		misread[uint]("float32 as integer", float32(2)),
		misread[float32]("float64 that float32 does not have", 0.1),
		misread[float64]("integer that float64 does not have", int64(1<<53+1)),
		misread[float32]("integer that float32 does not have", 1<<24+1),
		misread[int]("text as integer", "5"),
		misread[string]("integer as text", 5),
		misread[bool]("integer as bool", 1),
		misread[int]("bool as integer", true),
		misread[time.Time]("integer as time", 5),
		misread[time.Time]("text as time", "2026-01-02T03:04:05Z"),
		misread[int]("time as integer", time.Unix(5, 0)),
		misread[[3]int]("shorter array", [2]int{1, 2}),
		misread[[3]int]("longer array", [4]int{1, 2}),
		misread[[3]byte]("shorter array of bytes", [2]byte{}),
		misread[[3]byte]("longer bytes", []byte("abcd")),
		misread[[2]pair]("shorter array of structs", [1]pair{}),
		misread[pair]("array as struct", [2]int{}),
		misread[map[string]int]("array as map", []int{1}),
		misread[[]int]("map as array", map[int]int{1: 2}),

		misread[int]("nil as integer", (*int)(nil)),
		misread[uint8]("nil as unsigned", (*int)(nil)),
		misread[float64]("nil as float", (*int)(nil)),
		misread[bool]("nil as bool", (*int)(nil)),
		misread[string]("nil as text", (*string)(nil)),
		misread[pair]("nil as struct", (*pair)(nil)),
		misread[[2]int]("nil as array", ([]int)(nil)),
		misread[[2]byte]("nil as array of bytes", ([]byte)(nil)),
		misread[time.Time]("nil as time", (*time.Time)(nil)),
	} {
		t.Run(m.name, m.run)
	}
}

func TestMsgpack_whatFitsIsRead(t *testing.T) {
	for _, row := range []struct {
		src  string
		c    interface{ Decode([]byte) (float64, error) }
		want float64
	}{
		{"\x05", codec.Msgpack[float64](), 5},
		{"\xd1\xff\x00", codec.Msgpack[float64](), -256},
		{"\xca\x3f\x00\x00\x00", codec.Msgpack[float64](), 0.5},
	} {
		if got, err := row.c.Decode([]byte(row.src)); got != row.want || err != nil {
			t.Errorf("%x: %v, %v; want %v", row.src, got, err, row.want)
		}
	}
	if got, err := codec.Msgpack[float32]().Decode([]byte("\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00")); got != 0.5 || err != nil {
		t.Errorf("a float64 as float32: %v, %v", got, err)
	}
	if got, err := codec.Msgpack[int8]().Decode([]byte("\xcf\x00\x00\x00\x00\x00\x00\x00\x7f")); got != 127 || err != nil {
		t.Errorf("a long integer as int8: %v, %v", got, err)
	}
}

func TestMsgpack_timesThatAreNoneAreCorrupt(t *testing.T) {
	for _, src := range []string{
		"\xc7\x0c\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00", // nanoseconds beyond a second
		"\xd7\xff\xff\xff\xff\xff\x00\x00\x00\x00",
		"\xd6\x01\x00\x00\x00\x00", // another extension
		"\xd5\xff\x00\x00",         // another length
	} {
		refuses[time.Time](t, src)
		refuses[*time.Time](t, src)
		refuses[struct{ A time.Time }](t, "\x81\xa1A"+src)
	}
}

func TestMsgpack_keysTwiceAreCorrupt(t *testing.T) {
	refuses[map[string]int](t, "\x82\xa1a\x01\xa1a\x02")
	refuses[map[string]any](t, "\x82\xa1a\x01\xa1a\x02")
	refuses[any](t, "\x82\xa1a\x01\xa1a\x02")
	type pair struct {
		A int
		B int `msgpack:",alias:C"`
	}
	refuses[pair](t, "\x82\xa1A\x01\xa1A\x02")
	refuses[[]pair](t, "\x91\x83\xa1A\x01\xa1B\x02\xa1A\x02")
	refuses[struct{ P *pair }](t, "\x81\xa1P\x82\xa1B\x01\xa1C\x02")
	refuses[struct{ pair }](t, "\x82\xa1A\x01\xa1A\x01")
}
