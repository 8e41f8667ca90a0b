package codec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// CheckType implements [Checker]. [Check] says what it rejects.
func (c *jsonCodec[T]) CheckType() error {
	return newJSONCheck().of(reflect.TypeFor[T]())
}

func newJSONCheck() *typeCheck {
	return &typeCheck{codec: "json", families: jsonFamilies, fields: checkMembers, kind: checkJSONKind, key: checkJSONKey}
}

func checkJSONKind(_ *typeCheck, t reflect.Type, _ place) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && methodsOf(t.Elem(), jsonFamilies) == methods{}
}

func checkJSONKey(c *typeCheck, t reflect.Type, at place) {
	m := methodsOf(t, []*family{byText})
	switch {
	case t.Kind() == reflect.String && m.decode != nil:
		c.report(at, t, "is a string with UnmarshalText: json would write the string and read it by the method", "use string")
	case t.Kind() == reflect.Pointer:
		c.report(at, t, "is a key with a pointer, which comes back as another one", "use a key without pointers")
	case t.Kind() == reflect.String:
	case m.encode != nil && m.decode != nil && !m.byPointer:
		c.takenOver(t, byText, at)
	case m.encode == nil && m.decode == nil && t.Kind() >= reflect.Int && t.Kind() <= reflect.Uintptr:
	default:
		c.report(at, t, "is a key that is no string, integer or text: json does not carry it", "use one of these")
	}
}

// A member is a struct field that JSON writes.
type member struct {
	name string
	path string
}

// checkMembers checks a struct that JSON writes by its fields.
func checkMembers(c *typeCheck, t reflect.Type, at place) {
	members := c.members(t, at, "", []reflect.Type{t})
	first := make(map[string]string)
	for _, m := range members {
		if path, ok := first[m.name]; ok {
			c.report(place{path: at.path + "." + m.path}, t, fmt.Sprintf("is written as %q, as %s is: json would store one of them or none", m.name, path), "rename one by a tag")
		}
		first[m.name] = m.path
	}
}

// members checks the fields of t, embedded at prefix, and returns those that JSON writes.
func (c *typeCheck) members(t reflect.Type, at place, prefix string, outer []reflect.Type) (all []member) {
	var hidden []string
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options := parseTag(tag)
		here := at.field(f.Name)
		elem := f.Type
		if elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
		inline := f.Anonymous && name == "" && elem.Kind() == reflect.Struct
		switch {
		case f.Name == "_" || f.Type.Size() == 0 && (tag == "-" || !f.IsExported() && !inline):
		case tag == "-":
			c.report(here, f.Type, "is tagged `json:\"-\"`: only the process that loads a value would have it", "remove it from the type")
		case !f.IsExported() && !inline:
			hidden = append(hidden, f.Name)
		case !f.IsExported() && f.Type.Kind() == reflect.Pointer:
			c.report(here, f.Type, "is an embedded pointer to an unexported type: json could not read it", "give it a name")
		case inline && slices.Contains(outer, elem):
		case inline:
			all = append(all, c.members(elem, here, prefix+f.Name+".", append(outer, elem))...)
		default:
			if name == "" {
				name = f.Name
			}
			all = append(all, member{name, prefix + f.Name})
			if k := f.Type.Kind(); options.has("omitempty") && (k == reflect.Slice || k == reflect.Map) {
				c.report(here, f.Type, "is tagged omitempty: json would drop one that is empty but not nil", "use omitzero")
			}
			c.value(f.Type, here)
		}
	}
	if hidden != nil {
		c.unstored(t, at, hidden, len(all) == 0 && strings.Count(prefix, ".") == 0)
	}
	return all
}
