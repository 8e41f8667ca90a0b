package codec

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/lokroom/strata/internal/oneline"
)

// A Checker is a [Codec] that can check whether it round-trips a type.
type Checker interface {
	// CheckType returns an error that names each part of the type with values that do not
	// round-trip, with the reason and the remedy. It returns nil if there is none.
	CheckType() error
}

// Check returns an error if c does not round-trip all values of T, as described at
// [Checker]. For a c that is no Checker it returns nil.
//
// [JSON] and [Msgpack] do not round-trip:
//   - fields that are unexported, tagged "-" or shadowed by another of the same name;
//   - interfaces other than any, and for Msgpack error;
//   - channels, functions, complex numbers, and for Msgpack uintptr;
//   - JSON: map keys that are not strings, integers or texts;
//   - methods that encode without the decoding counterpart, or that are promoted from an
//     embedded field;
//   - omitempty if it drops values that are not zero, as JSON does with empty slices and maps;
//   - Msgpack: embedded pointers, which are decoded as non-nil, structs that embed themselves,
//     and fields that are hidden from JSON only.
//
// Types with generated methods are not checked.
//
// Check inspects the type only. [Verify] finds problems that depend on the value, such as
// the contents of an any.
func Check[T any](c Codec[T]) error {
	if k, ok := c.(Checker); ok {
		return k.CheckType()
	}
	return nil
}

// A typeCheck walks a type and collects the parts that a codec does not round-trip.
type typeCheck struct {
	codec    string
	families []*family
	fields   func(c *typeCheck, t reflect.Type, at place) // checks a struct without methods
	kind     func(c *typeCheck, t reflect.Type, at place) bool
	key      func(c *typeCheck, t reflect.Type, at place)
	home     string // the package with type names that need no qualifier
	found    []error
	seen     map[visit]bool
}

// A place is the position of a type inside another.
type place struct {
	path        string // such as "Item.Lines[].Price"
	addressable bool   // pointer methods can be called
}

type visit struct {
	typ         reflect.Type
	addressable bool
}

// of checks t and returns an error for all findings.
func (c *typeCheck) of(t reflect.Type) error {
	c.seen = make(map[visit]bool)
	c.home = homeOf(t)
	c.value(t, place{c.name(t), true})
	return oneline.Join(c.found...)
}

// report adds a finding with its remedy.
func (c *typeCheck) report(at place, t reflect.Type, wrong, remedy string) {
	where := at.path
	if name := c.name(t); name != at.path {
		where += " (" + name + ")"
	}
	if remedy != "" {
		remedy += ", "
	}
	c.found = append(c.found, fmt.Errorf("%s %s; %sor set AllowLossy", where, wrong, remedy))
}

// name returns the name of t as written in the package of the checked type.
func (c *typeCheck) name(t reflect.Type) string {
	if t.PkgPath() == c.home && !strings.Contains(t.Name(), "[") && t.Name() != "" {
		return t.Name()
	}
	return t.String()
}

// homeOf returns the package of t, or of its elements.
func homeOf(t reflect.Type) string {
	for t.Name() == "" {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			t = t.Elem()
		default:
			return ""
		}
	}
	return t.PkgPath()
}

func (p place) field(name string) place { return place{p.path + "." + name, p.addressable} }
func (p place) elem() place             { return place{p.path + "[]", true} }

// value checks the values of t.
func (c *typeCheck) value(t reflect.Type, at place) {
	v := visit{t, at.addressable}
	if c.seen[v] || t == timeType {
		return
	}
	c.seen[v] = true
	if t.Kind() == reflect.Pointer {
		c.pointer(t, at)
		return
	}
	if !c.methods(t, at) && !c.kind(c, t, at) {
		c.byKind(t, at)
	}
}

func (c *typeCheck) pointer(t reflect.Type, at place) {
	elem := t.Elem()
	if elem.Kind() == reflect.Pointer || nilable(elem.Kind()) && methodsOf(elem, c.families).encode == nil {
		c.report(at, t, fmt.Sprintf("points to what may be nil: %s would read a nil in there as a nil pointer", c.codec), "use "+elem.String())
	}
	at.addressable = true
	c.value(elem, at)
}

