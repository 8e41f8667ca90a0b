package codec

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
)

// A shape is the part of a type that a strictScan needs.
type shape struct {
	typ    reflect.Type
	null   bool // nil is written as null
	quoted bool // written in a string, because of the tag option "string"
	in     *contents
}

// contents describe the values of a type. Types that differ only in whether they can be nil
// share them. Values with nil *contents are not scanned.
type contents struct {
	fields []fieldShape   // of a struct; otherwise nil
	places map[string]int // index in fields by name
	elem   shape          // of a map, slice or array
	length int            // of an array; otherwise -1
	bits   int            // of a float; otherwise 0
	exact  int            // digits of an integer that a float of these bits always represents
}

type fieldShape struct {
	name  string
	begin []byte // the quoted name and the colon, as encoding/json writes them
	shape
}

// folds reports whether a field has that name in another case.
func (c *contents) folds(name []byte) bool {
	return slices.ContainsFunc(c.fields, func(f fieldShape) bool { return bytes.EqualFold([]byte(f.name), name) })
}

// shapes are the contents of the types visited so far.
type shapes map[reflect.Type]*contents

// jsonShape returns the shape of t.
func jsonShape(t reflect.Type) shape { return make(shapes).of(t) }

func (s shapes) of(t reflect.Type) shape {
	sh := shape{typ: t, null: nilable(t.Kind())}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch m := methodsOf(t, jsonFamilies); {
	case m.decode == byJSON:
		sh.null = sh.null || writesNull(t)
	case m.decode == byText:
	default:
		sh.in = s.contents(t)
	}
	return sh
}

// writesNull reports whether t, which has UnmarshalJSON, writes null for the value that it
// decodes from null. Most types, such as time.Time, ignore null.
func writesNull(t reflect.Type) (is bool) {
	var err error
	defer recovered(&err) // a method that panics leaves is false
	v := reflect.New(t).Interface()
	if err = json.Unmarshal([]byte("null"), v); err != nil {
		return false
	}
	out, err := json.Marshal(v)
	return err == nil && string(out) == "null"
}

// contents returns the contents of t, which is encoded by its kind.
func (s shapes) contents(t reflect.Type) *contents {
	if c, ok := s[t]; ok {
		return c
	}
	c := &contents{length: -1}
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		c.setFloat(t)
	case reflect.Interface:
		c.setFloat(reflect.TypeFor[float64]())
		c.elem = shape{typ: t, null: true, in: c}
	case reflect.Slice, reflect.Map, reflect.Array, reflect.Struct:
	default:
		return nil
	}
	s[t] = c
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		c.elem = s.of(t.Elem())
	case reflect.Array:
		c.length = t.Len()
		c.elem = s.of(t.Elem())
	case reflect.Struct:
		s.addFields(c, t, nil)
	}
	return c
}

func (c *contents) setFloat(t reflect.Type) {
	c.bits, c.exact = t.Bits(), 15
	if c.bits == 32 {
		c.exact = 6
	}
}

// addFields adds the fields of t, which is embedded in the structs of outer, to c.
func (s shapes) addFields(c *contents, t reflect.Type, outer []reflect.Type) {
	if c.fields == nil {
		c.fields, c.places = []fieldShape{}, make(map[string]int)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options := parseTag(f.Tag.Get("json"))
		elem := f.Type
		if elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
		inline := f.Anonymous && name == "" && elem.Kind() == reflect.Struct
		switch {
		case f.Tag.Get("json") == "-" || !f.IsExported() && !inline || inline && slices.Contains(outer, elem):
			continue
		case inline:
			s.addFields(c, elem, append(outer, t))
			continue
		case name == "":
			name = f.Name
		}
		if i, ok := c.places[name]; ok {
			c.fields[i].shape = shape{null: true} // two fields of one name: not checked
			continue
		}
		c.places[name] = len(c.fields)
		sh := s.of(f.Type)
		sh.quoted = options.has("string") && quotable(elem.Kind())
		c.fields = append(c.fields, fieldShape{name, []byte(`"` + name + `":`), sh})
	}
}

// quotable reports whether the tag option "string" affects k.
func quotable(k reflect.Kind) bool {
	return k >= reflect.Bool && k <= reflect.Float64 || k == reflect.String
}
