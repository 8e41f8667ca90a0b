package keys

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A StructText converts structs of one type to text and back: the fields in order,
// separated by colons, escaped like the parts of keys. Fields are strings, integers, bools
// and byte arrays, or structs of those. Distinct structs have distinct texts. Its methods
// are safe for concurrent use.
type StructText struct {
	typ    reflect.Type
	fields []structField
}

type structField struct {
	index []int
	typ   reflect.Type
}

// NewStructText returns the conversion for structs of type t. It returns an error that names
// the field if t has a field that is unexported or of another kind, or has no fields.
func NewStructText(t reflect.Type) (*StructText, error) {
	s := &StructText{typ: t}
	if err := s.add(t, t.Name(), nil); err != nil {
		return nil, err
	}
	if len(s.fields) == 0 {
		return nil, fmt.Errorf("%v has no fields", t)
	}
	return s, nil
}

func (s *StructText) add(t reflect.Type, name string, index []int) error {
	for i := range t.NumField() {
		f := t.Field(i)
		name, index := name+"."+f.Name, append(index[:len(index):len(index)], i)
		kind := f.Type.Kind()
		switch {
		case !f.IsExported():
			return fmt.Errorf("field %s is unexported", name)
		case kind == reflect.Struct:
			if err := s.add(f.Type, name, index); err != nil {
				return err
			}
		case kind == reflect.String, kind == reflect.Bool, isInt(kind), isUint(kind), isBytes(f.Type):
			s.fields = append(s.fields, structField{index, f.Type})
		default:
			return fmt.Errorf("field %s (%v) is not a string, integer, bool, byte array or struct", name, f.Type)
		}
	}
	return nil
}

func isInt(k reflect.Kind) bool  { return k >= reflect.Int && k <= reflect.Int64 }
func isUint(k reflect.Kind) bool { return k >= reflect.Uint && k <= reflect.Uint64 }

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Uint8
}

// Append appends the text of v, a struct of the type, and returns the result.
func (s *StructText) Append(dst []byte, v reflect.Value) []byte {
	for i, f := range s.fields {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = appendField(dst, v.FieldByIndex(f.index))
	}
	return dst
}

// appendField appends the text of a string, integer, bool or byte array.
func appendField(dst []byte, v reflect.Value) []byte {
	switch kind := v.Kind(); {
	case kind == reflect.String:
		return appendPart(dst, v.String())
	case kind == reflect.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case isInt(kind):
		return strconv.AppendInt(dst, v.Int(), 10)
	case isUint(kind):
		return strconv.AppendUint(dst, v.Uint(), 10)
	}
	for i := range v.Len() {
		dst = hex.AppendEncode(dst, []byte{byte(v.Index(i).Uint())})
	}
	return dst
}

// Parse sets v, an addressable struct of the type, to the struct with this text. It returns
// an error if Append would give another text.
func (s *StructText) Parse(text string, v reflect.Value) error {
	parts := strings.Split(text, ":")
	if len(parts) != len(s.fields) {
		return fmt.Errorf("%q has %d parts, and %v has %d fields", text, len(parts), s.typ, len(s.fields))
	}
	for i, f := range s.fields {
		if err := parseField(v.FieldByIndex(f.index), parts[i]); err != nil {
			return fmt.Errorf("%q is not the text of a %v: %w", text, s.typ, err)
		}
	}
	if string(s.Append(nil, v)) != text {
		return fmt.Errorf("%q is not the text of a %v", text, s.typ)
	}
	return nil
}

func parseField(v reflect.Value, part string) error {
	switch kind := v.Kind(); {
	case kind == reflect.String:
		v.SetString(unescape(part))
	case kind == reflect.Bool:
		b, err := strconv.ParseBool(part)
		v.SetBool(b)
		return err
	case isInt(kind):
		n, err := strconv.ParseInt(part, 10, v.Type().Bits())
		v.SetInt(n)
		return err
	case isUint(kind):
		n, err := strconv.ParseUint(part, 10, v.Type().Bits())
		v.SetUint(n)
		return err
	default:
		b, err := hex.DecodeString(part)
		if err == nil && len(b) != v.Len() {
			err = fmt.Errorf("%d bytes, want %d", len(b), v.Len())
		}
		if err == nil {
			reflect.Copy(v, reflect.ValueOf(b))
		}
		return err
	}
	return nil
}
