package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"strconv"

	"github.com/lokroom/strata/internal/oneline"
)

// A Key is a secret with a name. Printing it, or encoding it as text or JSON,
// shows its ID only.
type Key struct {
	// ID names the key in what it seals. It is not secret. An ID must not be
	// used again for another secret.
	ID uint32

	// Secret is 32 random bytes: from crypto/rand or a key management service,
	// not a password.
	Secret []byte
}

// String returns for instance "key 7".
func (k Key) String() string { return "key " + strconv.FormatUint(uint64(k.ID), 10) }

// Format writes the result of String whatever the verb is.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// MarshalText returns the result of String.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// A KeyRing holds the keys of [Seal]: the first one seals, all of them open. It
// does not change and may be used concurrently and by many codecs.
//
// To change keys, add the new key behind the old one in all programs, then make
// it the first, and remove the old one when what it sealed has expired. Values
// of a key that was removed are ErrCorrupt, which for a cache is a miss.
type KeyRing struct {
	seal uint32 // ID of the key that seals
	keys map[uint32]cipher.AEAD
}

// NewKeyRing returns a ring of keys, of which there must be one at least. The
// secrets are copied.
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
