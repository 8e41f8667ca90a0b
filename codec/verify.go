package codec

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
)

// ErrLossy says that a value does not come back as it was from its encoding.
var ErrLossy = errors.New("lossy")

// VerifyOptions are the options of [Verify]. The zero value and nil are the defaults.
type VerifyOptions struct {
	// Every is how many encodings there are for each that is verified. The first one
	// always is, and after one has failed, each is. Zero: 10,000. 1: each is verified.
	Every uint64

	// Report is called with every error of Append and Decode. It must be quick, and may
	// run concurrently. nil: errors are only returned.
	Report func(error)
}

// Verify returns a codec that decodes some of its encodings again and compares the values,
// for what [Check] cannot tell by the type. Append returns an error that is ErrLossy for a
// value that does not come back equal: its text names the field and the reason.
//
// Values are equal if all of their fields are, the unexported ones included. Nil and empty
// differ, NaN is equal to NaN, and times to those of the same instant. Values whose types
// have methods such as MarshalText are also equal if their Equal method says so, or if these
// methods write the same.
func Verify[T any](inner Codec[T], o *VerifyOptions) (*VerifyCodec[T], error) {
	if inner == nil {
		return nil, errors.New("codec: Verify: no inner codec")
	}
	c := &VerifyCodec[T]{inner: inner, every: 10_000}
	if o != nil {
		c.report = o.Report
		if o.Every > 0 {
			c.every = o.Every
		}
	}
	return c, nil
}

// VerifyCodec is the codec that [Verify] returns.
type VerifyCodec[T any] struct {
	inner  Codec[T]
	every  uint64
	report func(error)
	count  atomic.Uint64
	passed atomic.Bool // one was verified, however that ended
	failed atomic.Bool
}

var (
	_ Codec[int]         = (*VerifyCodec[int])(nil)
	_ Keyed[int]         = (*VerifyCodec[int])(nil)
	_ Identifier         = (*VerifyCodec[int])(nil)
	_ Checker            = (*VerifyCodec[int])(nil)
	_ Canonicalizer[int] = (*VerifyCodec[int])(nil)
)

// Append is AppendFor for an inner codec to which the key does not matter.
func (c *VerifyCodec[T]) Append(dst []byte, v T) ([]byte, error) { return c.AppendFor(dst, "", v) }

// Decode is DecodeFor for an inner codec to which the key does not matter.
func (c *VerifyCodec[T]) Decode(src []byte) (T, error) { return c.DecodeFor("", src) }

// AppendFor encodes v with the inner codec, and verifies the encoding if it is its turn.
func (c *VerifyCodec[T]) AppendFor(dst []byte, key string, v T) ([]byte, error) {
	out, err := AppendFor(c.inner, dst, key, v)
	// Until one has passed, each is: the first may still be under way.
	if n := c.count.Add(1); err == nil && (n%c.every == 0 || !c.passed.Load() || c.failed.Load()) {
		err = c.verify(key, out[len(dst):], v)
		c.passed.Store(true)
	}
	if err != nil {
		return dst, c.fail(err)
	}
	return out, nil
}

// verify returns an error that is ErrLossy unless v comes back from its encoding.
func (c *VerifyCodec[T]) verify(key string, encoding []byte, v T) error {
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

func (c *VerifyCodec[T]) lossy(why string, cause error) error {
	f := &failure{text: fmt.Sprintf("codec: %s: %s: %s %s", c, ErrLossy, nameOf[T](), why), errs: []error{ErrLossy}}
	if cause != nil {
		f.errs = append(f.errs, cause)
	}
	return f
}

// fail has every further value verified.
func (c *VerifyCodec[T]) fail(err error) error {
	c.failed.Store(true)
	if c.report != nil {
		c.report(err)
	}
	return err
}

// DecodeFor decodes src with the inner codec.
func (c *VerifyCodec[T]) DecodeFor(key string, src []byte) (T, error) {
	v, err := DecodeFor(c.inner, key, src)
	if err != nil {
		return v, c.fail(err)
	}
	return v, nil
}

// CodecID returns the identity of the inner codec, whose wire format it is.
func (c *VerifyCodec[T]) CodecID() byte { return ID(c.inner) }

// CheckType implements [Checker] as the inner codec does.
func (c *VerifyCodec[T]) CheckType() error { return Check(c.inner) }

// Canonical implements [Canonicalizer] as the inner codec does.
func (c *VerifyCodec[T]) Canonical(v T) T { return Canonical(c.inner, v) }

// String returns the name of the inner codec.
func (c *VerifyCodec[T]) String() string { return describe(c.inner) }
