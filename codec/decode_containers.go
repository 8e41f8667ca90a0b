package codec

import (
	"reflect"
)

// upFront is how many bytes a slice may allocate per byte of remaining input before its
// elements are decoded: they may be short.
const upFront = 64

func (c *compiler) slice(t reflect.Type) decodeFunc {
	if t.Elem().Kind() == reflect.Uint8 {
		return decodeBytes
	}
	if t == reflect.TypeFor[[]string]() {
		return decodeStrings
	}
	elem := c.of(t.Elem())
	size := max(int(t.Elem().Size()), 1)
	return func(d *decoder, v reflect.Value) error {
		if d.isNil() {
			return nil
		}
		n, ok := d.array()
		if !ok {
			return d.unfit(t)
		}
		if n == 0 {
			v.Set(reflect.MakeSlice(t, 0, 0))
		} else {
			v.Grow(min(n, upFront*d.left()/size+1))
		}
		for i := range n {
			if i == v.Cap() {
				v.Grow(1)
			}
			v.SetLen(i + 1)
			if err := elem(d, v.Index(i)); err != nil {
				return err
			}
		}
		d.leave()
		return nil
	}
}

func decodeBytes(d *decoder, v reflect.Value) error {
	if d.isNil() {
		return nil
	}
	b, ok := d.bytes()
	if !ok {
		return d.unfit(v.Type())
	}
	own := make([]byte, len(b))
	copy(own, b)
	v.SetBytes(own)
	return nil
}

func decodeStrings(d *decoder, v reflect.Value) error {
	if d.isNil() {
		return nil
	}
	n, ok := d.array()
	if !ok {
		return d.unfit(v.Type())
	}
	list := make([]string, n)
	for i := range list {
		b, ok := d.bytes()
		if !ok {
			return d.unfit(v.Type().Elem())
		}
		list[i] = string(b)
	}
	*v.Addr().Interface().(*[]string) = list
	d.leave()
	return nil
}

func (c *compiler) array(t reflect.Type) decodeFunc {
	if t.Elem().Kind() == reflect.Uint8 {
		return func(d *decoder, v reflect.Value) error {
			begin := d.at
			b, ok := d.bytes()
			if !ok || len(b) != t.Len() {
				d.at = begin
				return d.unfit(t)
			}
			copy(v.Slice(0, len(b)).Bytes(), b)
			return nil
		}
	}
	elem := c.of(t.Elem())
	return func(d *decoder, v reflect.Value) error {
		begin := d.at
		n, ok := d.array()
		if !ok || n != t.Len() {
			d.at = begin
			return d.unfit(t)
		}
		for i := range n {
			if err := elem(d, v.Index(i)); err != nil {
				return err
			}
		}
		d.leave()
		return nil
	}
}

func (c *compiler) mapping(t reflect.Type) decodeFunc {
	if t == reflect.TypeFor[map[string]any]() {
		return decodeAnyMap
	}
	key, elem := c.of(t.Key()), c.of(t.Elem())
	return func(d *decoder, v reflect.Value) error {
		if d.isNil() {
			return nil
		}
		n, ok := d.mapping()
		if !ok {
			return d.unfit(t)
		}
		m := reflect.MakeMapWithSize(t, min(n, upFront*d.left()/int(t.Key().Size()+t.Elem().Size()+1)))
		k, e := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		for range n {
			k.SetZero()
			e.SetZero()
			if err := key(d, k); err != nil {
				return err
			}
			if err := elem(d, e); err != nil {
				return err
			}
			m.SetMapIndex(k, e)
		}
		if m.Len() != n { // a duplicate key
			return d.unfit(t)
		}
		v.Set(m)
		d.leave()
		return nil
	}
}

func decodeAnyMap(d *decoder, v reflect.Value) error {
	if d.isNil() {
		return nil
	}
	m, err := d.anyMap()
	if err != nil {
		return err
	}
	*v.Addr().Interface().(*map[string]any) = m
	return nil
}

// A fieldDecoder decodes a struct field.
type fieldDecoder struct {
	name  string
	index []int
	fn    decodeFunc
}

func (c *compiler) structure(t reflect.Type) decodeFunc {
	l := layoutOf(t)
	fields := make([]fieldDecoder, len(l.fields))
	for i, f := range l.fields {
		fields[i] = fieldDecoder{f.name, f.index, c.of(f.typ)}
		if f.intern {
			fields[i].fn = func(d *decoder, _ reflect.Value) error { return reason("a field with the tag intern: " + f.path) }
		}
	}
	if l.asArray {
		return func(d *decoder, v reflect.Value) error { return d.row(t, fields, v) }
	}
	names := l.names
	return func(d *decoder, v reflect.Value) error {
		n, ok := d.mapping()
		if !ok {
			return d.unfit(t)
		}
		begin, ascending, last := d.at, true, -1
		for range n {
			name, ok := d.bytes()
			if !ok {
				return d.unfit(t)
			}
			next := last + 1 // the index if all fields are present and in order
			if next >= len(fields) || fields[next].name != string(name) {
				if next, ok = names[string(name)]; !ok {
					if err := d.skip(); err != nil {
						return err
					}
					continue
				}
			}
			ascending = ascending && next > last
			last = next
			if err := fields[next].decode(d, v); err != nil {
				return d.within(fields[next].name, err)
			}
		}
		if !ascending && d.twice(begin, n, names) {
			return d.unfit(t)
		}
		d.leave()
		return nil
	}
}

// twice reports whether one of names occurs twice among the n decoded pairs at begin.
func (d *decoder) twice(begin, n int, names map[string]int) bool {
	again := decoder{src: d.src, at: begin, depth: d.depth}
	seen := make(map[int]bool)
	for range n {
		name, _ := again.bytes()
		i, known := names[string(name)]
		if known && seen[i] {
			return true
		}
		seen[i] = known
		if again.skip() != nil {
			return true
		}
	}
	return false
}

// row decodes a struct that is encoded as an array.
func (d *decoder) row(t reflect.Type, fields []fieldDecoder, v reflect.Value) error {
	n, ok := d.array()
	if !ok || n != len(fields) {
		return d.unfit(t)
	}
	for i := range fields {
		if err := fields[i].decode(d, v); err != nil {
			return d.within(fields[i].name, err)
		}
	}
	d.leave()
	return nil
}

// decode decodes the next value into the field of v, and allocates the embedded structs
// that contain it.
func (f *fieldDecoder) decode(d *decoder, v reflect.Value) error {
	for i, at := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(at)
	}
	return f.fn(d, v)
}
