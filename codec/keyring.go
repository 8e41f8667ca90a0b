package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"strconv"

	"github.com/lokroom/strata/internal/oneline"
)

// A Key is a secret with an ID. Its text and JSON forms show the ID only.
type Key struct {
	// ID identifies the key in sealed values. It is not secret. An ID must not be reused
	// for another secret.
	ID uint32

	// Secret must be 32 random bytes from crypto/rand or a key management service, not a
	// password.
	Secret []byte
}

// String returns, for example, "key 7".
func (k Key) String() string { return "key " + strconv.FormatUint(uint64(k.ID), 10) }

// Format writes the result of String for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// MarshalText returns the result of String.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// A KeyRing holds the keys of [Seal]. The first key encrypts, and all keys decrypt. It is
// immutable, safe for concurrent use, and may be shared by several codecs.
//
// To rotate keys, add the new key after the old one in all programs, then make it the
// first. Remove the old key when the values that it sealed have expired. Values sealed with
// a removed key are ErrCorrupt, which is a miss for a cache.
type KeyRing struct {
	seal uint32 // ID of the key that encrypts
	keys map[uint32]cipher.AEAD
}

// NewKeyRing returns a ring of keys, which must not be empty. It copies the secrets.
func NewKeyRing(keys ...Key) (*KeyRing, error) {
	if len(keys) == 0 {
		return nil, errors.New("codec: NewKeyRing: no keys")
	}
	r := &KeyRing{seal: keys[0].ID, keys: make(map[uint32]cipher.AEAD, len(keys))}
	var errs []error
	for _, k := range keys {
		if _, ok := r.keys[k.ID]; ok {
			errs = append(errs, fmt.Errorf("codec: NewKeyRing: %s is there twice", k))
		}
		aead, err := newAEAD(k.Secret)
		if err != nil {
			errs = append(errs, fmt.Errorf("codec: NewKeyRing: %s: %w", k, err))
		}
		r.keys[k.ID] = aead
	}
	if err := oneline.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// newAEAD returns AES-256-GCM under secret.
func newAEAD(secret []byte) (cipher.AEAD, error) {
	if len(secret) != 32 {
		return nil, fmt.Errorf("the secret has %d bytes, not 32", len(secret))
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
