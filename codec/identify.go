package codec

// Identities of the codecs in this package. It reserves 7 to 127; other codecs use 128 to
// 255.
const (
	IDUnknown  byte = 0
	IDMsgpack  byte = 1
	IDJSON     byte = 2
	IDBytes    byte = 3
	IDString   byte = 4
	IDCompress byte = 5
	IDSeal     byte = 6
)

// An Identifier is a [Codec] with an identity. Stores keep it with the bytes, so that bytes
// of another codec are a miss instead of garbage.
type Identifier interface {
	// CodecID returns the identity of the wire format, which must never change. A codec
	// that wraps another returns its own.
	CodecID() byte
}

// ID returns the identity of c as described at [Identifier], or IDUnknown if c is no
// Identifier.
func ID[T any](c Codec[T]) byte {
	if i, ok := c.(Identifier); ok {
		return i.CodecID()
	}
	return IDUnknown
}
