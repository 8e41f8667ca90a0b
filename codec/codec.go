// Package codec encodes values for stores that keep bytes.
//
// [Msgpack] is the default of Strata. [JSON], [Bytes] and [String] are the other basic
// formats. [Compress] and [Seal] wrap a codec to compress and encrypt its output:
//
//	packed, err := codec.Compress(codec.Msgpack[Listing](), nil)
//	sealed, err := codec.Seal(packed, ring)
//
// Compress before sealing: encrypted bytes do not compress.
//
// # Untrusted input
//
// Bytes from a shared cache may be truncated, written by another version of the program, or
// forged. For any input, Decode of every codec in this package returns a value or
// [ErrCorrupt]. It does not panic. The memory that it allocates is bounded by the length of
// the input times the size of an element of T, and with Compress by MaxSize.
//
// # Writing a codec
//
// Implement [Codec]. Add [Keyed] if the bytes depend on the cache key, and [Identifier] so
// that stores detect records of another codec. Add [fmt.Stringer]: its result, such as
// "seal(s2(msgpack))", names the codec in diagnostics. A codec that wraps another must call
// [AppendFor] and [DecodeFor] instead of Append and Decode, so that the inner codec
// receives the key.
package codec

import "fmt"

// A Codec encodes and decodes values of one type. All methods must be safe for concurrent
// use.
type Codec[T any] interface {
	// Append appends the encoding of v to dst and returns the extended slice, like the
	// append functions of the standard library. dst may be nil, and its spare capacity may
	// be overwritten. On error it returns dst with its original length and contents.
	Append(dst []byte, v T) ([]byte, error)

	// Decode decodes src, which must be exactly one encoding: trailing bytes are an error.
	// The value does not share memory with src, which the caller may reuse at once. An
	// error caused by src wraps ErrCorrupt; the value is then the zero T.
	Decode(src []byte) (T, error)
}

// describe returns the name of c for diagnostics.
func describe[T any](c Codec[T]) string {
	if s, ok := c.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", c)
}
