package codec

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// A field is a struct field that msgpack writes, possibly of an embedded struct.
type field struct {
	name      string // in the encoding
	index     []int
	typ       reflect.Type
	omitEmpty bool
	intern    bool   // encoded in a form that only the Decoder of msgpack reads
	path      string // Go path, such as "Model.ID"
	tag       reflect.StructTag
}

// A layout describes how msgpack writes a struct. It follows the rules of
// github.com/vmihailenco/msgpack/v5, which has no function to query them.
type layout struct {
	fields  []field
	names   map[string]int // index in fields, aliases included
	asArray bool
	hidden  []hiddenField
}

// A hiddenField is a field that msgpack does not write.
type hiddenField struct {
	path string
	typ  reflect.Type
	why  hiding
}

type hiding int

const (
	unexported hiding = iota
	excluded          // by a tag "-"
	shadowed          // by a field of the same name
)

// layoutOf returns the layout of the struct t.
func layoutOf(t reflect.Type) *layout { return layoutIn(t, nil) }

// layoutIn is layoutOf for a struct embedded in those of outer.
func layoutIn(t reflect.Type, outer []reflect.Type) *layout {
	l := &layout{names: make(map[string]int)}
	allOmitEmpty := false
	for i := range t.NumField() {
		f := t.Field(i)
		name, options := parseTag(f.Tag.Get("msgpack"))
		if name == "-" {
			l.hide(f.Name, f.Type, excluded)
			continue
		}
		if f.Name == "_msgpack" {
			l.asArray = options.has("as_array") || options.has("asArray")
			allOmitEmpty = allOmitEmpty || options.has("omitempty")
		}
		if !f.IsExported() && !f.Anonymous {
			l.hide(f.Name, f.Type, unexported)
			continue
		}
		if name == "" {
			name = f.Name
		}
		w := field{name: name, index: f.Index, typ: f.Type, path: f.Name, tag: f.Tag,
			omitEmpty: allOmitEmpty || options.has("omitempty"), intern: options.has("intern")}
		if f.Anonymous && !options.has("noinline") && l.inline(w, options.has("inline"), append(outer, t)) {
			continue
		}
		l.add(w)
		if alias, ok := options.value("alias"); ok {
			l.names[alias] = len(l.fields) - 1
		}
	}
	return l
}

func (l *layout) add(f field) {
	l.names[f.name] = len(l.fields)
	l.fields = append(l.fields, f)
}

func (l *layout) hide(path string, t reflect.Type, why hiding) {
	l.hidden = append(l.hidden, hiddenField{path, t, why})
}

// inline adds the fields of the embedded field f instead of f, and reports whether it did.
func (l *layout) inline(f field, forced bool, outer []reflect.Type) bool {
	t := f.typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || slices.Contains(outer, t) || !forced && !plainStruct(t) {
		return false
	}
	inner := layoutIn(t, outer)
	if !forced {
		for _, g := range inner.fields {
			if _, taken := l.names[g.name]; taken {
				return false
			}
		}
	}
	for _, h := range inner.hidden {
		l.hide(f.path+"."+h.path, h.typ, h.why)
	}
	for _, g := range inner.fields {
		if _, taken := l.names[g.name]; taken {
			l.hide(f.path+"."+g.path, g.typ, shadowed)
			continue
		}
		g.index = append(append([]int(nil), f.index...), g.index...)
		g.path = f.path + "." + g.path
		l.add(g)
	}
	return true
}

// plainStruct reports whether msgpack writes t by its fields.
func plainStruct(t reflect.Type) bool {
	return t != timeType && methodsOf(t, msgpackFamilies) == (methods{})
}

var timeType = reflect.TypeFor[time.Time]()

// tagOptions are the options after the name in a tag.
type tagOptions []string

func parseTag(tag string) (name string, _ tagOptions) {
	parts := strings.Split(tag, ",")
	return parts[0], parts[1:]
}

func (o tagOptions) has(option string) bool { return slices.Contains(o, option) }

func (o tagOptions) value(option string) (string, bool) {
	for _, p := range o {
		if v, ok := strings.CutPrefix(p, option+":"); ok {
			return v, true
		}
	}
	return "", false
}
