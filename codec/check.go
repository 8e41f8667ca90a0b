package codec

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/lokroom/strata/internal/oneline"
)

// A Checker is a [Codec] that knows which types it carries.
type Checker interface {
	// CheckType returns an error that names each part of the type whose values would not
	// come back as they were, with the reason and the remedy; nil if there is none.
	CheckType() error
}

// Check returns what is wrong with T for c, as [Checker] describes it. Without the
// capability it returns nil.
//
// It finds what the type tells. What depends on the value, such as the contents of an any, is
// found by [Verify].
func Check[T any](c Codec[T]) error {
	if k, ok := c.(Checker); ok {
		return k.CheckType()
	}
	return nil
}

// A typeCheck walks over a type and collects what a codec would not carry.
type typeCheck struct {
	codec    string
	families []*family
	fields   func(c *typeCheck, t reflect.Type, at place) // checks a struct that has no methods
	kind     func(c *typeCheck, t reflect.Type, at place) bool
	key      func(c *typeCheck, t reflect.Type, at place)
	home     string // the package whose types are named without it
	found    []error
	seen     map[visit]bool
}

// A place is where in a type another one is.
type place struct {
	path        string // as in "Item.Lines[].Price"
	addressable bool   // methods of pointers can be called
}

type visit struct {
	typ         reflect.Type
	addressable bool
}

// of checks t from its root and returns all that was found.
func (c *typeCheck) of(t reflect.Type) error {
	c.seen = make(map[visit]bool)
	c.home = homeOf(t)
	c.value(t, place{c.name(t), true})
	return oneline.Join(c.found...)
}

// report adds what is wrong at a place, and what to do about it.
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

// name returns the name of t as it is used in the package of the type that is checked.
func (c *typeCheck) name(t reflect.Type) string {
	if t.PkgPath() == c.home && !strings.Contains(t.Name(), "[") && t.Name() != "" {
		return t.Name()
	}
	return t.String()
}

// homeOf returns the package of t, or of what it holds.
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

// methods checks t if it has methods that take part, and reports whether it has.
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

// takenOver checks that the methods of t are not those of an embedded field, which know
// nothing of the other fields.
func (c *typeCheck) takenOver(t reflect.Type, f *family, at place) {
	if t.Kind() != reflect.Struct || others(t) == 0 {
		return
	}
	if e, ok := promotes(t, f); ok {
		c.report(at, t, fmt.Sprintf("embeds %s, whose %s would write it without its other fields", e, f.marshal),
			fmt.Sprintf("give the embedded field a name, add %s and %s", f.marshal, f.unmarshal))
	}
}

// others returns how many fields t has beside its first.
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
			c.report(at, t, fmt.Sprintf("is an interface: %s could not tell which type to read", c.codec), "use a concrete type")
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

// unstored reports the fields of t, which is a struct, that the codec does not write. all
// says that it writes none.
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

// blank reports whether nothing is lost with a field.
func blank(name string, t reflect.Type) bool { return t.Size() == 0 || name == "_" }
