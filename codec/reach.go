package codec

import (
	"reflect"
	"slices"
)

// reaches reports whether is returns true for t, or for a type that values of t contain in
// exported parts.
func reaches(t reflect.Type, is func(reflect.Type) bool, seen map[reflect.Type]bool) bool {
	if is(t) {
		return true
	}
	if seen[t] {
		return false
	}
	if seen == nil {
		seen = make(map[reflect.Type]bool)
	}
	seen[t] = true
	for _, part := range partsOf(t) {
		if reaches(part, is, seen) {
			return true
		}
	}
	return false
}

// reachesItself reports whether root or a type on the path is a part of itself.
func reachesItself(t, root reflect.Type, path []reflect.Type) bool {
	if slices.Contains(path, t) {
		return true
	}
	path = append(path, t)
	for _, part := range partsOf(t) {
		if reachesItself(part, root, path) {
			return true
		}
	}
	return false
}

// partsOf returns the types that values of t contain in exported parts.
func partsOf(t reflect.Type) []reflect.Type {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return []reflect.Type{t.Elem()}
	case reflect.Map:
		return []reflect.Type{t.Key(), t.Elem()}
	case reflect.Struct:
		if t == timeType {
			return nil
		}
		var parts []reflect.Type
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() || f.Anonymous {
				parts = append(parts, f.Type)
			}
		}
		return parts
	}
	return nil
}
