package coapresend

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
)

// SystemRand is the Rand of production: message IDs and tokens, which protect
// an exchange where there is no DTLS, are cryptographically random (RFC 7252
// sections 5.3.1 and 11.4).
type SystemRand struct{}

var _ Rand = SystemRand{}

// Float64 implements Rand. It only spreads resends and needs no secrecy.
func (SystemRand) Float64() float64 { return rand.Float64() }

// MID implements Rand.
func (SystemRand) MID() uint16 { return binary.BigEndian.Uint16(randomBytes(2)) }

// Token implements Rand.
func (SystemRand) Token() []byte { return randomBytes(tokenLength) }

// tokenLength is the most that RFC 7252 section 3 allows.
const tokenLength = 8

// randomBytes returns n bytes. crypto/rand's Read never fails.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = cryptorand.Read(b)
	return b
}
