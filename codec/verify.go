package codec

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
)

// ErrLossy reports a value that its encoding does not round-trip.
var ErrLossy = errors.New("lossy")

// VerifyOptions configure [Verify]. Nil and the zero value select the defaults.
type VerifyOptions struct {
	// Every is the sampling rate: one in Every encodings is verified. Also verified are the
	// first, each that has a new type in an any or error, and after a failure all. Zero:
	// 10,000. 1: all.
	Every uint64

	// Report is called with every error of Append and Decode. It must be quick and safe for
	// concurrent use. nil: errors are only returned.
	Report func(error)
}

// Verify returns a codec that decodes some of its encodings and compares the values. It
// finds problems that [Check] cannot find by the type. For a value that does not
// round-trip, Append returns an error that wraps ErrLossy and names the field and the
// reason.
//
// Values are equal if all of their fields are, including unexported ones. Nil and empty
// differ, NaN equals NaN, and times are equal if they are the same instant. Values of types
// with methods such as MarshalText are also equal if their Equal method returns true, or if
// these methods write the same output.
func Verify[T any](inner Codec[T], o *VerifyOptions) (Codec[T], error) {
	if inner == nil {
		return nil, errors.New("codec: Verify: no inner codec")
	}
	c := &verifyCodec[T]{inner: inner, every: 10_000}
	if o != nil {
		c.report = o.Report
		if o.Every > 0 {
			c.every = o.Every
		}
	}
	return c, nil
}

// verifyCodec is the codec that [Verify] returns.
type verifyCodec[T any] struct {
	inner  Codec[T]
	every  uint64
	report func(error)
	count  atomic.Uint64
	passed atomic.Bool // one verification has ended
	failed atomic.Bool
	held   sync.Map // types that interfaces held in verified values
}

var (
	_ Codec[int]         = (*verifyCodec[int])(nil)
	_ Keyed[int]         = (*verifyCodec[int])(nil)
	_ Identifier         = (*verifyCodec[int])(nil)
	_ Checker            = (*verifyCodec[int])(nil)
	_ Canonicalizer[int] = (*verifyCodec[int])(nil)
)

// Append is AppendFor for an inner codec that ignores the key.
func (c *verifyCodec[T]) Append(dst []byte, v T) ([]byte, error) { return c.AppendFor(dst, "", v) }

// Decode is DecodeFor for an inner codec that ignores the key.
func (c *verifyCodec[T]) Decode(src []byte) (T, error) { return c.DecodeFor("", src) }

// AppendFor encodes v with the inner codec, and verifies the encoding if it is selected.
func (c *verifyCodec[T]) AppendFor(dst []byte, key string, v T) ([]byte, error) {
	out, err := AppendFor(c.inner, dst, key, v)
	// Until one has passed, all are verified: the first may still be in progress.
	if n := c.count.Add(1); err == nil && (n%c.every == 0 || !c.passed.Load() || c.failed.Load() || c.holdsNew(&v, false)) {
		err = c.verify(key, out[len(dst):], v)
		c.passed.Store(true)
		if err == nil {
			c.holdsNew(&v, true)
		}
	}
	if err != nil {
		return dst, c.fail(err)
	}
	return out, nil
}

// verify returns an error that wraps ErrLossy unless v round-trips.
func (c *verifyCodec[T]) verify(key string, encoding []byte, v T) error {
	back, err := DecodeFor(c.inner, key, encoding)
	if err != nil {
		return c.lossy("is written, but cannot be read: "+err.Error(), err)
	}
	v = Canonical(c.inner, v)
	d := difference{}
	if where := d.between(reflect.ValueOf(&v).Elem(), reflect.ValueOf(&back).Elem(), nameOf[T]()); where != "" {
		return c.lossy("would not come back as it was: "+where, nil)
	}
	return nil
}

func (c *verifyCodec[T]) lossy(why string, cause error) error {
	f := &failure{text: fmt.Sprintf("codec: %s: %s: %s %s", c, ErrLossy, nameOf[T](), why), errs: []error{ErrLossy}}
	if cause != nil {
		f.errs = append(f.errs, cause)
	}
	return f
}

// fail makes every further encoding be verified.
func (c *verifyCodec[T]) fail(err error) error {
	c.failed.Store(true)
	if c.report != nil {
		c.report(err)
	}
	return err
}

// DecodeFor decodes src with the inner codec.
func (c *verifyCodec[T]) DecodeFor(key string, src []byte) (T, error) {
	v, err := DecodeFor(c.inner, key, src)
	if err != nil {
		return v, c.fail(err)
	}
	return v, nil
}

// CodecID returns the identity of the inner codec, which defines the wire format.
func (c *verifyCodec[T]) CodecID() byte { return ID(c.inner) }

// CheckType implements [Checker] with the inner codec.
func (c *verifyCodec[T]) CheckType() error { return Check(c.inner) }

// Canonical implements [Canonicalizer] with the inner codec.
func (c *verifyCodec[T]) Canonical(v T) T { return Canonical(c.inner, v) }

// String returns the name of the inner codec.
func (c *verifyCodec[T]) String() string { return describe(c.inner) }
