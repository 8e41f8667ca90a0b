package codec

import (
	"encoding"
	"encoding/json"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

// A family is a pair of methods that encode and decode a type.
type family struct {
	marshal, unmarshal     string // method names
	marshaler, unmarshaler reflect.Type
}

var (
	byStream = &family{"EncodeMsgpack", "DecodeMsgpack", reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.CustomDecoder]()}
	byRaw    = &family{"MarshalMsgpack", "UnmarshalMsgpack", reflect.TypeFor[msgpack.Marshaler](), reflect.TypeFor[msgpack.Unmarshaler]()}
	byBinary = &family{"MarshalBinary", "UnmarshalBinary", reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler]()}
	byText   = &family{"MarshalText", "UnmarshalText", reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()}
	byJSON   = &family{"MarshalJSON", "UnmarshalJSON", reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler]()}

	msgpackFamilies = []*family{byStream, byRaw, byBinary, byText} // in the order of precedence
	jsonFamilies    = []*family{byJSON, byText}
)

// methods are the families that encode and decode a type; nil: it is encoded by its kind.
type methods struct {
	encode, decode *family
	byPointer      bool // only pointers have the encoding method
}

// methodsOf selects among families for t like msgpack: methods of t precede those of *t.
func methodsOf(t reflect.Type, families []*family) (m methods) {
	if t.Kind() == reflect.Interface {
		return m
	}
	p := reflect.PointerTo(t)
	for _, f := range families {
		if t.Implements(f.marshaler) {
			m.encode = f
			break
		}
	}
	for _, f := range families {
		if m.encode == nil && t.Kind() != reflect.Pointer && p.Implements(f.marshaler) {
			m.encode, m.byPointer = f, true
		}
		if m.decode == nil && (t.Implements(f.unmarshaler) || t.Kind() != reflect.Pointer && p.Implements(f.unmarshaler)) {
			m.decode = f
		}
	}
	return m
}
