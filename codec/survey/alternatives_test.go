package survey

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/fxamacker/cbor/v2"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/lokroom/strata/codec"
	"github.com/vmihailenco/msgpack/v5"
)

// An alternative is another library that could write and read the values, with the
// options that keep most of them.
type alternative struct {
	name   string
	encode func(v any) ([]byte, error)
	decode func(b []byte, to any) error
}

// alternativeLibraries are the modules of the alternatives.
var alternativeLibraries = []string{"github.com/fxamacker/cbor/v2", "github.com/go-json-experiment/json", "github.com/vmihailenco/msgpack/v5"}

var alternatives = []alternative{
	{"`vmihailenco/msgpack`", msgpack.Marshal, msgpack.Unmarshal},
	strictCBOR(),
	{"`encoding/gob`", encodeGob, func(b []byte, to any) error { return gob.NewDecoder(bytes.NewReader(b)).Decode(to) }},
	{"`encoding/json`", json.Marshal, json.Unmarshal},
	{"`go-json-experiment/json` (v2)",
		func(v any) ([]byte, error) {
			return jsonv2.Marshal(v, jsonv2.FormatNilSliceAsNull(true), jsonv2.FormatNilMapAsNull(true))
		},
		func(b []byte, to any) error { return jsonv2.Unmarshal(b, to) }},
}

func encodeGob(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func strictCBOR() alternative {
	write := cbor.CoreDetEncOptions()
	write.Time, write.TimeTag = cbor.TimeRFC3339NanoUTC, cbor.EncTagRequired
	write.TextMarshaler = cbor.TextMarshalerTextString
	enc, err := write.EncMode()
	if err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, TimeTag: cbor.DecTagRequired, IndefLength: cbor.IndefLengthForbidden,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive, TextUnmarshaler: cbor.TextUnmarshalerTextString,
		IntDec: cbor.IntDecConvertSigned, DefaultMapType: reflect.TypeFor[map[string]any](),
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return alternative{"`fxamacker/cbor`, deterministic and strict", enc.Marshal, dec.Unmarshal}
}

// A tally counts what became of values.
type tally struct {
	equal   int // came back equal
	changed int // came back as other values
	refused int // an error, of New, the encoding or the decoding
	panics  int
}

func (t *tally) add(u tally) {
	t.equal, t.changed, t.refused, t.panics = t.equal+u.equal, t.changed+u.changed, t.refused+u.refused, t.panics+u.panics
}

// tallies returns what each alternative does with values, after the codecs of Strata.
func tallies[T any](same func(a, b T) bool, values []T) []tally {
	all := []tally{ours(codec.Msgpack[T](), same, values), ours(codec.JSON[T](), same, values)}
	for _, a := range alternatives {
		all = append(all, count(same, values, func(v T) (back T, err error) {
			b, err := a.encode(&v)
			if err != nil {
				return back, err
			}
			return back, a.decode(b, &back)
		}))
	}
	return all
}

func ours[T any](c codec.Codec[T], same func(a, b T) bool, values []T) tally {
	if codec.Check(c) != nil {
		return tally{refused: len(values)}
	}
	return count(same, values, func(v T) (back T, err error) {
		b, err := c.Append(nil, v)
		if err != nil {
			return back, err
		}
		return c.Decode(b)
	})
}

// count counts what becomes of values, which are in the form of codec.Canonical: no codec
// carries the zone of a time.
func count[T any](same func(a, b T) bool, values []T, trip func(T) (T, error)) (t tally) {
	for _, v := range values {
		v = codec.Canonical(codec.Msgpack[T](), v)
		func() {
			defer func() {
				if recover() != nil {
					t.panics++
				}
			}()
			back, err := trip(v)
			switch {
			case err != nil:
				t.refused++
			case reflect.DeepEqual(v, back), same != nil && same(v, back):
				t.equal++
			default:
				t.changed++
			}
		}()
	}
	return t
}

// comparison returns the sums over all rows as Markdown, first those of types that New
// accepts with codec.Msgpack.
func comparison(rows []row) string {
	names := []string{"`codec.Msgpack`", "`codec.JSON`"}
	for _, a := range alternatives {
		names = append(names, a.name)
	}
	accepted, others := make([]tally, len(names)), make([]tally, len(names))
	for _, r := range rows {
		for i, t := range r.tallies {
			if r.msgpack.refused == nil {
				accepted[i].add(t)
			} else {
				others[i].add(t)
			}
		}
	}
	var b strings.Builder
	b.WriteString("| codec | equal | another value | error | panic | types that `New` refuses |\n|---|---:|---:|---:|---:|---|\n")
	for i, s := range accepted {
		o := others[i]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d equal, %d another value, %d errors |\n",
			names[i], s.equal, s.changed, s.refused, s.panics, o.equal, o.changed, o.refused+o.panics)
	}
	return b.String()
}
