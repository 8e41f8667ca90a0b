package codec

import (
	"encoding/json"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

// CheckMsgpackType is CheckType of msgpackCodec for a type that is known at run time.
func CheckMsgpackType(t reflect.Type) error { return newMsgpackCheck().of(t) }

// CheckJSONType is CheckType of jsonCodec for a type that is known at run time.
func CheckJSONType(t reflect.Type) error { return newJSONCheck().of(t) }

// TripMsgpack encodes and decodes what v points to, as msgpackCodec does.
func TripMsgpack(v reflect.Value) (got reflect.Value, err error) {
	defer recovered(&err)
	var out sink
	enc := msgpack.NewEncoder(&out)
	enc.UseCompactInts(true)
	if err := enc.Encode(v.Interface()); err != nil {
		return got, err
	}
	got = reflect.New(v.Type().Elem())
	var d decoder
	d.reset(out.b)
	return got, compileDecoder(v.Type().Elem())(&d, got.Elem())
}

// TripJSON encodes and decodes what v points to, as jsonCodec does.
func TripJSON(v reflect.Value) (got reflect.Value, err error) {
	defer recovered(&err)
	out, err := json.Marshal(v.Interface())
	if err != nil {
		return got, err
	}
	got = reflect.New(v.Type().Elem())
	return got, json.Unmarshal(out, got.Interface())
}
