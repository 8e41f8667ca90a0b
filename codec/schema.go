package codec

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// SchemaOf returns eight characters that identify the encoding of T by c. They are a hash
// of the name of c, and of the fields of T with their names, types and tags `msgpack` and
// `json`, recursively.
//
// The result is the same in all processes and builds, and on all architectures. The names
// and packages of types that are encoded by their fields are not included, so a type may be
// renamed or moved. Those of types with methods such as MarshalText are included, because
// only the methods determine the encoding. SchemaOf does not detect a change in the output
// of such a method. The order of fields counts.
func SchemaOf[T any](c Codec[T]) string {
	h := sha256.New()
	fmt.Fprintf(h, "strata schema 1\n%s\n", formatOf(c))
	s := schema{w: h, seen: make(map[reflect.Type]int)}
	s.value(reflect.TypeFor[T]())
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)))[:8]
}

// formatOf returns the name of the format of the innermost codec. Wrappers are identified
// by their output.
func formatOf[T any](c Codec[T]) string {
	if w, ok := c.(interface{ format() string }); ok {
		return w.format()
	}
	return describe(c)
}

// format returns the inner format: encodings contain their compression method.
func (c *compressCodec[T]) format() string { return "compress(" + formatOf(c.inner) + ")" }

// format returns the inner format.
func (c *sealCodec[T]) format() string { return "seal(" + formatOf(c.inner) + ")" }

// format returns the inner format, which is also that of the output.
func (c *verifyCodec[T]) format() string { return formatOf(c.inner) }

// A schema writes the description of a type. Types that it has already visited are written
// as a number.
type schema struct {
	w    io.Writer
	seen map[reflect.Type]int
}

func (s *schema) value(t reflect.Type) {
	if n, ok := s.seen[t]; ok {
		fmt.Fprintf(s.w, "#%d", n)
		return
	}
	s.seen[t] = len(s.seen)
	if t == timeType || hasMethods(t) {
		fmt.Fprintf(s.w, "method %q %q", t.PkgPath(), t.Name())
		if t.Name() != "" {
			return
		}
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		fmt.Fprintf(s.w, "%s(", t.Kind())
		s.value(t.Elem())
	case reflect.Array:
		fmt.Fprintf(s.w, "array %d(", t.Len())
		s.value(t.Elem())
	case reflect.Map:
		io.WriteString(s.w, "map(")
		s.value(t.Key())
		io.WriteString(s.w, ",")
		s.value(t.Elem())
	case reflect.Struct:
		s.fields(t)
	case reflect.Interface:
		fmt.Fprintf(s.w, "interface %d(", t.NumMethod())
	default:
		fmt.Fprintf(s.w, "%s(", t.Kind())
	}
	io.WriteString(s.w, ")")
}

// hasMethods reports whether t or *t has encoding methods.
func hasMethods(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false
	}
	all := append([]*family{byGenerated, byJSON}, msgpackFamilies...)
	return methodsOf(t, all) != (methods{})
}

func (s *schema) fields(t reflect.Type) {
	io.WriteString(s.w, "struct(")
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() && !f.Anonymous && f.Name != "_msgpack" {
			continue
		}
		fmt.Fprintf(s.w, "%q %v %q %q ", f.Name, f.Anonymous, f.Tag.Get("msgpack"), f.Tag.Get("json"))
		s.value(f.Type)
		io.WriteString(s.w, ";")
	}
}
