package strata

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// keyFunc returns the function that turns ids of type K into keys, as
// encoding/json turns the keys of a map into strings: a string kind as it is,
// then MarshalText, then the integer kinds in decimal. No two ids give one key,
// as long as MarshalText gives each its own text.
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
			return nil, fmt.Errorf("ids of type %v cannot be keys: %s; use the text as the id", t, why)
		}
		return textKey[K], nil
	case kind >= reflect.Int && kind <= reflect.Int64:
		return func(id K) (string, error) { return strconv.FormatInt(reflect.ValueOf(id).Int(), 10), nil }, nil
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		return func(id K) (string, error) { return strconv.FormatUint(reflect.ValueOf(id).Uint(), 10), nil }, nil
	default:
		return nil, fmt.Errorf("ids of type %v cannot be keys: want a string or integer kind, or a MarshalText method", t)
	}
}

// unfitForMap returns why a map cannot find every value of type t again, or "".
func unfitForMap(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return "they contain a " + t.Kind().String() + ", and NaN is not equal to itself"
	case reflect.Interface:
		return "they contain an interface, whose value may not be comparable"
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

// isText reports whether ids of type K become keys by MarshalText, so that two that are
// not equal may be one key: the same moment in two time zones, or two pointers.
func isText[K comparable]() bool {
	t := reflect.TypeFor[K]()
	return t.Kind() != reflect.String && t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

func textKey[K comparable](id K) (key string, err error) {
	// A nil pointer is an id that nobody has, not a reason to end the program.
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

// idFunc returns the function that turns the keys of keyFunc back into ids, or nil if
// there is none: MarshalText without UnmarshalText.
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
