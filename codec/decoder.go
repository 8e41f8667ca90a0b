package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// A decoder decodes MessagePack. It rejects input that msgpack would not write for the
// type: numbers that overflow, nil for a type without nil, arrays of another length. The
// Decoder of msgpack truncates the first and decodes the second as zero.
//
// Memory is bounded: each declared element takes at least one byte of input, so all arrays
// and maps together have no more elements than the input has bytes.
//
// The format is https://github.com/msgpack/msgpack/blob/master/spec.md.
type decoder struct {
	src    []byte
	at     int
	depth  int // number of arrays and maps around the value at at
	budget int // number of elements that may still be declared

	foreign bool   // a method of T, or an extension, has decoded a part
	path    string // of the struct field that cannot be decoded, such as "Owner.Age"
	lib     *msgpack.Decoder
	in      reader // input of lib
}

// reset starts to decode src.
func (d *decoder) reset(src []byte) {
	d.src, d.at, d.depth, d.budget, d.foreign, d.path = src, 0, 0, len(src), false, ""
}

// mostPath bounds the length of a path to which more is added: input may be nested deeply.
const mostPath = 100

// within returns err, and notes that it is of the struct field called name.
func (d *decoder) within(name string, err error) error {
	if len(d.path) > mostPath {
		return err
	}
	if d.path != "" {
		name += "." + d.path
	}
	d.path = name
	return err
}

func (d *decoder) left() int { return len(d.src) - d.at }

// unfit returns the error for a value that does not fit t.
func (d *decoder) unfit(t reflect.Type) error {
	return reason(fmt.Sprintf("no %v at byte %d", t, d.at))
}

// peek returns the first byte of the next value, or a byte that starts no value.
func (d *decoder) peek() byte {
	if d.at >= len(d.src) {
		return unusedCode
	}
	return d.src[d.at]
}

// First bytes of values.
const (
	nilCode    = 0xc0
	unusedCode = 0xc1
	falseCode  = 0xc2
	trueCode   = 0xc3
)

// isExtension reports whether c is the first byte of an extension.
func isExtension(c byte) bool { return c >= 0xc7 && c <= 0xc9 || c >= 0xd4 && c <= 0xd8 }

// isNil consumes a nil, if it is next.
func (d *decoder) isNil() bool {
	if d.peek() != nilCode {
		return false
	}
	d.at++
	return true
}

// take consumes the next n bytes, or returns false.
func (d *decoder) take(n int) ([]byte, bool) {
	if n < 0 || d.left() < n {
		return nil, false
	}
	b := d.src[d.at : d.at+n]
	d.at += n
	return b, true
}

// number consumes a big-endian number of width bytes, or returns false.
func (d *decoder) number(width int) (uint64, bool) {
	b, ok := d.take(width)
	if !ok {
		return 0, false
	}
	switch width {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), true
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), true
	default:
		return binary.BigEndian.Uint64(b), true
	}
}

// integer consumes an integer. n is an int64 if negative is true. If the next value is not
// an integer, ok is false and the position is unchanged.
func (d *decoder) integer() (n uint64, negative, ok bool) {
	begin := d.at
	c := d.peek()
	d.at++
	switch {
	case c <= 0x7f:
		return uint64(c), false, true
	case c >= 0xe0:
		return uint64(int64(int8(c))), true, true
	case c >= 0xcc && c <= 0xcf:
		n, ok = d.number(1 << (c - 0xcc))
	case c >= 0xd0 && c <= 0xd3:
		width := 1 << (c - 0xd0)
		n, ok = d.number(width)
		shift := 64 - 8*width
		n = uint64(int64(n<<shift) >> shift)
		negative = int64(n) < 0
	}
	if !ok {
		d.at = begin
	}
	return n, negative, ok
}

// float consumes a float and reports whether it had 32 bits. If the next value is not a
// float, ok is false and the position is unchanged.
func (d *decoder) float() (f float64, short, ok bool) {
	begin := d.at
	c := d.peek()
	d.at++
	switch c {
	case 0xca:
		if n, ok := d.number(4); ok {
			return float64(math.Float32frombits(uint32(n))), true, true
		}
	case 0xcb:
		if n, ok := d.number(8); ok {
			return math.Float64frombits(n), false, true
		}
	}
	d.at = begin
	return 0, false, false
}

