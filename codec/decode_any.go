package codec

import (
	"math"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

// any decodes the next value for an interface: int64, uint64, float64, string, bool,
// time.Time, []any, map[string]any, nil, or a registered extension type.
func (d *decoder) any() (any, error) {
	c := d.peek()
	switch {
	case c == nilCode:
		d.at++
		return nil, nil
	case c == falseCode, c == trueCode:
		d.at++
		return c == trueCode, nil
	case c == 0xca, c == 0xcb:
		if f, _, ok := d.float(); ok {
			return f, nil
		}
	case c >= 0xa0 && c <= 0xbf, c >= 0xd9 && c <= 0xdb, c >= 0xc4 && c <= 0xc6:
		if b, ok := d.bytes(); ok {
			return string(b), nil
		}
	case c >= 0x80 && c <= 0x8f, c == 0xde, c == 0xdf:
		return d.anyMap()
	case c >= 0x90 && c <= 0x9f, c == 0xdc, c == 0xdd:
		return d.anySlice()
	case isExtension(c):
		return d.extension()
	default:
		if n, _, ok := d.integer(); ok {
			// msgpack writes a positive int64 and a uint64 alike. Sources return int64.
			if c == 0xcf && n > math.MaxInt64 {
				return n, nil
			}
			return int64(n), nil
		}
	}
	return nil, d.unfit(reflect.TypeFor[any]())
}

// extension decodes the next value, which is a time or a registered extension type.
func (d *decoder) extension() (v any, err error) {
	if t, ok := d.time(); ok {
		return t, nil
	}
	err = d.delegate(func(lib *msgpack.Decoder) error {
		v, err = lib.DecodeInterfaceLoose()
		return err
	})
	return v, err
}

func (d *decoder) anySlice() ([]any, error) {
	n, ok := d.array()
	if !ok {
		return nil, d.unfit(reflect.TypeFor[[]any]())
	}
	list := make([]any, 0, n)
	for range n {
		v, err := d.any()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	d.leave()
	return list, nil
}

func (d *decoder) anyMap() (map[string]any, error) {
	n, ok := d.mapping()
	if !ok {
		return nil, d.unfit(reflect.TypeFor[map[string]any]())
	}
	m := make(map[string]any, n)
	for range n {
		key, ok := d.bytes()
		if !ok {
			return nil, d.unfit(reflect.TypeFor[string]())
		}
		v, err := d.any()
		if err != nil {
			return nil, err
		}
		m[string(key)] = v
	}
	if len(m) != n { // a duplicate key
		return nil, d.unfit(reflect.TypeFor[map[string]any]())
	}
	d.leave()
	return m, nil
}
