package codec

// maxDepth limits the nesting of MessagePack values. Decoders are recursive, and a level
// takes only one byte of input.
const maxDepth = 1000

// A scan walks a MessagePack encoding before it is decoded.
//
// Decoders allocate the length that the input declares, and five bytes can declare 2^32
// elements. Every element takes at least one byte. The scan ensures that all declared
// elements are present, so all lengths together declare no more elements than the input has
// bytes.
//
// The format is https://github.com/msgpack/msgpack/blob/master/spec.md.
type scan struct {
	src []byte

	// opaque holds the offsets of the payloads of extensions, in increasing order. The scan
	// does not look into them.
	opaque []int
}

// truncated is the offset returned for a value that does not fit its input.
const truncated = -1

const errTruncated = reason("a length exceeds the input, or values nest too deep")

// all scans all values in s.src from the offset at. There may be several: EncodeMsgpack
// methods often write more than one.
func (s *scan) all(at int) error {
	s.opaque = s.opaque[:0]
	for at < len(s.src) {
		if at = s.value(at, 0); at == truncated {
			return errTruncated
		}
	}
	return nil
}

// value returns the offset after the value at offset at, or truncated. depth is the number
// of enclosing arrays and maps.
func (s *scan) value(at, depth int) int {
	if at >= len(s.src) {
		return truncated
	}
	c := s.src[at]
	at++
	switch {
	case c <= 0x7f, c >= 0xe0: // small integers
		return at
	case c <= 0x8f:
		return s.items(at, 2*int(c&0x0f), depth)
	case c <= 0x9f:
		return s.items(at, int(c&0x0f), depth)
	case c <= 0xbf: // short strings
		return s.skip(at, int(c&0x1f))
	}
	switch c {
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return at
	case 0xcc, 0xd0: // numbers by their width
		return s.skip(at, 1)
	case 0xcd, 0xd1:
		return s.skip(at, 2)
	case 0xca, 0xce, 0xd2:
		return s.skip(at, 4)
	case 0xcb, 0xcf, 0xd3:
		return s.skip(at, 8)
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // extensions of 1, 2, 4, 8, 16 bytes
		return s.extension(at, 1<<(c-0xd4))
	case 0xc1: // never used
		return truncated
	}
	return s.long(c, at, depth)
}

// long is value for types that begin with a length of one, two or four bytes.
func (s *scan) long(c byte, at, depth int) int {
	var width int
	switch c {
	case 0xc4, 0xc7, 0xd9:
		width = 1
	case 0xc5, 0xc8, 0xda, 0xdc, 0xde:
		width = 2
	case 0xc6, 0xc9, 0xdb, 0xdd, 0xdf:
		width = 4
	}
	if len(s.src)-at < width {
		return truncated
	}
	var n uint64
	for range width {
		n = n<<8 | uint64(s.src[at])
		at++
	}
	if n > uint64(len(s.src)) { // it must fit an int
		return truncated
	}
	switch c {
	case 0xc7, 0xc8, 0xc9:
		return s.extension(at, int(n))
	case 0xdc, 0xdd:
		return s.items(at, int(n), depth)
	case 0xde, 0xdf:
		return s.items(at, 2*int(n), depth)
	default: // strings and bytes
		return s.skip(at, int(n))
	}
}

// items is value for n consecutive values.
func (s *scan) items(at, n, depth int) int {
	if depth == maxDepth {
		return truncated
	}
	for ; n > 0 && at != truncated; n-- {
		at = s.value(at, depth+1)
	}
	return at
}

// extension is value for an extension of n bytes with its type at offset at.
func (s *scan) extension(at, n int) int {
	if n > 0 {
		s.opaque = append(s.opaque, at+1)
	}
	return s.skip(at, 1+n)
}

// skip is value for n bytes that need no scan.
func (s *scan) skip(at, n int) int {
	if len(s.src)-at < n {
		return truncated
	}
	return at + n
}
