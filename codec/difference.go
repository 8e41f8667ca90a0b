package codec

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
)

// A difference finds the first difference between two values.
type difference struct{ seen map[[2]referent]bool }

// between describes the first difference between a and b, which have one type; "" if they
// are equal. The description contains no values.
func (d *difference) between(a, b reflect.Value, path string) string {
	where := d.parts(a, b, path)
	if where == "" || a.Kind() != reflect.Struct || !a.CanInterface() {
		return where
	}
	// Only unexported fields may have several representations of one value.
	if where := d.fields(a, b, path, true); where != "" {
		return where
	}
	if sayEqual(a, b) && printSame(a, b) || writeSame(a, b) {
		return ""
	}
	return where
}

func (d *difference) parts(a, b reflect.Value, path string) string {
	equal := true
	switch a.Kind() {
	case reflect.Bool:
		equal = a.Bool() == b.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		equal = a.Int() == b.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		equal = a.Uint() == b.Uint()
	case reflect.Float32, reflect.Float64:
		equal = sameFloat(a.Float(), b.Float())
	case reflect.Complex64, reflect.Complex128:
		x, y := a.Complex(), b.Complex()
		equal = sameFloat(real(x), real(y)) && sameFloat(imag(x), imag(y))
	case reflect.String:
		equal = a.String() == b.String()
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		equal = a.Pointer() == b.Pointer()
	case reflect.Array:
		return d.elements(a, b, path)
	case reflect.Struct:
		return d.fields(a, b, path, false)
	case reflect.Interface:
		return d.interfaces(a, b, path)
	default:
		return d.referents(a, b, path)
	}
	if !equal {
		return path + " has another value"
	}
	return ""
}

// sameFloat reports whether x and y print alike: NaN equals NaN, and 0 differs from -0.
func sameFloat(x, y float64) bool {
	return x == y && math.Signbit(x) == math.Signbit(y) || x != x && y != y
}

func (d *difference) elements(a, b reflect.Value, path string) string {
	for i := range a.Len() {
		if where := d.between(a.Index(i), b.Index(i), path+"[]"); where != "" {
			return where
		}
	}
	return ""
}

// fields compares the fields of structs, or only the exported ones.
func (d *difference) fields(a, b reflect.Value, path string, exported bool) string {
	for i := range a.NumField() {
		f := a.Type().Field(i)
		if f.Name == "_" || exported && !f.IsExported() {
			continue
		}
		if where := d.between(a.Field(i), b.Field(i), path+"."+f.Name); where != "" {
			return where
		}
	}
	return ""
}

func (d *difference) interfaces(a, b reflect.Value, path string) string {
	switch {
	case a.IsNil() && b.IsNil():
		return ""
	case a.IsNil():
		return fmt.Sprintf("%s is a %v, was nil", path, b.Elem().Type())
	case b.IsNil():
		return fmt.Sprintf("%s is nil, was a %v", path, a.Elem().Type())
	case a.Elem().Type() != b.Elem().Type():
		return fmt.Sprintf("%s is a %v, was a %v", path, b.Elem().Type(), a.Elem().Type())
	}
	return d.between(a.Elem(), b.Elem(), path)
}

// referents compares the targets of pointers, slices and maps.
func (d *difference) referents(a, b reflect.Value, path string) string {
	switch {
	case a.IsNil() && b.IsNil():
		return ""
	case b.IsNil():
		return path + " is nil, was not"
	case a.IsNil():
		return path + " is not nil, was nil"
	}
	both := [2]referent{referentOf(a), referentOf(b)}
	if d.seen[both] {
		return ""
	}
	if timesOf(a.Type()).recursive {
		if d.seen == nil {
			d.seen = make(map[[2]referent]bool)
		}
		d.seen[both] = true
	}
	if a.Kind() == reflect.Pointer {
		return d.between(a.Elem(), b.Elem(), path)
	}
	if a.Len() != b.Len() {
		return path + " has another length"
	}
	if a.Kind() == reflect.Slice {
		return d.elements(a, b, path)
	}
	for i := a.MapRange(); i.Next(); {
		other := b.MapIndex(i.Key())
		if !other.IsValid() {
			if k := i.Key(); k.Comparable() && !k.Equal(k) { // NaN, which equals no key
				continue
			}
			return path + " has other keys"
		}
		if where := d.between(i.Value(), other, path+"[key]"); where != "" {
			return where
		}
	}
	return ""
}

// sayEqual reports whether a has a method Equal that returns true for b, or both are times
// of one instant.
func sayEqual(a, b reflect.Value) (yes bool) {
	if a.Type() == timeType {
		return timeAt(a).Equal(timeAt(b)) && sameZone(timeAt(a), timeAt(b))
	}
	defer func() { _ = recover() }() // a method may panic on its value
	switch eq := a.Interface().(type) {
	case interface{ Equal(any) bool }:
		return eq.Equal(b.Interface())
	case encoding.BinaryMarshaler, encoding.TextMarshaler, json.Marshaler:
		m := reflect.ValueOf(eq).MethodByName("Equal")
		if !m.IsValid() || m.Type().NumIn() != 1 || m.Type().In(0) != b.Type() || m.Type().NumOut() != 1 || m.Type().Out(0).Kind() != reflect.Bool {
			return false
		}
		return m.Call([]reflect.Value{b})[0].Bool()
	}
	return false
}

// sameZone reports whether a and b have the same text.
func sameZone(a, b time.Time) bool {
	_, x := a.Zone()
	_, y := b.Zone()
	return x == y
}

// printSame reports whether the String methods of a and b return the same text. It returns
// true if they have none.
func printSame(a, b reflect.Value) (yes bool) {
	defer func() { _ = recover() }()
	x, ok := addressed(a).(fmt.Stringer)
	return !ok || x.String() == addressed(b).(fmt.Stringer).String()
}

// writeSame reports whether a and b have encoding methods, and each writes the same output
// for both. A single method may omit something, such as the precision of a big.Float in its
// text.
func writeSame(a, b reflect.Value) (yes bool) {
	defer func() { _ = recover() }()
	x, y := written(addressed(a)), written(addressed(b))
	return len(x) > 0 && slices.EqualFunc(x, y, bytes.Equal) && printSame(a, b)
}

// addressed returns a pointer to a copy of v, which also has pointer methods.
func addressed(v reflect.Value) any {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface()
}

// written returns the output of each encoding method of v.
func written(v any) (all [][]byte) {
	add := func(write func() ([]byte, error)) {
		if b, err := write(); err == nil {
			all = append(all, b)
		}
	}
	if m, ok := v.(encoding.BinaryMarshaler); ok {
		add(m.MarshalBinary)
	}
	if m, ok := v.(encoding.TextMarshaler); ok {
		add(m.MarshalText)
	}
	if m, ok := v.(json.Marshaler); ok {
		add(m.MarshalJSON)
	}
	if m, ok := v.(interface{ GobEncode() ([]byte, error) }); ok {
		add(m.GobEncode)
	}
	return all
}
