package codec

// A Keyed codec is a [Codec] with output that depends on the cache key, such as [Seal].
type Keyed[T any] interface {
	// AppendFor is Append for a value stored under key.
	AppendFor(dst []byte, key string, v T) ([]byte, error)

	// DecodeFor is Decode for bytes found under key.
	DecodeFor(key string, src []byte) (T, error)
}

// AppendFor appends the encoding of v for key to dst, as described at [Keyed]. If c is not
// Keyed, it calls Append. It returns a panic of c as an error, with dst unchanged.
func AppendFor[T any](c Codec[T], dst []byte, key string, v T) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			p := &panicError{r}
			out, err = dst, unencodable[T](describe(c), p.Error(), p)
		}
	}()
	if k, ok := c.(Keyed[T]); ok {
		return k.AppendFor(dst, key, v)
	}
	return c.Append(dst, v)
}

// DecodeFor decodes src, found under key, as described at [Keyed]. If c is not Keyed, it
// calls Decode. It returns a panic of c as ErrCorrupt.
func DecodeFor[T any](c Codec[T], key string, src []byte) (v T, err error) {
	defer func() {
		if r := recover(); r != nil {
			var none T
			p := &panicError{r}
			v, err = none, corrupt(describe(c), p.Error(), p)
		}
	}()
	if k, ok := c.(Keyed[T]); ok {
		return k.DecodeFor(key, src)
	}
	return c.Decode(src)
}
