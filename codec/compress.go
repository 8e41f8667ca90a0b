package codec

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lokroom/strata/internal/oneline"
)

// An Algorithm is a compression algorithm.
type Algorithm byte

const (
	// S2 is an extension of Snappy. It is fast, and the default.
	S2 Algorithm = iota

	// Zstd is Zstandard (RFC 8878). Its output is smaller, at several times the cost. The
	// process keeps up to a few megabytes of encoder state per CPU.
	Zstd
)

// String returns "s2" or "zstd".
func (a Algorithm) String() string {
	switch a {
	case S2:
		return "s2"
	case Zstd:
		return "zstd"
	default:
		return fmt.Sprintf("algorithm %d", byte(a))
	}
}

// CompressOptions configure [Compress]. Nil and the zero value select the defaults.
type CompressOptions struct {
	// Algorithm is the algorithm for new values. Values of both algorithms can be decoded.
	// Zero: S2.
	Algorithm Algorithm

	// Threshold is the minimum size of an inner encoding, in bytes, that is compressed.
	// Zero: 1 KiB. 1: always.
	Threshold int

	// MaxSize is the maximum size of an inner encoding in bytes. For a larger one, Append
	// returns ErrTooLarge, and Decode rejects the input before it allocates memory. At most
	// 1 GiB. Zero: 64 MiB.
	MaxSize int
}

const (
	defaultThreshold = 1 << 10
	defaultMaxSize   = 64 << 20
	mostMaxSize      = 1 << 30 // more than Redis stores in one key; S2 is limited to 4 GiB
)

// withDefaults returns a copy of o, which may be nil, with defaults filled in, and an error
// that joins all mistakes.
func (o *CompressOptions) withDefaults() (CompressOptions, error) {
	var p CompressOptions
	if o != nil {
		p = *o
	}
	var errs []error
	if p.Algorithm > Zstd {
		errs = append(errs, fmt.Errorf("codec: CompressOptions.Algorithm: unknown %s", p.Algorithm))
	}
	if p.Threshold < 0 {
		errs = append(errs, fmt.Errorf("codec: CompressOptions.Threshold: %d is negative", p.Threshold))
	}
	if p.MaxSize < 0 || p.MaxSize > mostMaxSize {
		errs = append(errs, fmt.Errorf("codec: CompressOptions.MaxSize: %d is not in 0..%d", p.MaxSize, mostMaxSize))
	}
	if p.Threshold == 0 {
		p.Threshold = defaultThreshold
	}
	if p.MaxSize == 0 {
		p.MaxSize = defaultMaxSize
	}
	return p, oneline.Join(errs...)
}

// Compress returns a codec that compresses the output of inner. Encodings that are short,
// or that would not become shorter, are stored uncompressed.
//
// The encoding is a method byte followed by the data: 0 and the inner encoding, 1 and an S2
// block, or 2 and a Zstandard frame with its content size. Decode reads the output of either
// algorithm, whichever o has. There is no checksum: damaged
// bytes may decode to a different value, unless the store has a checksum or [Seal] wraps
// this codec.
//
// An attacker that can choose a part of a value and observe the size of its encoding can
// find out the rest. Do not compress secrets together with untrusted input, not even inside
// Seal.
func Compress[T any](inner Codec[T], o *CompressOptions) (Codec[T], error) {
	opts, err := o.withDefaults()
	if inner == nil {
		err = oneline.Join(errors.New("codec: Compress: no inner codec"), err)
	}
	if err != nil {
		return nil, err
	}
	return &compressCodec[T]{inner: inner, opts: opts}, nil
}

// compressCodec is the codec that [Compress] returns.
type compressCodec[T any] struct {
	inner Codec[T]
	opts  CompressOptions
}

var (
	_ Codec[int] = (*compressCodec[int])(nil)
	_ Keyed[int] = (*compressCodec[int])(nil)
	_ Identifier = (*compressCodec[int])(nil)
)

// Append encodes v with the inner codec and compresses the result.
func (c *compressCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	out, err := c.inner.Append(append(dst, methodRaw), v)
	return c.compress(dst, out, err)
}

// AppendFor is Append with a key for the inner codec.
func (c *compressCodec[T]) AppendFor(dst []byte, key string, v T) ([]byte, error) {
	out, err := AppendFor(c.inner, append(dst, methodRaw), key, v)
	return c.compress(dst, out, err)
}

// compress compresses the output that the inner codec appended to dst, if that makes it
// shorter. out and err are the results of the inner codec.
func (c *compressCodec[T]) compress(dst, out []byte, err error) ([]byte, error) {
	if err != nil {
		return dst, err
	}
	raw := out[len(dst)+1:]
	if len(raw) > c.opts.MaxSize {
		return dst, fmt.Errorf("codec: %s: %w: %d bytes, of at most %d", c, ErrTooLarge, len(raw), c.opts.MaxSize)
	}
	if len(raw) < c.opts.Threshold {
		return out, nil
	}
	buf := getScratch()
	defer buf.put()
	if buf.b, err = deflate(c.opts.Algorithm, buf.b, raw); err != nil {
		return dst, fmt.Errorf("codec: %s: %w", c, err)
	}
	if len(buf.b) >= len(raw) {
		return out, nil
	}
	out[len(dst)] = methodOf(c.opts.Algorithm)
	return append(out[:len(dst)+1], buf.b...), nil
}

// Decode decodes the output of Append. It decodes the output of any Compress around the
// same inner codec, with either algorithm.
func (c *compressCodec[T]) Decode(src []byte) (T, error) {
	buf := getScratch()
	defer buf.put() // inner does not keep its input
	raw, err := c.decompress(buf, src)
	if err != nil {
		var none T
		return none, err
	}
	return c.inner.Decode(raw)
}

// DecodeFor is Decode with a key for the inner codec.
func (c *compressCodec[T]) DecodeFor(key string, src []byte) (T, error) {
	buf := getScratch()
	defer buf.put()
	raw, err := c.decompress(buf, src)
	if err != nil {
		var none T
		return none, err
	}
	return DecodeFor(c.inner, key, raw)
}

// decompress returns the inner encoding in src. The result is a part of src or of buf.
func (c *compressCodec[T]) decompress(buf *scratch, src []byte) ([]byte, error) {
	if len(src) == 0 {
		return nil, corrupt(c.String(), "no bytes", nil)
	}
	method, body := src[0], src[1:]
	size, err := inflatedSize(method, body)
	if err != nil {
		return nil, corrupt(c.String(), "no "+methodName(method), err)
	}
	if size > uint64(c.opts.MaxSize) {
		return nil, tooLarge(c.String(), size, c.opts.MaxSize)
	}
	if method == methodRaw {
		return body, nil
	}
	buf.b = slices.Grow(buf.b[:0], int(size))[:size]
	if err := inflate(method, buf.b[:size:size], body); err != nil {
		return nil, corrupt(c.String(), "no "+methodName(method), err)
	}
	return buf.b, nil
}

// CheckType implements [Checker] with the inner codec.
func (c *compressCodec[T]) CheckType() error { return Check(c.inner) }

// Canonical implements [Canonicalizer] with the inner codec.
func (c *compressCodec[T]) Canonical(v T) T { return Canonical(c.inner, v) }

// CodecID returns IDCompress.
func (*compressCodec[T]) CodecID() byte { return IDCompress }

// String returns, for example, "s2(msgpack)".
func (c *compressCodec[T]) String() string {
	return fmt.Sprintf("%s(%s)", c.opts.Algorithm, describe(c.inner))
}
