package dtlstest

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha256"
	"slices"
)

func exchanging(f func(*Server, *KeyExchange)) func(*Config) {
	return func(c *Config) { c.Hooks.KeyExchange = f }
}

func exchange(name string, alert byte, f func(*Server, *KeyExchange)) []Deviation {
	return deviate("ServerKeyExchange: "+name, refuse(alert), exchanging(f), FamilyECDSA, FamilyRPK)
}

func exchangeBody(name string, f func([]byte) []byte) []Deviation {
	return deviate("ServerKeyExchange: "+name, refuse(AlertDecodeError), body(TypeServerKeyExchange, f), FamilyECDSA)
}

// point sends any bytes for a point, well signed.
func point(name string, curve uint16, f func(*Server) []byte) []Deviation {
	return exchange(name, AlertIllegalParameter, func(s *Server, k *KeyExchange) {
		s.useCurve(k, curve)
		k.Point = f(s)
	})
}

func fixed(b ...byte) func(*Server) []byte { return func(*Server) []byte { return b } }

func zeros(n int) func(*Server) []byte { return fixed(make([]byte, n)...) }

// signed makes the signature over other bytes than those of this handshake.
func signed(name string, f func(*Server, *KeyExchange) []byte) []Deviation {
	return exchange(name, AlertDecryptError, func(s *Server, k *KeyExchange) {
		k.Signed = func(k *KeyExchange) []byte { return f(s, k) }
	})
}

// signature replaces the signature. It gets the true one.
func signature(name string, alert byte, f func(*Server, []byte) []byte) []Deviation {
	return exchange(name, alert, func(s *Server, k *KeyExchange) {
		k.Signature = f(s, sign(k.Signer, k.Scheme, k.Signed(k)))
	})
}

func otherCurve(name string, id uint16) []Deviation {
	return exchange("curve "+name+", which was not offered", AlertIllegalParameter, func(s *Server, k *KeyExchange) {
		s.useCurve(k, CurveP521)
		k.Curve = id
	})
}

func curveType(name string, n byte) []Deviation {
	return exchange("curve type "+name, AlertDecodeError, func(_ *Server, k *KeyExchange) { k.CurveType = n })
}

// sequenceOf encodes two integers of DER, as a signature is (RFC 3279, 2.2.3).
func sequenceOf(r, s []byte) []byte {
	integer := func(b []byte) []byte { return vec8([]byte{2}, b) }
	return vec8([]byte{0x30}, join(integer(r), integer(s)))
}

// orderP256 is the order of the group of P-256.
func orderP256() []byte { return append([]byte{0}, elliptic.P256().Params().N.Bytes()...) }

