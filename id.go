package strata

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// keyFunc returns the function that converts ids of type K to keys, by the rules of
// encoding/json for map keys: a string kind is unchanged, then MarshalText, then integer
// kinds in decimal. Distinct ids have distinct keys, provided that MarshalText returns
// distinct texts.
func keyFunc[K comparable]() (func(K) (string, error), error) {
	t := reflect.TypeFor[K]()
	kind := t.Kind()
	switch {
	case t == reflect.TypeFor[string]():
		return func(id K) (string, error) { return any(id).(string), nil }, nil
	case t == reflect.TypeFor[int64]():
		return func(id K) (string, error) { return strconv.FormatInt(any(id).(int64), 10), nil }, nil
	case t == reflect.TypeFor[int]():
		return func(id K) (string, error) { return strconv.Itoa(any(id).(int)), nil }, nil
	case kind == reflect.String:
		return func(id K) (string, error) { return reflect.ValueOf(id).String(), nil }, nil
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		if why := unfitForMap(t); why != "" {
			return nil, fmt.Errorf("id type %v is not supported: %s; use its text as the id", t, why)
		}
		return textKey[K], nil
	case kind >= reflect.Int && kind <= reflect.Int64:
		return func(id K) (string, error) { return strconv.FormatInt(reflect.ValueOf(id).Int(), 10), nil }, nil
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		return func(id K) (string, error) { return strconv.FormatUint(reflect.ValueOf(id).Uint(), 10), nil }, nil
	case kind == reflect.Struct:
		return structKey[K](t)
	default:
		return nil, fmt.Errorf("id type %v is not supported: want a string or integer kind, a struct of those, or a MarshalText method%s", t, pointerMethod(t))
	}
}

// structKey is keyFunc for a struct without MarshalText.
func structKey[K comparable](t reflect.Type) (func(K) (string, error), error) {
	text, err := keys.NewStructText(t)
	if err != nil {
		return nil, fmt.Errorf("id type %v is not supported: %w%s", t, err, pointerMethod(t))
	}
	return func(id K) (string, error) {
		var buf [64]byte
		return string(text.Append(buf[:0], reflect.ValueOf(id))), nil
	}, nil
}

// pointerMethod returns a hint if *t has a MarshalText method that t lacks.
func pointerMethod(t reflect.Type) string {
	if !t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return fmt.Sprintf("; MarshalText has a pointer receiver: declare it on %v", t)
	}
	return ""
}

// checkName returns why caches and counters cannot have this name, or nil.
func checkName(name string) error {
	if strings.HasPrefix(name, "!") {
		return fmt.Errorf("%w: the name must not begin with \"!\", which starts the keys of tags", store.ErrInvalidKey)
	}
	return nil
}

// unfitForMap returns why a map lookup may not find a value of type t, or "".
func unfitForMap(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return "it contains a " + t.Kind().String() + ", and NaN is not equal to itself"
	case reflect.Interface:
		return "it contains an interface, and its value may not be comparable"
	case reflect.Array:
		return unfitForMap(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if why := unfitForMap(t.Field(i).Type); why != "" {
				return why
			}
		}
	}
	return ""
}

// isText reports whether MarshalText converts ids of type K to keys. Then ids that are not
// equal may have one key: the same instant in two time zones, or two pointers.
func isText[K comparable]() bool {
	t := reflect.TypeFor[K]()
	return t.Kind() != reflect.String && t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

func textKey[K comparable](id K) (key string, err error) {
	// A nil pointer is an invalid id, and must not cause a panic.
	if v := reflect.ValueOf(id); v.Kind() == reflect.Pointer && v.IsNil() {
		return "", fmt.Errorf("%w: nil %T", store.ErrInvalidKey, id)
	}
	text, err := marshalText(any(id).(encoding.TextMarshaler))
	if err != nil {
		return "", fmt.Errorf("%w: %w", store.ErrInvalidKey, err)
	}
	return string(text), nil
}

func marshalText(id encoding.TextMarshaler) (text []byte, err error) {
	defer flight.Catch("MarshalText", &err)
	return id.MarshalText()
}

// idFunc returns the inverse of keyFunc, or nil if K has MarshalText but not UnmarshalText.
func idFunc[K comparable]() func(key string) (K, error) {
	t := reflect.TypeFor[K]()
	kind := t.Kind()
	switch {
	case kind == reflect.String:
		return func(key string) (id K, err error) {
			reflect.ValueOf(&id).Elem().SetString(key)
			return id, nil
		}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return textID[K](t)
	case kind >= reflect.Int && kind <= reflect.Int64:
		return func(key string) (id K, err error) {
			n, err := strconv.ParseInt(key, 10, t.Bits())
			reflect.ValueOf(&id).Elem().SetInt(n)
			return id, err
		}
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		return func(key string) (id K, err error) {
			n, err := strconv.ParseUint(key, 10, t.Bits())
			reflect.ValueOf(&id).Elem().SetUint(n)
			return id, err
		}
	case kind == reflect.Struct:
		text, err := keys.NewStructText(t)
		if err != nil {
			return nil
		}
		return func(key string) (id K, err error) {
			err = text.Parse(key, reflect.ValueOf(&id).Elem())
			return id, err
		}
	default:
		return nil
	}
}

// textID is idFunc for a type with MarshalText.
func textID[K comparable](t reflect.Type) func(key string) (K, error) {
	reads := reflect.TypeFor[encoding.TextUnmarshaler]()
	switch {
	case t.Kind() == reflect.Pointer && t.Implements(reads):
		return func(key string) (id K, err error) {
			v := reflect.New(t.Elem())
			reflect.ValueOf(&id).Elem().Set(v)
			defer flight.Catch("UnmarshalText", &err)
			err = v.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(key))
			return id, err
		}
	case reflect.PointerTo(t).Implements(reads):
		return func(key string) (id K, err error) {
			defer flight.Catch("UnmarshalText", &err)
			err = any(&id).(encoding.TextUnmarshaler).UnmarshalText([]byte(key))
			return id, err
		}
	default:
		return nil
	}
}
