package codec_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
)

// A jsonCase is JSON text and what JSON[T] makes of it.
type jsonCase struct {
	name string
	run  func(*testing.T)
}

// unread checks that src, bare and inside slices, arrays, maps, pointers and structs, is
// corrupt for JSON[T].
func unread[T any](name, src string) jsonCase {
	return jsonCase{name, func(t *testing.T) {
		jsonRefuses[T](t, src)
		jsonRefuses[[]T](t, "["+src+"]")
		jsonRefuses[[1]T](t, "["+src+"]")
		jsonRefuses[map[string]T](t, `{"k":`+src+"}")
		jsonRefuses[struct{ A T }](t, ` { "A" : `+src+" } ")
		jsonRefuses[*struct{ A []T }](t, `{"A":[`+src+`]}`)
		jsonRefuses[[]struct{ A map[int][]T }](t, `[{"A":{"1":[],"2":[`+src+`]}}]`)
	}}
}

func jsonRefuses[T any](t *testing.T, src string) {
	t.Helper()
	got, err := codec.JSON[T]().Decode([]byte(src))
	if !errors.Is(err, codec.ErrCorrupt) || !reflect.ValueOf(&got).Elem().IsZero() {
		t.Errorf("%s was read as %T %v, %v; want ErrCorrupt", src, got, got, err)
	}
}

// read checks that JSON[T] reads src as want, inside other types, too.
func read[T any](name, src string, want T) jsonCase {
	return jsonCase{name, func(t *testing.T) {
		jsonReads(t, src, want)
		jsonReads(t, " [ "+src+" ] ", []T{want})
		jsonReads(t, `{"A":`+src+`,"B":{"x":[{},"\""]}}`, struct{ A T }{want})
	}}
}

func jsonReads[T any](t *testing.T, src string, want T) {
	t.Helper()
	if got, err := codec.JSON[T]().Decode([]byte(src)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s was read as %T %v, %v; want %v", src, got, got, err, want)
	}
}

// jsonBase is embedded in the structs of the tests below.
type jsonBase struct {
	ID int `json:"id"`
}

func TestJSON_whatIsReadAsAnotherValueIsCorrupt(t *testing.T) {
	type pair struct{ A, B int }
	type embeds struct {
		jsonBase
		Name string
	}
	type quoted struct {
		N int     `json:",string"`
		F float64 `json:",string"`
	}
	for _, c := range []jsonCase{
		unread[int]("null as integer", "null"),
		unread[uint8]("null as unsigned", "null"),
		unread[float32]("null as float", "null"),
		unread[bool]("null as bool", "null"),
		unread[string]("null as text", "null"),
		unread[json.Number]("null as number", "null"),
		unread[pair]("null as struct", "null"),
		unread[[2]int]("null as array", "null"),
		unread[time.Time]("null as time", "null"),
		unread[time.Duration]("null as duration", "null"),
		unread[netip.Addr]("null as type with text methods", "null"),
		unread[big.Int]("null as type with JSON methods", "null"),
		unread[pair]("null in a field", `{"A":1,"B":null}`),
		unread[embeds]("null in a field of an embedded struct", `{"id":null,"Name":""}`),
		unread[quoted]("null in a field of option string", `{"N":null}`),
		unread[quoted]("null in quotes", `{"N":"null"}`),

		unread[[3]int]("shorter array", "[1,2]"),
		unread[[3]int]("longer array", "[1,2,3,4]"),
		unread[[2]byte]("longer array of bytes", "[1,2,3]"),
		unread[[2]pair]("shorter array of structs", `[{"A":1,"B":2}]`),
		unread[[0]int]("array for none", "[1]"),

		unread[pair]("a field twice", `{"A":1,"B":2,"A":3}`),
		unread[pair]("a field twice, escaped", `{"A":1,"\u0041":3}`),
		unread[embeds]("a field of an embedded struct twice", `{"id":1,"id":2}`),
		unread[map[string]int]("a key twice", `{"a":1,"b":2,"a":3}`),
		unread[map[string]int]("a key twice in a row", `{"a":1,"a":1}`),
		unread[map[string]int]("a key twice, escaped", `{"a":1,"\u0061":2}`),
		unread[map[int]int]("an integer key twice", `{"1":1,"1":2}`),
		unread[map[string]any]("a key twice inside any", `{"a":[{"b":1,"b":2}]}`),

		unread[pair]("a name in another case", `{"a":1,"B":2}`),
		unread[embeds]("a name of an embedded struct in another case", `{"ID":1}`),

		unread[int8]("integer that exceeds int8", "128"),
		unread[uint]("negative as unsigned", "-1"),
		unread[int64]("integer that exceeds int64", "9223372036854775808"),
		unread[int]("fraction as integer", "1.5"),
		unread[float64]("integer that float64 does not have", "9007199254740993"),
		unread[float64]("integer that float64 does not have, negative", "-9007199254740993"),
		unread[float32]("integer that float32 does not have", "16777217"),
		unread[any]("integer that any does not have", "9007199254740993"),
		unread[quoted]("integer in quotes that float64 does not have", `{"F":"9007199254740993"}`),

		unread[string]("half a character", `"\ud83d"`),
		unread[string]("half a character before another escape", `"\ud83d\n"`),
		unread[string]("second half alone", `"a\\\udc00"`),
		unread[map[string]int]("half a character in a key", `{"\udc00":1}`),
		unread[any]("half a character in any", `"\ud83d"`),
		unread[string]("text that is not UTF-8", "\"\xff\""),
		unread[pair]("bytes after the value", `{"A":1}{}`),
	} {
		t.Run(c.name, c.run)
	}
}

