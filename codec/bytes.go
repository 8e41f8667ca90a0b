package codec

// Bytes returns a codec for byte slices. The encoding is the value. Nil is encoded as empty
// and decoded as empty.
func Bytes() Codec[[]byte] { return &bytesCodec{} }

// bytesCodec is the codec that [Bytes] returns.
type bytesCodec struct{}

var (
	_ Codec[[]byte]         = (*bytesCodec)(nil)
	_ Identifier            = (*bytesCodec)(nil)
	_ Canonicalizer[[]byte] = (*bytesCodec)(nil)
)

// Append never fails.
func (*bytesCodec) Append(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }

// Decode returns a copy of src. It never fails.
func (*bytesCodec) Decode(src []byte) ([]byte, error) {
	v := make([]byte, len(src))
	copy(v, src)
	return v, nil
}

// Canonical returns an empty slice for nil, as Decode does.
func (*bytesCodec) Canonical(v []byte) []byte {
	if v == nil {
		return []byte{}
	}
	return v
}

// CodecID returns IDBytes.
func (*bytesCodec) CodecID() byte { return IDBytes }

// String returns "bytes".
func (*bytesCodec) String() string { return "bytes" }

// String returns a codec for strings. The encoding is the bytes of the value, which need
// not be UTF-8.
func String() Codec[string] { return &stringCodec{} }

// stringCodec is the codec that [String] returns.
type stringCodec struct{}

var (
	_ Codec[string] = (*stringCodec)(nil)
	_ Identifier    = (*stringCodec)(nil)
)

// Append never fails.
func (*stringCodec) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

// Decode never fails.
func (*stringCodec) Decode(src []byte) (string, error) { return string(src), nil }

// CodecID returns IDString.
func (*stringCodec) CodecID() byte { return IDString }

// String returns "string".
func (*stringCodec) String() string { return "string" }
