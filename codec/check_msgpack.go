package codec

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// CheckType implements [Checker].
//
// It refuses: fields that are unexported, tagged "-" or shadowed; two fields of one name;
// interfaces other than any and error; channels, functions, complex numbers and uintptr;
// methods that encode without those that decode, or that an embedded field lends to the
// whole struct; embedded pointers, which come back non-nil; omitempty where it drops what is
// not zero; and fields that are hidden from JSON alone. Types with generated methods are
// taken at their word.
func (c *MsgpackCodec[T]) CheckType() error {
	t := reflect.TypeFor[T]()
	k := newMsgpackCheck()
	if c.generated == generatedNone {
		return k.of(t)
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	k.takenOver(t, byGenerated, place{t.String(), true})
	if len(k.found) == 0 {
		return nil
	}
	return k.found[0]
}

func newMsgpackCheck() *typeCheck {
	return &typeCheck{codec: "msgpack", families: msgpackFamilies, fields: checkLayout, kind: checkMsgpackKind, key: checkMsgpackKey}
}

// byGenerated are the methods that github.com/tinylib/msgp generates.
var byGenerated = &family{"MarshalMsg", "UnmarshalMsg", reflect.TypeFor[msgpMarshaler](), reflect.TypeFor[msgpUnmarshaler]()}

func checkMsgpackKind(c *typeCheck, t reflect.Type, at place) bool {
	switch {
	case t == errorType:
		return true
	case t.Kind() == reflect.Uintptr:
		c.report(at, t, "is a uintptr, which msgpack does not carry", "use uint64")
		return true
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() == reflect.Uint8:
		return true
	}
	return false
}

func checkMsgpackKey(c *typeCheck, t reflect.Type, at place) {
	if reaches(t, func(u reflect.Type) bool { return u.Kind() == reflect.Pointer }, nil) {
		c.report(at, t, "is a key with a pointer, which comes back as another one", "use a key without pointers")
		return
	}
	c.value(t, at)
}

// isRegistered reports whether the application has registered t as an extension.
func isRegistered(t reflect.Type) (yes bool) {
	defer func() { _ = recover() }() // an encoder that does not take a zero value
	var b bytes.Buffer
	enc := msgpack.NewEncoder(&b)
	err := enc.EncodeValue(reflect.New(t).Elem())
	return err == nil && b.Len() > 0 && isExtension(b.Bytes()[0])
}

// checkLayout checks a struct that msgpack writes by its fields.
func checkLayout(c *typeCheck, t reflect.Type, at place) {
	l := layoutOf(t)
	c.hidden(t, at, l)
	first := make(map[string]string)
	pointers := make(map[int]bool) // embedded ones that are reported
	for i := range l.fields {
		f := &l.fields[i]
		here := at.field(f.path)
		if path, ok := first[f.name]; ok {
			c.report(here, f.typ, fmt.Sprintf("is written as %q, as %s is: msgpack would read both into one", f.name, path), "rename one by a tag")
		}
		first[f.name] = f.path
		if e := t.Field(f.index[0]); len(f.index) > 1 && hasPointer(t, f.index) && !pointers[f.index[0]] {
			pointers[f.index[0]] = true
			c.report(at.field(e.Name), e.Type, "is an embedded pointer: msgpack would read nil as a pointer to zeros", "tag it `msgpack:\",noinline\"`")
		}
		c.field(t, f, l.asArray, here)
	}
}

// hidden checks the fields that msgpack does not write.
func (c *typeCheck) hidden(t reflect.Type, at place, l *layout) {
	var names []string
	for _, h := range l.hidden {
		name := h.path[strings.LastIndexByte(h.path, '.')+1:]
		switch {
		case blank(name, h.typ):
		case h.why == unexported:
			names = append(names, h.path)
		case h.why == excluded:
			c.report(at.field(h.path), h.typ, "is tagged `msgpack:\"-\"`: only the process that loads a value would have it", "remove it from the type")
		default:
			c.report(at.field(h.path), h.typ, "is shadowed by a field of the same name: msgpack would not store it", "rename it by a tag")
		}
	}
	if names != nil && !isRegistered(t) {
		c.unstored(t, at, names, len(l.fields) == 0)
	}
}

// hasPointer reports whether one of the embedded fields on the way to index is a pointer.
func hasPointer(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		t = t.Field(i).Type
		if t.Kind() == reflect.Pointer {
			return true
		}
	}
	return false
}

// field checks a field of t as msgpack writes it.
func (c *typeCheck) field(t reflect.Type, f *field, inArray bool, at place) {
	if f.tag.Get("json") == "-" && f.tag.Get("msgpack") == "" {
		c.report(at, f.typ, "is tagged `json:\"-\"`, but msgpack would store it", "remove it from the type, tag it `msgpack:\"name\"` if it is to be stored")
	}
	if e := t.FieldByIndex(f.index[:1]); e.Anonymous && !e.IsExported() && len(f.index) == 1 && !plainStruct(f.typ) {
		c.report(at, f.typ, "is embedded and unexported: msgpack could not read it", "give it a name")
		return
	}
	if f.intern {
		c.report(at, f.typ, "is tagged `msgpack:\",intern\"`, which codec.Msgpack does not read", "remove the option")
	}
	if f.omitEmpty && !inArray {
		if what := dropped(f.typ); what != "" {
			c.report(at, f.typ, "is tagged omitempty: msgpack would drop "+what, "remove the option")
		}
	}
	c.value(f.typ, at)
}

type isZeroer interface{ IsZero() bool }

// dropped says what msgpack takes for an empty t that is none; "" if nothing.
func dropped(t reflect.Type) string {
	zeroer := t.Implements(reflect.TypeFor[isZeroer]())
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return "one that is empty but not nil"
	case reflect.Interface:
		return "one that holds a zero"
	case reflect.Pointer:
		if zeroer {
			return "one that points to a zero"
		}
	case reflect.Struct:
		if !zeroer && !plainStruct(t) {
			return "it whatever it holds, since it has no IsZero"
		}
	}
	return ""
}
