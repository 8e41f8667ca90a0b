package codec

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/lokroom/strata/internal/oneline"
)

// Seal returns a codec that encrypts and authenticates what inner writes, with
// AES-256-GCM (NIST SP 800-38D) under the keys of ring. Whoever can read and write
// the shared cache, but does not have the keys, learns the length of a value and
// nothing else, and cannot make one that Decode accepts. The cache key is
// authenticated together with the value, so a value does not open under any key
// but the one it was sealed for. What remains possible is to put back an older
// value of the same key.
//
// The encoding is 33 bytes longer than the inner one: a byte 1 for the version of
// the format, four bytes for the ID of the key (big endian), 12 random bytes of
// nonce, the ciphertext, and 16 bytes of tag. The additional data is the first
// five bytes and the cache key.
//
// Nonces are random: a key must not seal more than 2^32 values, or the chance that
// two of them share a nonce, which betrays both, exceeds 2^-32. At 1000 writes a
// second by all programs together that is 49 days; change keys before.
//
// Because they do not know the cache key, Append and Decode return an error that
// is errors.ErrUnsupported: use [AppendFor] and [DecodeFor], as all stores do.
//
// Seal goes outside [Compress]. The other way round works, but saves nothing.
func Seal[T any](inner Codec[T], ring *KeyRing) (*SealCodec[T], error) {
	var errs []error
	if inner == nil {
		errs = append(errs, errors.New("codec: Seal: no inner codec"))
	}
	if ring == nil || len(ring.keys) == 0 {
		errs = append(errs, errors.New("codec: Seal: no keys"))
	}
	if err := oneline.Join(errs...); err != nil {
		return nil, err
	}
	return &SealCodec[T]{inner: inner, ring: ring}, nil
}

// SealCodec is the codec that [Seal] returns.
type SealCodec[T any] struct {
	inner Codec[T]
	ring  *KeyRing
}

var (
	_ Codec[int] = (*SealCodec[int])(nil)
	_ Keyed[int] = (*SealCodec[int])(nil)
	_ Identifier = (*SealCodec[int])(nil)
)

const (
	sealVersion = 1
	sealHeader  = 1 + 4 // version, key ID
	sealNonce   = 12    // random
	sealTag     = 16    // at the end
	sealPrefix  = sealHeader + sealNonce
)

// Append returns an error that is errors.ErrUnsupported.
func (c *SealCodec[T]) Append(dst []byte, _ T) ([]byte, error) { return dst, c.noKey("Append") }

// Decode returns an error that is errors.ErrUnsupported. It is not ErrCorrupt,
// so that a store that does not pass the key on is not taken for an empty one.
func (c *SealCodec[T]) Decode([]byte) (T, error) {
	var none T
	return none, c.noKey("Decode")
}

func (c *SealCodec[T]) noKey(op string) error {
	return fmt.Errorf("codec: %s: %s without the cache key: %w", c, op, errors.ErrUnsupported)
}

// AppendFor encodes v with the inner codec and seals the result for key.
func (c *SealCodec[T]) AppendFor(dst []byte, key string, v T) ([]byte, error) {
	out := append(dst, sealVersion)
	out = binary.BigEndian.AppendUint32(out, c.ring.seal)
	out = append(out, make([]byte, sealNonce)...)
	prefix := len(out)
	if _, err := rand.Read(out[prefix-sealNonce:]); err != nil {
		return dst, fmt.Errorf("codec: %s: %w", c, err)
	}
	out, err := AppendFor(c.inner, out, key, v)
	if err != nil {
		return dst, err
	}
	out = slices.Grow(out, sealTag)
	head := out[len(dst):prefix]
	ad := getScratch()
	defer ad.put()
	ad.b = append(append(ad.b[:0], head[:sealHeader]...), key...)
	// In place: the ciphertext takes the room of the plaintext.
	return c.ring.keys[c.ring.seal].Seal(out[:prefix], head[sealHeader:], out[prefix:], ad.b), nil
}

// DecodeFor opens src and decodes the result with the inner codec. It returns
// ErrCorrupt for what was not sealed by a key of the ring, or not for key.
func (c *SealCodec[T]) DecodeFor(key string, src []byte) (T, error) {
	var none T
	if len(src) < sealPrefix+sealTag {
		return none, corrupt(c.String(), "too short", nil)
	}
	if src[0] != sealVersion {
		return none, corrupt(c.String(), "unknown version", nil)
	}
	id := binary.BigEndian.Uint32(src[1:])
	aead, ok := c.ring.keys[id]
	if !ok {
		return none, corrupt(c.String(), fmt.Sprintf("key %d is not in the ring", id), nil)
	}
	ad, plain := getScratch(), getScratch()
	defer ad.put()
	defer plain.put() // inner does not keep its bytes
	ad.b = append(append(ad.b[:0], src[:sealHeader]...), key...)
	opened, err := aead.Open(plain.b[:0], src[sealHeader:sealPrefix], src[sealPrefix:], ad.b)
	if err != nil {
		return none, corrupt(c.String(), "not sealed for this cache key, or changed since", nil)
	}
	plain.b = opened
	return DecodeFor(c.inner, key, opened)
}

// CheckType implements [Checker] as the inner codec does.
func (c *SealCodec[T]) CheckType() error { return Check(c.inner) }

// Canonical implements [Canonicalizer] as the inner codec does.
func (c *SealCodec[T]) Canonical(v T) T { return Canonical(c.inner, v) }

// CodecID returns IDSeal.
func (*SealCodec[T]) CodecID() byte { return IDSeal }

// String returns for instance "seal(msgpack)".
func (c *SealCodec[T]) String() string { return fmt.Sprintf("seal(%s)", describe(c.inner)) }
