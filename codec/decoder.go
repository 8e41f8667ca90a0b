package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// A decoder reads values from a MessagePack encoding, and refuses those that are not the
// value of a type as msgpack writes it: numbers that do not fit, nil where the type has
// none, arrays of another length. The Decoder of msgpack wraps the first and takes the
// second for zero.
//
// What it allocates is bounded: each declared element takes a byte of the input at least,
// so the elements of all arrays and maps together are no more than the input has bytes.
//
// The format is https://github.com/msgpack/msgpack/blob/master/spec.md.
type decoder struct {
	src    []byte
	at     int
	depth  int // how many arrays and maps the value at at is in
	budget int // elements that may still be declared

	foreign bool // a method of T, or an extension, has decoded a part
	lib     *msgpack.Decoder
	in      reader // what lib reads from
}

// reset begins to decode src.
func (d *decoder) reset(src []byte) {
	d.src, d.at, d.depth, d.budget, d.foreign = src, 0, 0, len(src), false
}

func (d *decoder) left() int { return len(d.src) - d.at }

// unfit is the error of a value that is none of t.
func (d *decoder) unfit(t reflect.Type) error {
	return reason(fmt.Sprintf("no %v at byte %d", t, d.at))
}

// peek returns the first byte of the next value, or one that no value begins with.
func (d *decoder) peek() byte {
	if d.at >= len(d.src) {
		return unusedCode
	}
	return d.src[d.at]
}

// The first bytes of values.
const (
	nilCode    = 0xc0
	unusedCode = 0xc1
	falseCode  = 0xc2
	trueCode   = 0xc3
)

// isExtension reports whether c is the first byte of an extension.
func isExtension(c byte) bool { return c >= 0xc7 && c <= 0xc9 || c >= 0xd4 && c <= 0xd8 }

// isNil steps over a nil, if there is one.
func (d *decoder) isNil() bool {
	if d.peek() != nilCode {
		return false
	}
	d.at++
	return true
}

// take returns the next n bytes, or false.
func (d *decoder) take(n int) ([]byte, bool) {
	if n < 0 || d.left() < n {
		return nil, false
	}
	b := d.src[d.at : d.at+n]
	d.at += n
	return b, true
}

// number returns the big-endian number in the next width bytes, or false.
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

// integer returns the next value, which is that of n as an int64 if negative. If it is no
// integer, ok is false and the decoder has not moved.
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

// float returns the next value, and whether it had 32 bits. If it is no float, ok is false
// and the decoder has not moved.
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

// bytes returns the string or the bytes that come next, which are a part of the input. If
// there are none, ok is false and the decoder has not moved.
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

// elements steps into an array, or a map if pairs is 2, and returns its length; leave ends
// it. If there is none, ok is false and the decoder has not moved.
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

// skip steps over the next value.
func (d *decoder) skip() error {
	s := scan{src: d.src}
	end := s.value(d.at, d.depth)
	if end == truncated {
		return errTruncated
	}
	d.at = end
	return nil
}

// time returns the next value in UTC. If it is no time, ok is false and the decoder has not
// moved.
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

// timeOf returns the time in UTC that b, the payload of a timestamp, is the encoding of.
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

// looked looks over src for methods that decode it themselves.
func (d *decoder) looked(src []byte) error {
	d.foreign = true
	return d.in.reset(src, 0)
}

// delegate has fn read the next values with the Decoder of msgpack. The lengths in them have
// been looked over.
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
	// Not with UsePreallocateValues, as in msgpack.Unmarshal: it leaves a goroutine
	// behind for every type.
	d.lib.Reset(&d.in)
	d.lib.UseLooseInterfaceDecoding(true)
	err := fn(d.lib)
	d.at = d.in.at
	return err
}
