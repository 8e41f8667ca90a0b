package codec

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lokroom/strata/internal/oneline"
)

// An Algorithm is a way to compress.
type Algorithm byte

const (
	// S2 is an extension of Snappy: fast, and the default.
	S2 Algorithm = iota

	// Zstd is Zstandard (RFC 8878): smaller, at several times the cost. The
	// process keeps up to a few megabytes for each CPU to compress with it.
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

// CompressOptions are the options of [Compress]. The zero value and nil are the
// defaults.
type CompressOptions struct {
	// Algorithm is what new values are compressed with. Values of either
	// algorithm are read whatever it is.
	Algorithm Algorithm

	// Threshold is the number of bytes of the inner encoding from which on it
	// is worth trying to compress. Zero: 1 KiB. 1: always.
	Threshold int

	// MaxSize is the greatest number of bytes of an inner encoding. A larger
	// one is neither written nor read: Append returns ErrTooLarge, and Decode
	// refuses bytes that would become larger before it makes room for them.
	// Zero: 64 MiB. At most 1 GiB.
	MaxSize int
}

const (
	defaultThreshold = 1 << 10
	defaultMaxSize   = 64 << 20
	mostMaxSize      = 1 << 30 // beyond what Redis keeps under a key; S2 ends at 4 GiB
)

// withDefaults returns a copy of o, which may be nil, with its zeros filled in,
// and all that is wrong with it.
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

// Compress returns a codec that compresses what inner writes. Encodings that are
// short, or that compression does not make shorter, are kept as they are.
//
// The encoding is a byte that names the method, 0 for none, 1 for S2 and 2 for
// Zstandard, and then the inner encoding, an S2 block, or a Zstandard frame that
// states its content size. There is no checksum: bytes that were damaged on the
// way may decode to another value, unless the store has a checksum or [Seal] is
// around it.
//
// A program that can choose a part of a value and see the size of the encoding
// can find out the rest of it: do not compress secrets together with what
// strangers write, not even inside Seal.
func Compress[T any](inner Codec[T], o *CompressOptions) (*CompressCodec[T], error) {
	opts, err := o.withDefaults()
	if inner == nil {
		err = oneline.Join(errors.New("codec: Compress: no inner codec"), err)
	}
	if err != nil {
		return nil, err
	}
	return &CompressCodec[T]{inner: inner, opts: opts}, nil
}

// CompressCodec is the codec that [Compress] returns.
type CompressCodec[T any] struct {
	inner Codec[T]
	opts  CompressOptions
}

var (
	_ Codec[int] = (*CompressCodec[int])(nil)
	_ Keyed[int] = (*CompressCodec[int])(nil)
	_ Identifier = (*CompressCodec[int])(nil)
)

// Append encodes v with the inner codec and compresses the result.
func (c *CompressCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	out, err := c.inner.Append(append(dst, methodRaw), v)
	return c.compress(dst, out, err)
}

// AppendFor is Append; the key is for the inner codec.
func (c *CompressCodec[T]) AppendFor(dst []byte, key string, v T) ([]byte, error) {
	out, err := AppendFor(c.inner, append(dst, methodRaw), key, v)
	return c.compress(dst, out, err)
}

// compress makes what the inner codec appended to dst, and returned as out and
// err, shorter if it can.
func (c *CompressCodec[T]) compress(dst, out []byte, err error) ([]byte, error) {
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

// Decode is the reverse of Append. It reads what any Compress around the same
// inner codec wrote, whatever its algorithm.
func (c *CompressCodec[T]) Decode(src []byte) (T, error) {
	buf := getScratch()
	defer buf.put() // inner does not keep its bytes
	raw, err := c.decompress(buf, src)
	if err != nil {
		var none T
		return none, err
	}
	return c.inner.Decode(raw)
}

// DecodeFor is Decode; the key is for the inner codec.
func (c *CompressCodec[T]) DecodeFor(key string, src []byte) (T, error) {
	buf := getScratch()
	defer buf.put()
	raw, err := c.decompress(buf, src)
	if err != nil {
		var none T
		return none, err
	}
	return DecodeFor(c.inner, key, raw)
}

// decompress returns the inner encoding that is in src. It is a part of src, or
// in buf.
func (c *CompressCodec[T]) decompress(buf *scratch, src []byte) ([]byte, error) {
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

// CheckType implements [Checker] as the inner codec does.
func (c *CompressCodec[T]) CheckType() error { return Check(c.inner) }

// Canonical implements [Canonicalizer] as the inner codec does.
func (c *CompressCodec[T]) Canonical(v T) T { return Canonical(c.inner, v) }

// CodecID returns IDCompress.
func (*CompressCodec[T]) CodecID() byte { return IDCompress }

// String returns for instance "s2(msgpack)".
func (c *CompressCodec[T]) String() string {
	return fmt.Sprintf("%s(%s)", c.opts.Algorithm, describe(c.inner))
}
