package codec

import "reflect"

const errTooDeep = reason("values nest deeper than 1000 levels, or refer to themselves")

// nests reports whether v has more than levels nested arrays, maps and structs, as a cyclic
// value has. Encoding it would overflow the stack, which ends the process, or produce
// output that no decoder accepts.
func nests(v reflect.Value, levels int) bool {
	for hops := 0; v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface; hops++ {
		if v.IsNil() {
			return false
		}
		if hops == maxDepth {
			return true
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
	default:
		return false
	}
	t := v.Type()
	if !timesOf(t).recursive || methodsOf(t, msgpackFamilies).encode != nil {
		return false
	}
	if levels == 0 {
		return true
	}
	switch v.Kind() {
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			if nests(i.Value(), levels-1) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if nests(v.Field(i), levels-1) {
				return true
			}
		}
	default:
		for i := range v.Len() {
			if nests(v.Index(i), levels-1) {
				return true
			}
		}
	}
	return false
}
