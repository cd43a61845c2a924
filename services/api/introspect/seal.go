package introspect

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrSealed is returned for a password that was encrypted with another secret, or for another connection.
var ErrSealed = errors.New("the stored password cannot be decrypted")

// Sealer encrypts the passwords of connections for storage.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a sealer whose key is derived from the secret of the installation.
func NewSealer(secret []byte) (*Sealer, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "pdeflow: passwords of data sources, version 1", 32)
	if err != nil {
		return nil, fmt.Errorf("key of stored passwords: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key of stored passwords: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("key of stored passwords: %w", err)
	}
	return &Sealer{aead}, nil
}

// Seal returns the encrypted password of the connection, "" if it has none. It can be opened for the same URL and
// certificates only.
func (s *Sealer) Seal(c Connection) string {
	if !c.HasPassword() {
		return ""
	}
	sealed := s.aead.Seal(nil, nil, []byte(c.secret()), c.sealedWith()) //nolint:gosec // the nonce is random
	return base64.StdEncoding.EncodeToString(sealed)
}

// Open returns the connection with the password that [Sealer.Seal] has returned. The error is [ErrSealed].
func (s *Sealer) Open(c Connection, sealed string) (Connection, error) {
	text, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return c, ErrSealed
	}
	password, err := s.aead.Open(nil, nil, text, c.sealedWith())
	if err != nil {
		return c, ErrSealed
	}
	return c.WithPassword(string(password)), nil
}

// sealedWith returns the additional data that the encryption of the password authenticates.
func (c Connection) sealedWith() []byte { return []byte(c.URL() + "\n" + c.ca) }
