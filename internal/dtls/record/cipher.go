package record

import (
	"crypto/aes"
	"crypto/cipher"
)

// Cipher is the AEAD of a cipher suite.
type Cipher uint8

// The ciphers (RFC 6655 section 3, RFC 5288 section 3).
const (
	AES128CCM8 Cipher = iota + 1
	AES128CCM
	AES128GCM
	AES256GCM
)

const (
	// saltSize is the length of the nonce's part that comes from the key
	// block; explicitSize that of the part which stands in the record.
	saltSize     = 4
	explicitSize = 8
)

// shape is what differs between the ciphers.
type shape struct {
	name    string
	keySize int
	tagSize int
	ccm     bool
}

var shapes = map[Cipher]shape{
	AES128CCM8: {"AES_128_CCM_8", 16, 8, true},
	AES128CCM:  {"AES_128_CCM", 16, 16, true},
	AES128GCM:  {"AES_128_GCM", 16, 16, false},
	AES256GCM:  {"AES_256_GCM", 32, 16, false},
}

// String returns the name that the suites give the cipher.
func (c Cipher) String() string {
	if s, ok := shapes[c]; ok {
		return s.name
	}
	return "invalid cipher"
}

// KeySize returns the length of a key, in bytes; 0 for an invalid cipher.
func (c Cipher) KeySize() int { return shapes[c].keySize }

// SaltSize returns the length of the implicit part of the nonce, in bytes, which
// the key block holds as "IV".
func (c Cipher) SaltSize() int { return saltSize }

// aead returns the cipher with a key of [Cipher.KeySize] bytes.
func (c Cipher) aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if s := shapes[c]; s.ccm {
		return newCCM(block, s.tagSize, nonceSize), nil
	}
	return cipher.NewGCM(block)
}
