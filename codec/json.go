package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// JSON returns a codec that writes JSON with encoding/json, for caches that
// other programs read too. Its rules apply: interface values come back as float64,
// map[string]any and so on. Text that is not UTF-8 is an error of Append. Times are written and come back in UTC. Unlike [json.Marshal] it does not escape
// the characters that are special in HTML.
func JSON[T any]() *JSONCodec[T] {
	c := &JSONCodec[T]{shape: sync.OnceValue(func() shape { return jsonShape(reflect.TypeFor[T]()) })}
	c.pool.New = func() any {
		w := &jsonWriter{}
		w.enc = json.NewEncoder(&w.sink)
		w.enc.SetEscapeHTML(false)
		return w
	}
	return c
}

// JSONCodec is the codec that [JSON] returns.
type JSONCodec[T any] struct {
	pool  sync.Pool // *jsonWriter
	shape func() shape
}

type jsonWriter struct {
	sink sink
	enc  *json.Encoder
}

var (
	_ Codec[int]         = (*JSONCodec[int])(nil)
	_ Identifier         = (*JSONCodec[int])(nil)
	_ Canonicalizer[int] = (*JSONCodec[int])(nil)
)

// Append fails for values that JSON cannot express: channels, functions, NaN, infinities,
// cycles and strings that are not UTF-8, and for those whose methods panic.
func (c *JSONCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	inUTC(&v, utcWalk{compact: true})
	w := c.pool.Get().(*jsonWriter)
	w.sink.b = dst
	if err := w.encode(&v); err != nil {
		// w is not used again: a panic leaves the Encoder in the middle of a value.
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

// encode writes what v points to. By way of a pointer, so that methods of pointers are found.
func (w *jsonWriter) encode(v any) (err error) {
	defer recovered(&err)
	return w.enc.Encode(v)
}

// Decode ignores object members that T has no field for, and white space. A field that has no
// member is zero. What encoding/json would read as another value is ErrCorrupt: null for a value that
// is never nil, an array of another length, a name twice or in another case, text that is
// not Unicode, and an integer that does not fit, also into a float. A literal with a fraction is read as the nearest float.
func (c *JSONCodec[T]) Decode(src []byte) (T, error) {
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

// explainJSON says what err is about, without the literals that it quotes.
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
func (*JSONCodec[T]) Canonical(v T) T {
	inUTC(&v, utcWalk{compact: true})
	return v
}

// CodecID returns IDJSON.
func (*JSONCodec[T]) CodecID() byte { return IDJSON }

// String returns "json".
func (*JSONCodec[T]) String() string { return "json" }
