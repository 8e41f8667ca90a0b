// Package codec turns values into bytes and back, for the stores that keep bytes.
//
// [Msgpack] is the default of Strata. [JSON], [Bytes] and [String] are the other
// plain formats. [Compress] and [Seal] wrap a codec to compress and to encrypt
// what it writes:
//
//	packed, err := codec.Compress(codec.Msgpack[Listing](), nil)
//	sealed, err := codec.Seal(packed, ring)
//
// Compress before sealing: encrypted bytes do not compress.
//
// # Bytes from elsewhere
//
// What a shared cache returns may be truncated, written by another version of
// the program, or forged. Decode of every codec here answers any bytes whatever
// with a value or with [ErrCorrupt]; it does not panic, and what it allocates is
// bounded by the length of the bytes (times the size of an element of T), and
// with Compress by MaxSize.
//
// # Writing a codec
//
// Implement [Codec]. Add [Keyed] if the bytes depend on the cache key,
// [Identifier] so that records of another codec are told apart, and
// [fmt.Stringer]: its result, such as "seal(s2(msgpack))", names the codec in
// diagnostics. A codec that wraps another one calls [AppendFor] and [DecodeFor]
// rather than Append and Decode, so that the key reaches the inner codec.
package codec

import "fmt"

// A Codec turns values of one type into bytes and back. All methods may be
// called concurrently.
type Codec[T any] interface {
	// Append appends the encoding of v to dst and returns the extended slice,
	// like the append functions of the standard library: dst may be nil, and
	// its spare capacity may be written to. On an error it returns dst with
	// its length and its contents as they were.
	Append(dst []byte, v T) ([]byte, error)

	// Decode returns the value that src is the encoding of. src is exactly one
	// encoding: anything after it is an error. The value does not share memory
	// with src, which the caller may reuse at once. Every failure that is due
	// to src is ErrCorrupt; the value is then the zero T.
	Decode(src []byte) (T, error)
}

// describe names c in diagnostics.
func describe[T any](c Codec[T]) string {
	if s, ok := c.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", c)
}
