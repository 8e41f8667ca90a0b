package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// JSON returns a codec that uses encoding/json, for caches that other programs read too.
// Values in interfaces are decoded as float64, map[string]any and so on. Append returns an
// error for values that JSON cannot represent: channels, functions, NaN, infinities, cycles
// and text that is not UTF-8. Times are encoded and decoded in UTC. Unlike
// [json.Marshal], it does not escape characters that are special in HTML.
//
// Decode ignores white space and object members without a field in T; a field without a member
// is zero. It returns [ErrCorrupt] for input that encoding/json would decode as a different
// value: null for a value that is never nil, an array of another length, a duplicate name or
// one in another case, invalid Unicode, and an integer that does not fit, also into a float. A
// literal with a fraction is decoded as the nearest float.
func JSON[T any]() Codec[T] {
	c := &jsonCodec[T]{shape: sync.OnceValue(func() shape { return jsonShape(reflect.TypeFor[T]()) })}
	c.pool.New = func() any {
		w := &jsonWriter{}
		w.enc = json.NewEncoder(&w.sink)
		w.enc.SetEscapeHTML(false)
		return w
	}
	return c
}

// jsonCodec is the codec that [JSON] returns.
type jsonCodec[T any] struct {
	pool  sync.Pool // *jsonWriter
	shape func() shape
}

type jsonWriter struct {
	sink sink
	enc  *json.Encoder
}

var (
	_ Codec[int]         = (*jsonCodec[int])(nil)
	_ Identifier         = (*jsonCodec[int])(nil)
	_ Canonicalizer[int] = (*jsonCodec[int])(nil)
)

// Append returns an error for values that JSON cannot represent: channels, functions, NaN,
// infinities, cycles and strings that are not UTF-8. It also returns an error if a method
// of the value panics.
func (c *jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	inUTC(&v, utcWalk{compact: true})
	w := c.pool.Get().(*jsonWriter)
	w.sink.b = dst
	if err := w.encode(&v); err != nil {
		// w is not reused: after a panic the Encoder is in the middle of a value.
		return dst, unencodable[T]("json", explainJSON(err), err)
	}
	out := w.sink.b
	w.sink.b = nil
	c.pool.Put(w)
	out = out[:len(out)-1] // without the newline of the Encoder
	if why := c.textLost(out[len(dst):], &v); why != "" {
		return dst, unencodable[T]("json", why, reason(why))
	}
	return out, nil
}

// encode writes the target of v. It takes a pointer so that pointer methods are called.
func (w *jsonWriter) encode(v any) (err error) {
	defer recovered(&err)
	return w.enc.Encode(v)
}

// Decode implements [Codec]. [JSON] says what it ignores and what it refuses.
func (c *jsonCodec[T]) Decode(src []byte) (T, error) {
	var v T
	if err := unmarshalJSON(src, &v, c.shape()); err != nil {
		var none T
		return none, corrupt("json", explainJSON(err), err)
	}
	inUTC(&v, utcWalk{own: true, compact: true})
	return v, nil
}

func unmarshalJSON(src []byte, v any, s shape) (err error) {
	defer recovered(&err)
	if err := json.Unmarshal(src, v); err != nil {
		return err
	}
	return misfit(src, s)
}

// explainJSON describes err without the literals that it quotes.
func explainJSON(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	var unsupported *json.UnsupportedTypeError
	var why reason
	switch {
	case errors.As(err, &why):
		return why.Error()
	case errors.As(err, &syntax):
		return fmt.Sprintf("no JSON at byte %d", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Sprintf("no %s for %q at byte %d", typ.Type, typ.Field, typ.Offset)
	case errors.As(err, &unsupported):
		return fmt.Sprintf("unsupported type %s", unsupported.Type)
	default:
		return refusal(err)
	}
}

// Canonical implements [Canonicalizer].
func (*jsonCodec[T]) Canonical(v T) T { return canonical(v, utcWalk{compact: true}) }

// CodecID returns IDJSON.
func (*jsonCodec[T]) CodecID() byte { return IDJSON }

// String returns "json".
func (*jsonCodec[T]) String() string { return "json" }
