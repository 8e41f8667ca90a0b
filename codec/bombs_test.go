package codec_test

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/zstd"
)

// repeatedS2 is what Compress would write for n zeros, made without them: a
// literal, a copy, and then repeats of the copy, which in S2 may be 16 MiB long.
func repeatedS2(n int) []byte {
	b := binary.AppendUvarint([]byte{1}, uint64(n))
	b = append(b, 0, 0)         // a literal of one zero
	b = append(b, 4<<2|0b01, 1) // a copy of 8 bytes at offset 1
	for left := n - 9; left > 0; {
		const tiny, short, long = 4, 260, 65540 // the least that each kind repeats
		switch {
		case left > long:
			v := min(left-long, 1<<24-1)
			b = append(b, 7<<2|0b01, 0, byte(v), byte(v>>8), byte(v>>16))
			left -= v + long
		case left > short:
			v := min(left-short, 1<<16-1)
			b = append(b, 6<<2|0b01, 0, byte(v), byte(v>>8))
			left -= v + short
		default: // a copy at offset 1 again, of 4 to 11 bytes
			step := min(left, 11)
			if rest := left - step; rest > 0 && rest < tiny {
				step = left - tiny
			}
			b = append(b, byte(step-4)<<2|0b01, 1)
			left -= step
		}
	}
	return b
}

// zeros is a reader of n zeros.
func zeros(n int) io.Reader { return io.LimitReader(zeroReader{}, int64(n)) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// repeatedZstdUnsized is a frame of n zeros that does not state its size.
func repeatedZstdUnsized(n int) []byte {
	var b bytes.Buffer
	b.WriteByte(2)
	w, _ := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	_, _ = io.Copy(w, zeros(n))
	_ = w.Close()
	return b.Bytes()
}

// repeatedZstd is a frame of n zeros: blocks of the RLE type, four bytes for
// 128 KiB (RFC 8878, 3.1.1.2).
func repeatedZstd(n int) []byte { return lyingZstd(n, uint64(n)) }

// lyingZstd is a frame of n zeros that states another size.
func lyingZstd(n int, size uint64) []byte {
	b := []byte{2, 0x28, 0xb5, 0x2f, 0xfd, 0xe0} // content size of 8 bytes, single segment
	b = binary.LittleEndian.AppendUint64(b, size)
	for n > 0 {
		block := min(n, 128<<10)
		n -= block
		h := uint32(block)<<3 | 1<<1
		if n == 0 {
			h |= 1
		}
		b = append(b, byte(h), byte(h>>8), byte(h>>16), 0)
	}
	return b
}
