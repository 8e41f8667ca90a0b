package codec

// The identities of the codecs of this package. 7 to 127 are reserved for it;
// codecs of others choose from 128 to 255.
const (
	IDUnknown  byte = 0
	IDMsgpack  byte = 1
	IDJSON     byte = 2
	IDBytes    byte = 3
	IDString   byte = 4
	IDCompress byte = 5
	IDSeal     byte = 6
)

// An Identifier is a [Codec] that has an identity. Stores keep it beside the
// bytes, so that what another codec wrote is a miss rather than garbage.
type Identifier interface {
	// CodecID returns the identity of the wire format, which never changes. A
	// codec that wraps another returns its own.
	CodecID() byte
}

// ID returns the identity of c as [Identifier] describes it, or IDUnknown
// without the capability.
func ID[T any](c Codec[T]) byte {
	if i, ok := c.(Identifier); ok {
		return i.CodecID()
	}
	return IDUnknown
}
