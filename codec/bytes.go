package codec

// Bytes returns the codec for values that are bytes already. The encoding is
// the value. Nil has the same encoding as empty, and comes back as empty.
func Bytes() *BytesCodec { return &BytesCodec{} }

// BytesCodec is the codec that [Bytes] returns.
type BytesCodec struct{}

var (
	_ Codec[[]byte]         = (*BytesCodec)(nil)
	_ Identifier            = (*BytesCodec)(nil)
	_ Canonicalizer[[]byte] = (*BytesCodec)(nil)
)

// Append never fails.
func (*BytesCodec) Append(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }

// Decode returns a copy of src. It never fails.
func (*BytesCodec) Decode(src []byte) ([]byte, error) {
	v := make([]byte, len(src))
	copy(v, src)
	return v, nil
}

// Canonical returns an empty slice for nil, as Decode does.
func (*BytesCodec) Canonical(v []byte) []byte {
	if v == nil {
		return []byte{}
	}
	return v
}

// CodecID returns IDBytes.
func (*BytesCodec) CodecID() byte { return IDBytes }

// String returns "bytes".
func (*BytesCodec) String() string { return "bytes" }

// String returns the codec for values that are strings. The encoding is the
// bytes of the value, which need not be UTF-8.
func String() *StringCodec { return &StringCodec{} }

// StringCodec is the codec that [String] returns.
type StringCodec struct{}

var (
	_ Codec[string] = (*StringCodec)(nil)
	_ Identifier    = (*StringCodec)(nil)
)

// Append never fails.
func (*StringCodec) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

// Decode never fails.
func (*StringCodec) Decode(src []byte) (string, error) { return string(src), nil }

// CodecID returns IDString.
func (*StringCodec) CodecID() byte { return IDString }

// String returns "string".
func (*StringCodec) String() string { return "string" }
