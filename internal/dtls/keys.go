package dtls

import (
	"crypto"
	"crypto/hmac"
	"encoding/binary"
	"hash"

	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

const (
	masterSecretSize = 48 // RFC 5246 section 8.1
	verifyDataSize   = 12 // RFC 5246 section 7.4.9
)

// prf fills out with the pseudorandom function of TLS 1.2 (RFC 5246 section 5).
func prf(h crypto.Hash, out, secret []byte, label string, seed ...[]byte) {
	mac := hmac.New(func() hash.Hash { return h.New() }, secret)
	sum := func(dst []byte, a []byte, seeded bool) []byte {
		mac.Reset()
		mac.Write(a)
		if seeded {
			mac.Write([]byte(label))
			for _, s := range seed {
				mac.Write(s)
			}
		}
		return mac.Sum(dst)
	}
	a := sum(nil, nil, true) // A(1)
	var block []byte
	for len(out) > 0 {
		block = sum(block[:0], a, true)
		out = out[copy(out, block):]
		a = sum(nil, a, false)
	}
}

// pskPremaster is RFC 4279 section 2.
func pskPremaster(key []byte) []byte {
	out := binary.BigEndian.AppendUint16(nil, uint16(len(key)))
	out = append(out, make([]byte, len(key))...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(key)))
	return append(out, key...)
}

// masterSecret is RFC 5246 section 8.1.
func masterSecret(h crypto.Hash, premaster, clientRandom, serverRandom []byte) []byte {
	out := make([]byte, masterSecretSize)
	prf(h, out, premaster, "master secret", clientRandom, serverRandom)
	return out
}

// extendedMasterSecret is RFC 7627 section 4. transcript ends with the
// ClientKeyExchange.
func extendedMasterSecret(h crypto.Hash, premaster, transcript []byte) []byte {
	out := make([]byte, masterSecretSize)
	prf(h, out, premaster, "extended master secret", digest(h, transcript))
	return out
}

// verifyData is what a Finished has (RFC 5246 section 7.4.9).
func verifyData(h crypto.Hash, master []byte, label string, transcript []byte) []byte {
	out := make([]byte, verifyDataSize)
	prf(h, out, master, label, digest(h, transcript))
	return out
}

// The labels of verifyData.
const (
	clientFinished = "client finished"
	serverFinished = "server finished"
)

// keyBlock returns the secrets of both directions (RFC 5246 section 6.3); AEAD
// ciphers have no MAC keys.
func keyBlock(s *suite, master, clientRandom, serverRandom []byte) (write, read record.Direction) {
	key, salt := s.cipher.KeySize(), s.cipher.SaltSize()
	block := make([]byte, 2*key+2*salt)
	prf(s.hash, block, master, "key expansion", serverRandom, clientRandom)
	write.Key, block = block[:key:key], block[key:]
	read.Key, block = block[:key:key], block[key:]
	write.Salt, read.Salt = block[:salt:salt], block[salt:]
	return write, read
}

func digest(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}
