package codec

import "io"

// errOpaque stops a decoder that reads the payload of an extension as a value. The decoder
// of msgpack v5 does that if it expects a map and finds an extension. The lengths in the
// payload have not been scanned.
const errOpaque = reason("a value inside an extension")

// A reader passes scanned input to a decoder, which reads the first byte of each value with
// ReadByte, and the payload of an extension with Read.
type reader struct {
	scan
	at   int
	next int // index in opaque of the first payload that is not before at
}

// reset scans src from the offset at, where a value begins, and starts to read there.
func (r *reader) reset(src []byte, at int) error {
	r.src, r.at, r.next = src, at, 0
	return r.all(at)
}

func (r *reader) Read(p []byte) (int, error) {
	if r.at == len(r.src) && len(p) > 0 {
		return 0, io.EOF
	}
	n := copy(p, r.src[r.at:])
	r.at += n
	return n, nil
}

func (r *reader) ReadByte() (byte, error) {
	if r.at == len(r.src) {
		return 0, io.EOF
	}
	for r.next < len(r.opaque) && r.opaque[r.next] < r.at {
		r.next++
	}
	if r.next < len(r.opaque) && r.opaque[r.next] == r.at {
		return 0, errOpaque
	}
	c := r.src[r.at]
	r.at++
	return c, nil
}

func (r *reader) UnreadByte() error {
	if r.at == 0 {
		return io.ErrShortBuffer
	}
	r.at--
	return nil
}
