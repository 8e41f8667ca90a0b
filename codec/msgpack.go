package codec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

// Msgpack returns the codec that writes MessagePack, the default of Strata.
//
// Structs become maps from field names to values, so fields may be added and
// removed while old and new programs share a cache: what a program does not know
// it ignores, what it misses is zero. Tags `msgpack:"name,omitempty"` and the
// methods EncodeMsgpack and DecodeMsgpack are those of
// github.com/vmihailenco/msgpack/v5; a field `_msgpack struct{}` with the tag
// `msgpack:",as_array"` makes a struct an array, which is smaller but bound to
// the fields and their order.
//
// If T or *T has the methods MarshalMsg and UnmarshalMsg that
// github.com/tinylib/msgp generates, they are used: encoding is then several times
// as fast. The methods of an embedded type are methods of T too, so a struct that
// embeds a generated type must be generated itself, or its own fields are lost.
//
// Nil slices and maps stay distinct from empty ones. A time comes back as the same
// instant in UTC. In interface values, integers come back as int64 or
// uint64, floats as float64, bytes as string, and maps as map[string]any. Values
// must not nest deeper than 1000 levels.
//
// An extension type registered with msgpack.RegisterExt works; a decoder of
// msgpack.RegisterExtDecoder must read the payload as bytes, not as values.
func Msgpack[T any]() *MsgpackCodec[T] {
	c := &MsgpackCodec[T]{generated: generatedFor[T]()}
	c.encoders.New = func() any {
		e := &msgpackEncoder[T]{enc: msgpack.NewEncoder(nil)}
		e.sink.over = func() error {
			if nests(reflect.ValueOf(&e.v), maxDepth) {
				return errTooDeep
			}
			return nil
		}
		return e
	}
	c.decoders.New = func() any {
		d := &msgpackDecoder[T]{}
		d.root = reflect.ValueOf(&d.v).Elem()
		return d
	}
	c.decoder = sync.OnceValue(func() decodeFunc { return compileDecoder(reflect.TypeFor[T]()) })
	return c
}

// MsgpackCodec is the codec that [Msgpack] returns.
type MsgpackCodec[T any] struct {
	generated generated
	decoder   func() decodeFunc
	encoders  sync.Pool // *msgpackEncoder[T]
	decoders  sync.Pool // *msgpackDecoder[T]
}

// The value of a call lives in the pooled struct, because reflection moves to
// the heap whatever it is pointed to.
type msgpackEncoder[T any] struct {
	v    T
	sink sink
	enc  *msgpack.Encoder
}

type msgpackDecoder[T any] struct {
	v    T
	root reflect.Value // v
	in   decoder
}

var (
	_ Codec[int]         = (*MsgpackCodec[int])(nil)
	_ Identifier         = (*MsgpackCodec[int])(nil)
	_ Canonicalizer[int] = (*MsgpackCodec[int])(nil)
)

// Append fails for values that MessagePack cannot express, channels and
// functions among them, for those that refer to themselves, and for those whose methods
// panic.
func (c *MsgpackCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	e := c.encoders.Get().(*msgpackEncoder[T])
	e.v = v
	out, err := c.append(e, dst)
	if err != nil {
		// e is not used again: a panic leaves the Encoder in the middle of a value.
		return dst, unencodable[T]("msgpack", explainMsgpack(err), err)
	}
	var none T
	e.v, e.sink.b = none, nil
	c.encoders.Put(e)
	return out, nil
}

func (c *MsgpackCodec[T]) append(e *msgpackEncoder[T], dst []byte) (out []byte, err error) {
	defer recovered(&err)
	if c.generated != generatedNone {
		return marshalMsg(c.generated, dst, &e.v)
	}
	e.sink.b = dst
	if timesOf(reflect.TypeFor[T]()).recursive {
		e.sink.most = len(dst) + maxDepth // each level takes a byte at least
	}
	e.enc.Reset(&e.sink)
	e.enc.UseCompactInts(true)
	err = e.enc.Encode(&e.v)
	return e.sink.b, err
}

// Decode refuses what is not the encoding of a T as Append writes it: numbers that do not
// fit their fields, nil for what is never nil, arrays of another length, bytes after the
// value. What it allocates is bounded by the length of src. A panic of a method of T that
// takes part in decoding is ErrCorrupt as well.
func (c *MsgpackCodec[T]) Decode(src []byte) (T, error) {
	d := c.decoders.Get().(*msgpackDecoder[T])
	var none T
	if err := c.decode(d, src); err != nil {
		// d is not used again: after an error the Decoder may keep on
		// recording what it reads.
		return none, corrupt("msgpack", fmt.Sprintf("no %s: %s", nameOf[T](), d.explain(err)), err)
	}
	v := d.v
	d.v, d.in.src, d.in.in.src = none, nil, nil
	if len(src) <= mostPooled {
		c.decoders.Put(d)
	}
	return v, nil
}

func (c *MsgpackCodec[T]) decode(d *msgpackDecoder[T], src []byte) (err error) {
	// Reflection panics for what does not fit: a slice as the key of a
	// map[any]any, for instance.
	defer recovered(&err)
	d.in.reset(src)
	if c.generated != generatedNone {
		err = d.in.looked(src)
		if err == nil {
			d.in.at, err = unmarshalMsg(c.generated, src, &d.v)
		}
	} else {
		err = c.decoder()(&d.in, d.root)
	}
	if err == nil && d.in.foreign {
		inUTC(&d.v, utcWalk{own: true}) // the decoder does it itself
	}
	if err == nil && d.in.left() > 0 {
		err = reason(fmt.Sprintf("%d bytes after the value", d.in.left()))
	}
	return err
}

// explain says why or where decoding failed with err, without its text unless
// that is ours.
func (d *msgpackDecoder[T]) explain(err error) string {
	var r reason
	if errors.As(err, &r) {
		return string(r)
	}
	return fmt.Sprintf("failed near byte %d", d.in.at)
}

// explainMsgpack returns the text of err if it is one of the messages of msgpack
// that name a type only, else what kind of error it is.
func explainMsgpack(err error) string {
	if text := err.Error(); strings.HasPrefix(text, "msgpack: Encode(unsupported ") {
		return text
	}
	var r reason
	if errors.As(err, &r) {
		return string(r)
	}
	return refusal(err)
}

// Canonical implements [Canonicalizer].
func (*MsgpackCodec[T]) Canonical(v T) T {
	inUTC(&v, utcWalk{})
	return v
}

// CodecID returns IDMsgpack.
func (*MsgpackCodec[T]) CodecID() byte { return IDMsgpack }

// String returns "msgpack".
func (*MsgpackCodec[T]) String() string { return "msgpack" }