var keyExchangeDeviations = slices.Concat(
	otherCurve("P-521", CurveP521), otherCurve("P-224", 21), otherCurve("P-192", 19), otherCurve("secp256k1", 22),
	otherCurve("sect163k1", 1), otherCurve("brainpoolP256r1", 26), otherCurve("X448", 30), otherCurve("ffdhe2048", 256),
	otherCurve("arbitrary_explicit_prime", 0xff01), otherCurve("arbitrary_explicit_char2", 0xff02), otherCurve("0", 0),
	otherCurve("X25519MLKEM768", 0x11ec), otherCurve("0xffff", 0xffff),
	curveType("explicit_prime", 1), curveType("explicit_char2", 2), curveType("0", 0), curveType("4", 4), curveType("255", 255),
	point("a point that is not on P-256", CurveP256, func(s *Server) []byte { return append([]byte{4}, draw(s.cfg.Rand, 64)...) }),
	point("a point that is not on P-384", CurveP384, func(s *Server) []byte { return append([]byte{4}, draw(s.cfg.Rand, 96)...) }),
	point("zeros for a point of P-256", CurveP256, fixed(append([]byte{4}, make([]byte, 64)...)...)),
	point("coordinates beyond the field of P-256", CurveP256, fixed(append([]byte{4}, bytes.Repeat([]byte{0xff}, 64)...)...)),
	point("the point at infinity of P-256", CurveP256, fixed(0)),
	point("the point at infinity of P-384", CurveP384, fixed(0)),
	point("a compressed point of P-256", CurveP256, func(s *Server) []byte {
		p := s.ephemeral.PublicKey().Bytes()
		return append([]byte{2 + p[64]&1}, p[1:33]...)
	}),
	point("a hybrid point of P-256", CurveP256, func(s *Server) []byte {
		p := s.ephemeral.PublicKey().Bytes()
		p[0] = 6 + p[64]&1
		return p
	}),
	point("a point of P-256 without its last byte", CurveP256, func(s *Server) []byte { return s.ephemeral.PublicKey().Bytes()[:64] }),
	point("a point of P-256 with a byte behind it", CurveP256, func(s *Server) []byte { return append(s.ephemeral.PublicKey().Bytes(), 0) }),
	point("a point of P-256 for P-384", CurveP384, func(s *Server) []byte { return newKey(s.cfg.Rand, CurveP256).PublicKey().Bytes() }),
	point("a point of P-384 for P-256", CurveP256, func(s *Server) []byte { return newKey(s.cfg.Rand, CurveP384).PublicKey().Bytes() }),
	point("a point of P-256 for X25519", CurveX25519, func(s *Server) []byte { return newKey(s.cfg.Rand, CurveP256).PublicKey().Bytes() }),
	point("255 bytes for a point", CurveP256, zeros(255)),
	point("a point of one byte", CurveP256, fixed(4)),
	point("zeros for X25519", CurveX25519, zeros(32)),
	point("one for X25519", CurveX25519, fixed(append([]byte{1}, make([]byte, 31)...)...)),
	point("minus one for X25519", CurveX25519, fixed(join([]byte{0xec}, bytes.Repeat([]byte{0xff}, 30), []byte{0x7f})...)),
	point("the prime itself for X25519", CurveX25519, fixed(join([]byte{0xed}, bytes.Repeat([]byte{0xff}, 30), []byte{0x7f})...)),
	point("a point of order eight for X25519", CurveX25519, fixed(
		0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
		0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00)),
	point("another point of order eight for X25519", CurveX25519, fixed(
		0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
		0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57)),
	point("31 bytes for X25519", CurveX25519, zeros(31)),
	point("33 bytes for X25519", CurveX25519, zeros(33)),
	signed("a signature over another client random", func(s *Server, k *KeyExchange) []byte { return join(make([]byte, 32), s.random, k.params()) }),
	signed("a signature over another server random", func(s *Server, k *KeyExchange) []byte { return join(s.hello.Random, make([]byte, 32), k.params()) }),
	signed("a signature over the randoms the wrong way round", func(s *Server, k *KeyExchange) []byte { return join(s.random, s.hello.Random, k.params()) }),
	signed("a signature over no randoms", func(_ *Server, k *KeyExchange) []byte { return k.params() }),
	signed("a signature over no parameters", func(s *Server, _ *KeyExchange) []byte { return join(s.hello.Random, s.random) }),
	signed("a signature over nothing", func(*Server, *KeyExchange) []byte { return nil }),
	signed("a signature over another point", func(s *Server, _ *KeyExchange) []byte {
		other := &KeyExchange{CurveType: 3}
		other.Curve, other.Point = CurveX25519, newKey(s.cfg.Rand, CurveX25519).PublicKey().Bytes()
		return join(s.hello.Random, s.random, other.params())
	}),
	signed("a signature over another curve", func(s *Server, k *KeyExchange) []byte {
		other := *k
		other.Curve = CurveP256
		return join(s.hello.Random, s.random, other.params())
	}),
	signed("a signature over the point alone", func(s *Server, k *KeyExchange) []byte { return join(s.hello.Random, s.random, k.Point) }),
	signed("a signature over a digest of what is to be signed", func(s *Server, k *KeyExchange) []byte {
		d := sha256.Sum256(join(s.hello.Random, s.random, k.params()))
		return d[:]
	}),
	exchange("a signature with another hash than it says", AlertDecryptError, func(_ *Server, k *KeyExchange) {
		k.Signature = sign(k.Signer, SchemeECDSAWithSHA384, k.Signed(k))
		k.Scheme = SchemeECDSAWithSHA256
	}),
	exchange("a signature by another key", AlertDecryptError, func(s *Server, k *KeyExchange) { k.Signer = s.cfg.PKI.strayKey }),
	exchange("a signature by the client's key", AlertDecryptError, func(s *Server, k *KeyExchange) { k.Signer = s.cfg.PKI.ClientKey }),
	exchange("a signature by the authority's key", AlertDecryptError, func(s *Server, k *KeyExchange) { k.Signer = s.cfg.PKI.authorityKey }),
	signature("an empty signature", AlertDecodeError, func(*Server, []byte) []byte { return []byte{} }),
	signature("a signature with trailing bytes", AlertDecryptError, func(_ *Server, b []byte) []byte { return append(b, 0) }),
	signature("a signature without its last byte", AlertDecryptError, func(_ *Server, b []byte) []byte { return b[:len(b)-1] }),
	signature("a signature with one bit changed", AlertDecryptError, func(_ *Server, b []byte) []byte { b[len(b)-1] ^= 1; return b }),
	signature("a signature of random bytes", AlertDecryptError, func(s *Server, _ []byte) []byte { return draw(s.cfg.Rand, 72) }),
	signature("a signature of 6,000 zeros", AlertDecryptError, func(*Server, []byte) []byte { return make([]byte, 6000) }),
	signature("a signature of two zeros", AlertDecryptError, func(*Server, []byte) []byte { return sequenceOf([]byte{0}, []byte{0}) }),
	signature("a signature of two ones", AlertDecryptError, func(*Server, []byte) []byte { return sequenceOf([]byte{1}, []byte{1}) }),
	signature("a signature with s of zero", AlertDecryptError, func(*Server, []byte) []byte { return sequenceOf([]byte{1}, []byte{0}) }),
	signature("a signature of the group's order, twice", AlertDecryptError, func(*Server, []byte) []byte { return sequenceOf(orderP256(), orderP256()) }),
	signature("a signature of negative numbers", AlertDecryptError, func(*Server, []byte) []byte { return sequenceOf([]byte{0xff}, []byte{0xff}) }),
	signature("a signature of integers without bytes", AlertDecryptError, func(*Server, []byte) []byte { return sequenceOf(nil, nil) }),
	signature("a signature without its sequence", AlertDecryptError, func(_ *Server, b []byte) []byte { return b[2:] }),
	signature("a signature with a needless zero in front", AlertDecryptError, func(_ *Server, b []byte) []byte {
		n := int(b[3])
		return sequenceOf(append([]byte{0, 0}, b[4:4+n]...), b[6+n:])
	}),
	exchangeBody("empty body", func([]byte) []byte { return nil }),
	exchangeBody("cut within the curve", func(b []byte) []byte { return b[:2] }),
	exchangeBody("cut within the point", func(b []byte) []byte { return b[:10] }),
	exchangeBody("without a signature", func(b []byte) []byte { return b[:4+int(b[3])] }),
	exchangeBody("cut within the scheme", func(b []byte) []byte { return b[:5+int(b[3])] }),
	exchangeBody("cut within the signature", func(b []byte) []byte { return b[:len(b)-5] }),
	exchangeBody("trailing bytes", func(b []byte) []byte { return append(b, 0) }),
	exchangeBody("a point of no bytes", func(b []byte) []byte { return join(b[:3], []byte{0}, b[4+int(b[3]):]) }),
	exchangeBody("a PSK hint in its place", func([]byte) []byte { return []byte{0, 2, 'h', 'i'} }),
	deviate("ServerKeyExchange: a hint of 4,000 bytes", ignored, func(c *Config) { c.PSKHint = make([]byte, 4000) }, FamilyPSK),
	deviate("ServerKeyExchange: an empty hint", ignored, func(c *Config) { c.PSKHint = []byte{} }, FamilyPSK),
	deviate("ServerKeyExchange: a hint of 65,535 bytes", stalled, func(c *Config) { c.PSKHint = make([]byte, 65535) }, FamilyPSK),
	hintBody("longer than the message", func(b []byte) []byte { b[1]++; return b }),
	hintBody("with trailing bytes", func(b []byte) []byte { return append(b, 0) }),
	hintBody("without a length", func([]byte) []byte { return nil }),
	hintBody("with half a length", func([]byte) []byte { return []byte{0} }),
	deviate("ServerKeyExchange: ECDHE in a PSK handshake", refuse(AlertDecodeError), onHello(func(s *Server, m []*Message) []*Message {
		body := vec16(vec8([]byte{3, 0, CurveX25519}, make([]byte, 32)), make([]byte, 70))
		return s.Renumber(slices.Insert(m, 1, handshake(TypeServerKeyExchange, body)))
	}), FamilyPSK),
)

func hintBody(name string, f func([]byte) []byte) []Deviation {
	change := body(TypeServerKeyExchange, f)
	return deviate("ServerKeyExchange: a hint "+name, refuse(AlertDecodeError), func(c *Config) {
		c.PSKHint = []byte("hint")
		change(c)
	}, FamilyPSK)
}