// bytes consumes a string or bytes, which share memory with the input. If the next value is
// neither, ok is false and the position is unchanged.
func (d *decoder) bytes() (b []byte, ok bool) {
	begin := d.at
	c := d.peek()
	d.at++
	n, have := uint64(c&0x1f), c >= 0xa0 && c <= 0xbf
	switch c {
	case 0xc4, 0xd9:
		n, have = d.number(1)
	case 0xc5, 0xda:
		n, have = d.number(2)
	case 0xc6, 0xdb:
		n, have = d.number(4)
	}
	if have {
		b, ok = d.take(int(n))
	}
	if !ok {
		d.at = begin
	}
	return b, ok
}

// elements enters an array, or a map if pairs is 2, and returns its length; leave ends it.
// If the next value is neither, ok is false and the position is unchanged.
func (d *decoder) elements(fixed, long byte, pairs int) (n int, ok bool) {
	begin := d.at
	c := d.peek()
	d.at++
	m, have := uint64(c&0x0f), c&0xf0 == fixed
	switch c {
	case long:
		m, have = d.number(2)
	case long + 1:
		m, have = d.number(4)
	}
	if !have || m > uint64(d.budget/pairs) || d.depth == maxDepth {
		d.at = begin
		return 0, false
	}
	d.budget -= int(m) * pairs
	d.depth++
	return int(m), true
}

func (d *decoder) array() (n int, ok bool)   { return d.elements(0x90, 0xdc, 1) }
func (d *decoder) mapping() (n int, ok bool) { return d.elements(0x80, 0xde, 2) }
func (d *decoder) leave()                    { d.depth-- }

// skip consumes the next value.
func (d *decoder) skip() error {
	s := scan{src: d.src}
	end := s.value(d.at, d.depth)
	if end == truncated {
		return errTruncated
	}
	d.at = end
	return nil
}

// time consumes a time and returns it in UTC. If the next value is not a time, ok is false
// and the position is unchanged.
func (d *decoder) time() (t time.Time, ok bool) {
	begin := d.at
	c := d.peek()
	d.at++
	size, have := uint64(0), true
	switch c {
	case 0xd6:
		size = 4
	case 0xd7:
		size = 8
	case 0xc7:
		size, have = d.number(1)
	default:
		have = false
	}
	b, whole := d.take(1 + int(size))
	if have && whole && b[0] == 0xff {
		t, ok = timeOf(b[1:])
	}
	if !ok {
		d.at = begin
	}
	return t, ok
}

// timeOf decodes the payload of a timestamp, in UTC.
func timeOf(b []byte) (t time.Time, ok bool) {
	var sec int64
	var nsec uint64
	switch len(b) {
	case 4:
		sec = int64(binary.BigEndian.Uint32(b))
	case 8:
		n := binary.BigEndian.Uint64(b)
		sec, nsec = int64(n&(1<<34-1)), n>>34
	case 12:
		nsec, sec = uint64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint64(b[4:]))
	default:
		return t, false
	}
	if nsec >= 1e9 {
		return t, false
	}
	return time.Unix(sec, int64(nsec)).UTC(), true
}

// looked scans src for the decoding methods of a type.
func (d *decoder) looked(src []byte) error {
	d.foreign = true
	return d.in.reset(src, 0)
}

// delegate decodes the next values with fn, which gets the Decoder of msgpack. The lengths
// in the input have been scanned.
func (d *decoder) delegate(fn func(*msgpack.Decoder) error) error {
	if !d.foreign {
		if err := d.in.reset(d.src, d.at); err != nil {
			return err
		}
		d.foreign = true
	}
	if d.lib == nil {
		d.lib = msgpack.NewDecoder(nil)
	}
	d.in.at = d.at
	// Without UsePreallocateValues, unlike msgpack.Unmarshal: it leaves a goroutine behind
	// for every type.
	d.lib.Reset(&d.in)
	d.lib.UseLooseInterfaceDecoding(true)
	err := fn(d.lib)
	d.at = d.in.at
	return err
}
