package codec

import "reflect"

// msgpMarshaler and msgpUnmarshaler are the interfaces of the methods that
// github.com/tinylib/msgp generates. MarshalMsg appends; UnmarshalMsg returns
// what is left of the bytes.
type (
	msgpMarshaler interface {
		MarshalMsg(b []byte) ([]byte, error)
	}
	msgpUnmarshaler interface {
		UnmarshalMsg(b []byte) ([]byte, error)
	}
)

// A generated says on what the generated methods of a type are.
type generated int

const (
	generatedNone    generated = iota
	generatedValue             // *T has them
	generatedPointer           // T is a pointer and has them
)

// generatedFor finds the generated methods of T. It takes both to use one.
func generatedFor[T any]() generated {
	both := func(v any) bool {
		_, marshals := v.(msgpMarshaler)
		_, unmarshals := v.(msgpUnmarshaler)
		return marshals && unmarshals
	}
	var v T
	switch {
	case reflect.TypeFor[T]().Kind() == reflect.Pointer && both(v):
		return generatedPointer
	case both(&v):
		return generatedValue
	default:
		return generatedNone
	}
}

const msgpackNil = 0xc0

// marshalMsg appends *v to dst by the generated methods. A nil pointer, which
// they do not expect, becomes the nil of MessagePack.
func marshalMsg[T any](g generated, dst []byte, v *T) ([]byte, error) {
	if g == generatedValue {
		return any(v).(msgpMarshaler).MarshalMsg(dst)
	}
	var null T
	if any(*v) == any(null) {
		return append(dst, msgpackNil), nil
	}
	return any(*v).(msgpMarshaler).MarshalMsg(dst)
}

// unmarshalMsg decodes src into *v by the generated methods, and returns how
// many bytes it took.
func unmarshalMsg[T any](g generated, src []byte, v *T) (int, error) {
	var u msgpUnmarshaler
	switch {
	case g == generatedValue:
		u = any(v).(msgpUnmarshaler)
	case len(src) > 0 && src[0] == msgpackNil:
		return 1, nil
	default:
		*v = reflect.New(reflect.TypeFor[T]().Elem()).Interface().(T)
		u = any(*v).(msgpUnmarshaler)
	}
	rest, err := u.UnmarshalMsg(src)
	return len(src) - len(rest), err
}
