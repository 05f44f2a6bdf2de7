package dtlstest

import (
	"crypto/hmac"
	"hash"
)

// PRF is TLS 1.2's pseudo-random function (RFC 5246, 5) with the hash of the
// suite: n bytes from a secret, a label and a seed.
func PRF(h func() hash.Hash, secret []byte, label string, seed []byte, n int) []byte {
	seed = join([]byte(label), seed)
	var out []byte
	for a := mac(h, secret, seed); len(out) < n; a = mac(h, secret, a) {
		out = append(out, mac(h, secret, join(a, seed))...)
	}
	return out[:n]
}

func mac(h func() hash.Hash, key, message []byte) []byte {
	m := hmac.New(h, key)
	m.Write(message)
	return m.Sum(nil)
}

// pskPremaster is the premaster secret of plain PSK (RFC 4279, 2).
func pskPremaster(psk []byte) []byte {
	return join(u16(nil, len(psk)), make([]byte, len(psk)), u16(nil, len(psk)), psk)
}

const (
	masterSize     = 48
	verifyDataSize = 12
)

// masterSecret is the plain one, over both randoms (RFC 5246, 8.1).
func (s *Suite) masterSecret(premaster, clientRandom, serverRandom []byte) []byte {
	return PRF(s.Hash, premaster, "master secret", join(clientRandom, serverRandom), masterSize)
}

// extendedMasterSecret is bound to the handshake so far (RFC 7627, 4).
func (s *Suite) extendedMasterSecret(premaster, transcript []byte) []byte {
	return PRF(s.Hash, premaster, "extended master secret", s.digest(transcript), masterSize)
}

// verifyData is what a Finished holds (RFC 5246, 7.4.9).
func (s *Suite) verifyData(master []byte, label string, transcript []byte) []byte {
	return PRF(s.Hash, master, label, s.digest(transcript), verifyDataSize)
}

func (s *Suite) digest(b []byte) []byte {
	h := s.Hash()
	h.Write(b)
	return h.Sum(nil)
}
