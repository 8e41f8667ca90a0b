package codec

// A Keyed codec is a [Codec] whose bytes belong to one cache key, as those of
// [Seal] do.
type Keyed[T any] interface {
	// AppendFor is Append for a value that is kept under key.
	AppendFor(dst []byte, key string, v T) ([]byte, error)

	// DecodeFor is Decode for bytes that were found under key.
	DecodeFor(key string, src []byte) (T, error)
}

// AppendFor appends the encoding of v, to be kept under key, to dst as [Keyed]
// describes it. Without the capability it calls Append: the key does not matter
// to c then.
func AppendFor[T any](c Codec[T], dst []byte, key string, v T) ([]byte, error) {
	if k, ok := c.(Keyed[T]); ok {
		return k.AppendFor(dst, key, v)
	}
	return c.Append(dst, v)
}

// DecodeFor decodes src, which was found under key, as [Keyed] describes it.
// Without the capability it calls Decode.
func DecodeFor[T any](c Codec[T], key string, src []byte) (T, error) {
	if k, ok := c.(Keyed[T]); ok {
		return k.DecodeFor(key, src)
	}
	return c.Decode(src)
}
