package codec

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/lokroom/strata/internal/oneline"
)

// Seal returns a codec that encrypts and authenticates the output of inner with AES-256-GCM
// (NIST SP 800-38D), using the keys of ring. An attacker with access to the shared cache,
// but without the keys, learns only the length of a value. It cannot forge a value that
// Decode accepts. The cache key is authenticated together with the value, so a value only
// decrypts under the key that it was sealed for. An attacker can still restore an older
// value of the same key.
//
// The encoding is 33 bytes longer than the inner one: a version byte 1, four bytes of key
// ID (big endian), 12 random bytes of nonce, the ciphertext, and a 16-byte tag. The
// additional data is the first five bytes and the cache key.
//
// Nonces are random. A key must not seal more than 2^32 values; otherwise the probability
// of a repeated nonce, which reveals both values, exceeds 2^-32. At 1000 writes per second
// by all programs together this takes 49 days; rotate keys before.
//
// Append and Decode do not have the cache key and return an error that wraps
// errors.ErrUnsupported. Use [AppendFor] and [DecodeFor], as all stores do.
//
// Seal should wrap [Compress]; the reverse order works but saves no space.
func Seal[T any](inner Codec[T], ring *KeyRing) (Codec[T], error) {
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
	return &sealCodec[T]{inner: inner, ring: ring}, nil
}

// sealCodec is the codec that [Seal] returns.
type sealCodec[T any] struct {
	inner Codec[T]
	ring  *KeyRing
}

var (
	_ Codec[int] = (*sealCodec[int])(nil)
	_ Keyed[int] = (*sealCodec[int])(nil)
	_ Identifier = (*sealCodec[int])(nil)
)

const (
	sealVersion = 1
	sealHeader  = 1 + 4 // version, key ID
	sealNonce   = 12    // random
	sealTag     = 16    // at the end
	sealPrefix  = sealHeader + sealNonce
)

// Append returns an error that is errors.ErrUnsupported.
func (c *sealCodec[T]) Append(dst []byte, _ T) ([]byte, error) { return dst, c.noKey("Append") }

// Decode returns an error that is errors.ErrUnsupported. It is not ErrCorrupt, so that a
// store that does not pass the key does not look like an empty one.
func (c *sealCodec[T]) Decode([]byte) (T, error) {
	var none T
	return none, c.noKey("Decode")
}

func (c *sealCodec[T]) noKey(op string) error {
	return fmt.Errorf("codec: %s: %s without the cache key: %w", c, op, errors.ErrUnsupported)
}

// AppendFor encodes v with the inner codec and seals the result for key.
func (c *sealCodec[T]) AppendFor(dst []byte, key string, v T) ([]byte, error) {
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
	// In place: the ciphertext replaces the plaintext.
	return c.ring.keys[c.ring.seal].Seal(out[:prefix], head[sealHeader:], out[prefix:], ad.b), nil
}

// DecodeFor decrypts src and decodes the result with the inner codec. It returns ErrCorrupt
// for bytes that were not sealed with a key of the ring and for key.
func (c *sealCodec[T]) DecodeFor(key string, src []byte) (T, error) {
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
	defer plain.put() // inner does not keep its input
	ad.b = append(append(ad.b[:0], src[:sealHeader]...), key...)
	opened, err := aead.Open(plain.b[:0], src[sealHeader:sealPrefix], src[sealPrefix:], ad.b)
	if err != nil {
		return none, corrupt(c.String(), "not sealed for this cache key, or changed since", nil)
	}
	plain.b = opened
	return DecodeFor(c.inner, key, opened)
}

// CheckType implements [Checker] with the inner codec.
func (c *sealCodec[T]) CheckType() error { return Check(c.inner) }

// Canonical implements [Canonicalizer] with the inner codec.
func (c *sealCodec[T]) Canonical(v T) T { return Canonical(c.inner, v) }

// CodecID returns IDSeal.
func (*sealCodec[T]) CodecID() byte { return IDSeal }

// String returns, for example, "seal(msgpack)".
func (c *sealCodec[T]) String() string { return fmt.Sprintf("seal(%s)", describe(c.inner)) }
