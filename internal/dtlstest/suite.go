package dtlstest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"slices"

	"github.com/pion/dtls/v2/pkg/crypto/ccm"
)

// The suites that the server speaks (RFC 6655, 7251, 5487, 5289).
const (
	PSKWithAES128CCM8        = 0xc0a8
	PSKWithAES128CCM         = 0xc0a4
	PSKWithAES128GCM         = 0x00a8
	ECDHEECDSAWithAES128CCM8 = 0xc0ae
	ECDHEECDSAWithAES128CCM  = 0xc0ac
	ECDHEECDSAWithAES128GCM  = 0xc02b
	ECDHEECDSAWithAES256GCM  = 0xc02c
)

// Suite is a cipher suite: its key exchange, its cipher and its hash.
type Suite struct {
	ID   uint16
	Name string // as OpenSSL calls it
	PSK  bool   // plain PSK, else ECDHE with ECDSA
	Key  int    // bytes of a key
	Hash func() hash.Hash
	AEAD func(key []byte) cipher.AEAD
}

const (
	saltSize     = 4 // the implicit part of the nonce
	explicitSize = 8 // the part that is in the record
	nonceSize    = saltSize + explicitSize
)

// Suites are all of them.
var Suites = []*Suite{
	{PSKWithAES128CCM8, "PSK-AES128-CCM8", true, 16, sha256.New, newCCM(8)},
	{PSKWithAES128CCM, "PSK-AES128-CCM", true, 16, sha256.New, newCCM(16)},
	{PSKWithAES128GCM, "PSK-AES128-GCM-SHA256", true, 16, sha256.New, newGCM},
	{ECDHEECDSAWithAES128CCM8, "ECDHE-ECDSA-AES128-CCM8", false, 16, sha256.New, newCCM(8)},
	{ECDHEECDSAWithAES128CCM, "ECDHE-ECDSA-AES128-CCM", false, 16, sha256.New, newCCM(16)},
	{ECDHEECDSAWithAES128GCM, "ECDHE-ECDSA-AES128-GCM-SHA256", false, 16, sha256.New, newGCM},
	{ECDHEECDSAWithAES256GCM, "ECDHE-ECDSA-AES256-GCM-SHA384", false, 32, sha512.New384, newGCM},
}

// SuiteByID returns nil for a suite that the server does not speak.
func SuiteByID(id uint16) *Suite {
	i := slices.IndexFunc(Suites, func(s *Suite) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return Suites[i]
}

func newCCM(tag int) func([]byte) cipher.AEAD {
	return func(key []byte) cipher.AEAD { return must[cipher.AEAD](ccm.NewCCM(newAES(key), tag, nonceSize)) }
}

func newGCM(key []byte) cipher.AEAD { return must(cipher.NewGCM(newAES(key))) }

func newAES(key []byte) cipher.Block { return must(aes.NewCipher(key)) }

// must is for what can only fail by a mistake in this package.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// keys protect the records of one direction.
type keys struct {
	aead cipher.AEAD
	salt []byte
}

// expand makes the keys of both directions (RFC 5246, 6.3).
func (s *Suite) expand(master, clientRandom, serverRandom []byte) (client, server keys) {
	r := reader{rest: PRF(s.Hash, master, "key expansion", join(serverRandom, clientRandom), 2*s.Key+2*saltSize)}
	client.aead, server.aead = s.AEAD(r.vec(s.Key)), s.AEAD(r.vec(s.Key))
	client.salt, server.salt = r.vec(saltSize), r.vec(saltSize)
	return client, server
}
