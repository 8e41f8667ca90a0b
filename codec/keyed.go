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
// to c then. A panic of c is an error, and dst is then as it was.
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

// DecodeFor decodes src, which was found under key, as [Keyed] describes it.
// Without the capability it calls Decode. A panic of c is ErrCorrupt.
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