// methods checks the encoding methods of t, and reports whether t has any.
func (c *typeCheck) methods(t reflect.Type, at place) bool {
	m := methodsOf(t, c.families)
	switch {
	case m.encode == nil && m.decode == nil:
		return false
	case m.decode == nil:
		c.report(at, t, fmt.Sprintf("has %s but no %s: %s could not read what it writes", m.encode.marshal, m.encode.unmarshal, c.codec), "add one")
	case m.encode == nil:
		c.report(at, t, fmt.Sprintf("has %s but no %s: %s could not read what it writes", m.decode.unmarshal, m.decode.marshal, c.codec), "add one")
	case m.encode != m.decode:
		c.report(at, t, fmt.Sprintf("has %s and %s, but not the other way of either: %s could not read what it writes",
			m.encode.marshal, m.decode.unmarshal, c.codec), "add "+m.encode.unmarshal)
	case m.byPointer && !at.addressable:
		c.report(at, t, fmt.Sprintf("has %s for pointers only, which %s cannot call in a map", m.encode.marshal, c.codec), "use *"+c.name(t))
	default:
		c.takenOver(t, m.encode, at)
	}
	return true
}

// takenOver checks that the methods of t are not promoted from an embedded field, since
// they ignore the other fields.
func (c *typeCheck) takenOver(t reflect.Type, f *family, at place) {
	if t.Kind() != reflect.Struct || others(t) == 0 {
		return
	}
	if e, ok := promotes(t, f); ok {
		c.report(at, t, fmt.Sprintf("embeds %s, and its %s would write it without the other fields", e, f.marshal),
			fmt.Sprintf("give the embedded field a name, add %s and %s", f.marshal, f.unmarshal))
	}
}

// others returns the number of fields of t other than its first.
func others(t reflect.Type) int {
	n := -1
	for i := range t.NumField() {
		if f := t.Field(i); f.Type.Size() > 0 && f.Name != "_" {
			n++
		}
	}
	return n
}

// byKind checks a type that is encoded by its kind.
func (c *typeCheck) byKind(t reflect.Type, at place) {
	switch t.Kind() {
	case reflect.Complex64, reflect.Complex128, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		c.report(at, t, fmt.Sprintf("is a %s, which %s does not carry", t.Kind(), c.codec), "remove it from the type")
	case reflect.Interface:
		if t.NumMethod() > 0 {
			c.report(at, t, fmt.Sprintf("is an interface: %s could not determine the type to decode", c.codec), "use a concrete type")
		}
	case reflect.Slice:
		c.value(t.Elem(), at.elem())
	case reflect.Array:
		c.value(t.Elem(), place{at.path + "[]", at.addressable})
	case reflect.Map:
		c.key(c, t.Key(), place{at.path + "[key]", false})
		c.value(t.Elem(), place{at.path + "[]", false})
	case reflect.Struct:
		c.fields(c, t, at)
	}
}

// unstored reports the fields of the struct t that the codec does not write. all means that
// it writes none.
func (c *typeCheck) unstored(t reflect.Type, at place, names []string, all bool) {
	add := "add MarshalText and UnmarshalText"
	if c.codec != "json" {
		if m := methodsOf(t, jsonFamilies); m.encode == byJSON && m.decode == byJSON {
			add += ", use codec.JSON"
		}
	}
	if all {
		c.report(at, t, fmt.Sprintf("has unexported fields and no MarshalText/MarshalBinary: %s would store it empty", c.codec), add)
		return
	}
	c.report(at, t, fmt.Sprintf("has unexported fields (%s), which %s would not store", strings.Join(names, ", "), c.codec), "export them, "+add)
}

// blank reports whether a field holds no information.
func blank(name string, t reflect.Type) bool { return t.Size() == 0 || name == "_" }
