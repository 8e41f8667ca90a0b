package codec

import (
	"errors"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// First bytes of the output of Compress.
const (
	methodRaw  byte = 0
	methodS2   byte = 1
	methodZstd byte = 2
)

func methodOf(a Algorithm) byte { return byte(a) + 1 }

func methodName(method byte) string {
	switch method {
	case methodS2:
		return "S2 block"
	case methodZstd:
		return "Zstandard frame"
	default:
		return "method that is known"
	}
}

// The Zstandard coders are shared, because each keeps tables for every CPU. Without streams
// they have no goroutines. inflate bounds the size of decoded data by the buffer that it
// passes; the window size bounds the memory of streams and of our encoder only.
var (
	zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20),
			zstd.WithSingleSegment(true)) // writes the content size, however small
	})
	zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxMemory(mostMaxSize), zstd.WithDecoderMaxWindow(mostMaxSize))
	})
)

var errMismatch = errors.New("the size is not the declared one")

// deflate compresses raw into buf, with any contents and length, and returns the result,
// which is in buf if it fits.
func deflate(a Algorithm, buf, raw []byte) ([]byte, error) {
	if a == S2 {
		return s2.Encode(buf[:cap(buf)], raw), nil
	}
	enc, err := zstdEncoder()
	if err != nil {
		return buf, err
	}
	return enc.EncodeAll(raw, buf[:0]), nil
}

// inflatedSize returns the size that body declares. It does not allocate.
func inflatedSize(method byte, body []byte) (uint64, error) {
	switch method {
	case methodRaw:
		return uint64(len(body)), nil
	case methodS2:
		n, err := s2.DecodedLen(body)
		return uint64(n), err
	case methodZstd:
		var h zstd.Header
		if err := h.Decode(body); err != nil {
			return 0, err
		}
		if h.Skippable || !h.HasFCS {
			return 0, errors.New("no content size")
		}
		return h.FrameContentSize, nil
	default:
		return 0, errors.New("unknown method")
	}
}

// inflate decompresses body into dst, which has the declared size.
func inflate(method byte, dst, body []byte) error {
	var out []byte
	var err error
	if method == methodS2 {
		out, err = s2.Decode(dst, body)
	} else {
		var dec *zstd.Decoder
		if dec, err = zstdDecoder(); err == nil {
			out, err = dec.DecodeAll(body, dst[:0])
		}
	}
	if err != nil {
		return err
	}
	if len(out) != len(dst) {
		return errMismatch
	}
	return nil
}
