package codec

import (
	"bytes"
	"encoding"
	"errors"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// A decodeFunc decodes the next value into v, which is settable and zero.
type decodeFunc func(d *decoder, v reflect.Value) error

// A compiler builds decodeFuncs. done has those of types that are being compiled, so that a
// type may refer to itself.
type compiler struct{ done map[reflect.Type]*decodeFunc }

// compileDecoder returns a decodeFunc for values of t.
func compileDecoder(t reflect.Type) decodeFunc {
	c := compiler{make(map[reflect.Type]*decodeFunc)}
	return c.of(t)
}

func (c *compiler) of(t reflect.Type) decodeFunc {
	if fn, ok := c.done[t]; ok {
		if *fn != nil {
			return *fn
		}
		return func(d *decoder, v reflect.Value) error { return (*fn)(d, v) }
	}
	fn := new(decodeFunc)
	c.done[t] = fn
	*fn = c.compile(t)
	return *fn
}

func (c *compiler) compile(t reflect.Type) decodeFunc {
	switch {
	case t == timeType:
		return decodeTime
	case t.Kind() == reflect.Pointer:
		return c.pointer(t)
	}
	switch methodsOf(t, msgpackFamilies).decode {
	case byStream, byRaw:
		return decodeForeign
	case byBinary:
		return decodeBinary
	case byText:
		return decodeText
	}
	return orExtension(c.kind(t))
}

func (c *compiler) kind(t reflect.Type) decodeFunc {
	switch t.Kind() {
	case reflect.Bool:
		return decodeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return decodeInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return decodeUint
	case reflect.Float32, reflect.Float64:
		return decodeFloat
	case reflect.String:
		return decodeString
	case reflect.Slice:
		return c.slice(t)
	case reflect.Array:
		return c.array(t)
	case reflect.Map:
		return c.mapping(t)
	case reflect.Struct:
		return c.structure(t)
	case reflect.Interface:
		return decodeInterface
	default:
		return func(d *decoder, v reflect.Value) error { return d.unfit(t) }
	}
}

// orExtension is fn for types that the application may register with msgpack.RegisterExt
// later.
func orExtension(fn decodeFunc) decodeFunc {
	return func(d *decoder, v reflect.Value) error {
		if isExtension(d.peek()) {
			return decodeForeign(d, v)
		}
		return fn(d, v)
	}
}

func decodeForeign(d *decoder, v reflect.Value) error {
	return d.delegate(func(lib *msgpack.Decoder) error { return lib.DecodeValue(v) })
}

func decodeTime(d *decoder, v reflect.Value) error {
	t, ok := d.time()
	if !ok {
		return d.unfit(v.Type())
	}
	*v.Addr().Interface().(*time.Time) = t
	return nil
}

// payload returns the output of an encoding method, for the decoding method of the type of
// v. For a nil it returns nil bytes.
func (d *decoder) payload(v reflect.Value) (b []byte, err error) {
	if d.isNil() {
		return nil, nil
	}
	b, ok := d.bytes()
	if !ok {
		return nil, d.unfit(v.Type())
	}
	return bytes.Clone(b), nil
}

func decodeBinary(d *decoder, v reflect.Value) error {
	if isExtension(d.peek()) {
		return decodeForeign(d, v)
	}
	b, err := d.payload(v)
	if err != nil || b == nil && nilable(v.Kind()) {
		return err
	}
	d.foreign = true
	return v.Addr().Interface().(encoding.BinaryUnmarshaler).UnmarshalBinary(b)
}

func decodeText(d *decoder, v reflect.Value) error {
	if isExtension(d.peek()) {
		return decodeForeign(d, v)
	}
	b, err := d.payload(v)
	if err != nil || b == nil && nilable(v.Kind()) {
		return err
	}
	d.foreign = true
	return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(b)
}

func nilable(k reflect.Kind) bool {
	switch k {
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice, reflect.UnsafePointer:
		return true
	}
	return false
}

func decodeBool(d *decoder, v reflect.Value) error {
	c := d.peek()
	if c != falseCode && c != trueCode {
		return d.unfit(v.Type())
	}
	d.at++
	v.SetBool(c == trueCode)
	return nil
}

func decodeInt(d *decoder, v reflect.Value) error {
	begin := d.at
	n, negative, ok := d.integer()
	if !ok || !negative && n > math.MaxInt64 || v.OverflowInt(int64(n)) {
		d.at = begin
		return d.unfit(v.Type())
	}
	v.SetInt(int64(n))
	return nil
}

func decodeUint(d *decoder, v reflect.Value) error {
	begin := d.at
	n, negative, ok := d.integer()
	if !ok || negative || v.OverflowUint(n) {
		d.at = begin
		return d.unfit(v.Type())
	}
	v.SetUint(n)
	return nil
}

// decodeFloat accepts integers that the type can represent, since other programs encode 5.0
// as 5.
func decodeFloat(d *decoder, v reflect.Value) error {
	begin := d.at
	f, short, ok := d.float()
	if !ok {
		n, negative, isInt := d.integer()
		switch f = float64(n); {
		case !isInt:
			return d.unfit(v.Type())
		case negative:
			f = float64(int64(n))
			ok = int64(f) == int64(n)
		default:
			ok = f < 1<<64 && uint64(f) == n
		}
	}
	if v.Kind() == reflect.Float32 && !short && float64(float32(f)) != f && f == f || !ok {
		d.at = begin
		return d.unfit(v.Type())
	}
	v.SetFloat(f)
	return nil
}

func decodeString(d *decoder, v reflect.Value) error {
	b, ok := d.bytes()
	if !ok {
		return d.unfit(v.Type())
	}
	v.SetString(string(b))
	return nil
}

var errorType = reflect.TypeFor[error]()

// decodeInterface decodes into an any, or into an error, which is encoded as its text.
func decodeInterface(d *decoder, v reflect.Value) error {
	if v.Type() != errorType && v.NumMethod() > 0 {
		return d.unfit(v.Type())
	}
	got, err := d.any()
	if err != nil || got == nil {
		return err
	}
	if v.Type() == errorType {
		text, ok := got.(string)
		if !ok {
			return d.unfit(v.Type())
		}
		got = errors.New(strings.Clone(text))
	}
	v.Set(reflect.ValueOf(got))
	return nil
}

func (c *compiler) pointer(t reflect.Type) decodeFunc {
	elem := c.of(t.Elem())
	return func(d *decoder, v reflect.Value) error {
		if d.isNil() {
			return nil
		}
		p := reflect.New(t.Elem())
		if err := elem(d, p.Elem()); err != nil {
			return err
		}
		v.Set(p)
		return nil
	}
}
