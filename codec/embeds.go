package codec

import (
	"iter"
	"reflect"
	"slices"
)

const errEndless = reason("a struct that embeds itself, of which msgpack would never end to collect the fields")

// embedsItself reports whether the struct t is embedded in itself, directly or through
// others. The Encoder of msgpack overflows the stack on such a type, which ends the process.
func embedsItself(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && embeds(t, t, nil)
}

func embeds(t, target reflect.Type, seen []reflect.Type) bool {
	if t == timeType || slices.Contains(seen, t) {
		return false
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options := parseTag(f.Tag.Get("msgpack"))
		inner := f.Type
		for inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if !f.Anonymous || name == "-" || options.has("noinline") || inner.Kind() != reflect.Struct || !plainStruct(inner) {
			continue
		}
		if inner == target || embeds(inner, target, append(seen, t)) {
			return true
		}
	}
	return false
}

// unending returns the reason why v cannot be encoded, or "": it contains a struct that
// embeds itself, by its type or in an any, or is cyclic.
func unending(v reflect.Value, levels int) reason {
	switch m := timesOf(v.Type()); {
	case m.endless:
		return errEndless
	case !m.dynamic:
		return ""
	case levels == 0:
		return errTooDeep
	}
	for part := range partsIn(v) {
		if why := unending(part, levels-1); why != "" {
			return why
		}
	}
	return ""
}

// partsIn yields the values in v that are encoded with it. What an error holds is not: only
// its text is.
func partsIn(v reflect.Value) iter.Seq[reflect.Value] {
	return func(yield func(reflect.Value) bool) {
		switch v.Kind() {
		case reflect.Interface, reflect.Pointer:
			if !v.IsNil() && (v.Kind() == reflect.Pointer || isAny(v.Type())) {
				yield(v.Elem())
			}
		case reflect.Map:
			for i := v.MapRange(); i.Next(); {
				if !yield(i.Key()) || !yield(i.Value()) {
					return
				}
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				if !yield(v.Index(i)) {
					return
				}
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if !yield(v.Field(i)) {
					return
				}
			}
		}
	}
}