func TestJSON_whatFitsIsRead(t *testing.T) {
	type pair struct {
		A int
		B *string `json:",omitzero"`
	}
	type quoted struct {
		N int     `json:",string"`
		P *int    `json:",string"`
		S string  `json:",string"`
		F float64 `json:",string"`
	}
	type chain struct {
		N    int
		Next *chain
	}
	five := 5
	for _, c := range []jsonCase{
		read("null as pointer", "null", (*int)(nil)),
		read("null as slice", "null", []int(nil)),
		read("null as map", "null", map[string]int(nil)),
		read("null as any", "null", any(nil)),
		read("null that a type writes itself", "null", nullText{}),
		read("null as slice with text methods", "null", net.IP(nil)),
		read("null as bytes", "null", []byte(nil)),
		read("null as pointer to a struct", `{"N":1,"Next":null}`, chain{N: 1}),
		read("recursive", `{"N":1,"Next":{"Next":null,"N":2}}`, chain{1, &chain{N: 2}}),
		read("no fields", "{}", pair{}),
		read("unknown fields, one of them twice", `{"x":null,"x":[[{"A":1,"a":2}]],"A":5}`, pair{A: 5}),
		read("fields in another order", `{"B":null,"A":5}`, pair{A: 5}),
		read("escaped name", `{"\u0041":5}`, pair{A: 5}),
		read("option string", `{"N":"5","P":"5","S":"\"null\"","F":"0.5"}`, quoted{5, &five, "null", 0.5}),
		read("option string, nil", `{"P":null}`, quoted{}),
		read("keys in any order", `{"b":1,"a":2,"\"":3}`, map[string]int{"a": 2, "b": 1, `"`: 3}),
		read("array", "[1,2]", [2]int{1, 2}),
		read("no elements", "[ ]", [0]int{}),
		read("nested arrays", "[[[1],[]],[]]", [2][][]int{{{1}, {}}, {}}),
		read("bytes", `"AQI="`, []byte{1, 2}),
		read("long integer that float64 has", "1152921504606846976", float64(1<<60)),
		read("the shortest text of a float64", "1152921504606847000", float64(1<<60)),
		read("the shortest text of a float32", "30000000000", float32(3e10)),
		read("fraction", "0.10000000000000000555", 0.1),
		read("fraction as float32", "0.1", float32(0.1)),
		read("exponent", "1e300", 1e300),
		read("any", `{"a":[1,"x",true,null,{"b":{}}]}`, any(map[string]any{"a": []any{1.0, "x", true, nil, map[string]any{"b": map[string]any{}}}})),
		read("pair of surrogates", `"\ud83d\ude00\\u00"`, "\U0001F600\\u00"),
	} {
		t.Run(c.name, c.run)
	}
}

// nullText is sql.NullString as database libraries write it in JSON.
type nullText struct{ sql.NullString }

func (n nullText) MarshalJSON() ([]byte, error) {
	if !n.Valid {
		return []byte("null"), nil
	}
	return json.Marshal(n.String)
}

func (n *nullText) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		n.NullString = sql.NullString{}
		return nil
	}
	n.Valid = true
	return json.Unmarshal(b, &n.String)
}
