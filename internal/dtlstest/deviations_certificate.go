package dtlstest

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
)

func certifying(f func(*Server, *Certificate)) func(*Config) {
	return func(c *Config) { c.Hooks.Certificate = f }
}

func certificate(name string, want Want, f func(*Server, *Certificate)) []Deviation {
	return deviate("Certificate: "+name, want, certifying(f), FamilyECDSA)
}

func certificateBody(name string, want Want, f func([]byte) []byte) []Deviation {
	return deviate("Certificate: "+name, want, body(TypeCertificate, f), FamilyECDSA)
}

// leafKey shows a certificate of the authority with any public key.
func leafKey(name string, alert byte, spki func(*Server) []byte) []Deviation {
	return certificate(name, refuse(alert), func(s *Server, c *Certificate) {
		c.Chain = [][]byte{s.cfg.PKI.WithKey(c.Chain[0], spki(s))}
	})
}

// leaf shows a certificate of the authority, of another template.
func leaf(name string, f func(*x509.Certificate)) []Deviation {
	return certificate(name, refuse(AlertBadCertificate), func(s *Server, c *Certificate) {
		template := *s.cfg.PKI.leafTemplate
		f(&template)
		c.Chain = [][]byte{s.cfg.PKI.issue(&template, s.cfg.Key.Public())}
	})
}

func rsaOf(size int) func(*Server) []byte {
	return func(s *Server) []byte { return rsaSPKI(s.cfg.Rand, size) }
}

func curveKey(curve elliptic.Curve) func(*Server) []byte {
	return func(s *Server) []byte { return SPKI(newSigner(s.cfg.Rand, curve).Public()) }
}

func intermediate(name string, want Want, size int) []Deviation {
	return certificate(name, want, func(s *Server, c *Certificate) {
		c.Chain = append(c.Chain, s.cfg.PKI.WithKey(s.cfg.PKI.ServerChain[0], rsaSPKI(s.cfg.Rand, size)))
	})
}

func pad(size int) func(*Server, *Certificate) {
	return func(_ *Server, c *Certificate) { c.Chain = append(c.Chain, make([]byte, size)) }
}

var (
	oidP256     = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidBrain    = asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 7}
	oidK256     = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
	oidEd25519  = asn1.ObjectIdentifier{1, 3, 101, 112}
	oidNonsense = asn1.ObjectIdentifier{1, 2, 3, 4, 5}
)

var certificateDeviations = slices.Concat(
	certificate("no certificate at all", refuse(AlertBadCertificate), func(_ *Server, c *Certificate) { c.Chain = nil }),
	certificate("eleven certificates", refuse(AlertDecodeError), func(_ *Server, c *Certificate) { c.Chain = slices.Repeat(c.Chain, 11) }),
	certificate("a thousand certificates of one byte", refuse(AlertDecodeError), func(_ *Server, c *Certificate) {
		c.Chain = append(c.Chain, slices.Repeat([][]byte{{0x30}}, 1000)...)
	}),
	certificate("an empty certificate", refuse(AlertDecodeError), func(_ *Server, c *Certificate) { c.Chain = [][]byte{{}} }),
	certificate("an empty certificate behind the leaf", refuse(AlertDecodeError), func(_ *Server, c *Certificate) { c.Chain = append(c.Chain, nil) }),
	certificate("garbage", refuse(AlertBadCertificate), func(s *Server, c *Certificate) { c.Chain = [][]byte{draw(s.cfg.Rand, 400)} }),
	certificate("garbage behind the leaf", refuse(AlertBadCertificate), func(s *Server, c *Certificate) { c.Chain = append(c.Chain, draw(s.cfg.Rand, 400)) }),
	certificate("60 KiB of zeros behind the leaf", refuse(AlertBadCertificate), pad(60<<10)),
	certificate("more than 64 KiB", stalled, pad(65<<10)),
	certificate("more than 1 MiB", stalled, pad(1<<20)),
	certificate("DER with trailing bytes", refuse(AlertBadCertificate), func(_ *Server, c *Certificate) { c.Chain = [][]byte{append(slices.Clone(c.Chain[0]), 0, 0)} }),
	certificate("DER without its end", refuse(AlertBadCertificate), func(_ *Server, c *Certificate) { c.Chain = [][]byte{c.Chain[0][:len(c.Chain[0])-1]} }),
	certificate("a bit of the signature changed", refuse(AlertBadCertificate), func(_ *Server, c *Certificate) {
		der := slices.Clone(c.Chain[0])
		der[len(der)-3] ^= 1
		c.Chain = [][]byte{der}
	}),
	certificate("the authority's own", refuse(AlertBadCertificate), func(s *Server, c *Certificate) { c.Chain = [][]byte{s.cfg.PKI.Authority.Raw} }),
	certificate("the client's own", refuse(AlertBadCertificate), func(s *Server, c *Certificate) { c.Chain = [][]byte{s.cfg.PKI.ClientCert} }),
	certificate("self-signed for the right name", refuse(AlertBadCertificate), func(s *Server, c *Certificate) {
		c.Chain = [][]byte{s.cfg.PKI.selfSign(s.cfg.PKI.leafTemplate, s.cfg.Key.(signer))}
	}),
	certificate("of a stranger's authority of the same name", refuse(AlertBadCertificate), func(s *Server, c *Certificate) {
		p := *s.cfg.PKI
		p.authorityKey = p.strayKey
		c.Chain = [][]byte{p.WithKey(c.Chain[0], SPKI(s.cfg.Key.Public()))}
	}),
	certificate("the leaf last", refuse(AlertBadCertificate), func(s *Server, c *Certificate) {
		c.Chain = [][]byte{s.cfg.PKI.Authority.Raw, c.Chain[0]}
	}),
	certificate("as a raw public key, which was not offered", refuse(AlertDecodeError), func(s *Server, c *Certificate) {
		c.Chain, c.Raw = [][]byte{s.cfg.PKI.ServerSPKI}, true
	}),
	leaf("for another name", func(c *x509.Certificate) { c.DNSNames = []string{"other.dtls.test"} }),
	leaf("for a name of which it is a suffix", func(c *x509.Certificate) { c.DNSNames = []string{"a" + Name} }),
	leaf("without a name", func(c *x509.Certificate) { c.DNSNames = nil }),
	leaf("expired", func(c *x509.Certificate) { c.NotAfter = c.NotBefore.AddDate(1, 0, 0) }),
	leaf("not valid yet", func(c *x509.Certificate) { c.NotBefore = c.NotAfter.AddDate(-1, 0, 0) }),
	leaf("for clients only", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
	leafKey("RSA of 2,048 bits", AlertUnsupportedCertificate, rsaOf(256)),
	leafKey("RSA of 8,192 bits", AlertUnsupportedCertificate, rsaOf(1024)),
	leafKey("RSA of 8,200 bits", AlertBadCertificate, rsaOf(1025)),
	leafKey("RSA of 480,000 bits", AlertBadCertificate, rsaOf(60000)),
	certificate("RSA of 160,000 bytes", stalled, func(s *Server, c *Certificate) {
		c.Chain = [][]byte{s.cfg.PKI.WithKey(c.Chain[0], rsaSPKI(s.cfg.Rand, 160000))}
	}),
	intermediate("RSA of 480,000 bits in an intermediate", refuse(AlertBadCertificate), 60000),
	intermediate("RSA of 160,000 bytes in an intermediate", stalled, 160000),
	leafKey("a key on P-224", AlertBadCertificate, curveKey(elliptic.P224())),
	leafKey("a key on P-521", AlertUnsupportedCertificate, curveKey(elliptic.P521())),
	leafKey("a key on brainpoolP256r1", AlertBadCertificate, func(s *Server) []byte { return ecSPKI(oidBrain, append([]byte{4}, draw(s.cfg.Rand, 64)...)) }),
	leafKey("a key on secp256k1", AlertBadCertificate, func(s *Server) []byte { return ecSPKI(oidK256, append([]byte{4}, draw(s.cfg.Rand, 64)...)) }),
	leafKey("a key on a curve that nobody knows", AlertBadCertificate, func(s *Server) []byte { return ecSPKI(oidNonsense, append([]byte{4}, draw(s.cfg.Rand, 64)...)) }),
	leafKey("a point that is not on its curve", AlertBadCertificate, func(s *Server) []byte { return ecSPKI(oidP256, append([]byte{4}, draw(s.cfg.Rand, 64)...)) }),
	leafKey("the point at infinity", AlertBadCertificate, func(*Server) []byte { return ecSPKI(oidP256, []byte{0}) }),
	leafKey("a key of no bytes", AlertBadCertificate, func(*Server) []byte { return ecSPKI(oidP256, nil) }),
	leafKey("Ed25519", AlertUnsupportedCertificate, func(s *Server) []byte { return encodeSPKI(oidEd25519, nil, draw(s.cfg.Rand, 32)) }),
	leafKey("an algorithm that nobody knows", AlertBadCertificate, func(s *Server) []byte { return encodeSPKI(oidNonsense, nil, draw(s.cfg.Rand, 32)) }),
	leafKey("another key than the signature's", AlertDecryptError, func(s *Server) []byte { return SPKI(s.cfg.PKI.strayKey.Public()) }),
	certificateBody("empty body", refuse(AlertDecodeError), func([]byte) []byte { return nil }),
	certificateBody("a list longer than the message", refuse(AlertDecodeError), func(b []byte) []byte { b[2]++; return b }),
	certificateBody("a list shorter than the message", refuse(AlertDecodeError), func(b []byte) []byte { b[2]--; return b }),
	certificateBody("a certificate longer than its list", refuse(AlertDecodeError), func(b []byte) []byte { b[5]++; return b }),
	certificateBody("a certificate shorter than its list", refuse(AlertDecodeError), func(b []byte) []byte { b[5]--; return b }),
	certificateBody("lengths of 16 MiB", refuse(AlertDecodeError), func(b []byte) []byte { return append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, b[6:]...) }),
	certificateBody("trailing bytes", refuse(AlertDecodeError), func(b []byte) []byte { return append(b, 0) }),
	certificateBody("cut in its length", refuse(AlertDecodeError), func(b []byte) []byte { return b[:2] }),
	rawKey("another key than the pinned one", AlertBadCertificate, func(s *Server) []byte { return SPKI(s.cfg.PKI.strayKey.Public()) }),
	rawKey("the client's own key", AlertBadCertificate, func(s *Server) []byte { return s.cfg.PKI.ClientSPKI }),
	rawKey("an X.509 certificate with the right key", AlertBadCertificate, func(s *Server) []byte { return s.cfg.PKI.ServerChain[0] }),
	rawKey("no key", AlertDecodeError, func(*Server) []byte { return nil }),
	rawKey("a key with trailing bytes", AlertBadCertificate, func(s *Server) []byte { return append(slices.Clone(s.cfg.PKI.ServerSPKI), 0) }),
	rawKey("half a key", AlertBadCertificate, func(s *Server) []byte { return s.cfg.PKI.ServerSPKI[:40] }),
	rawKey("RSA of 480,000 bits", AlertBadCertificate, rsaOf(60000)),
	deviate("Certificate: the raw key in a list", refuse(AlertBadCertificate), certifying(func(_ *Server, c *Certificate) { c.Raw = false }), FamilyRPK),
)

// rawKey shows another raw public key, and signs with the server's own.
func rawKey(name string, alert byte, f func(*Server) []byte) []Deviation {
	return deviate("Certificate: "+name, refuse(alert), certifying(func(s *Server, c *Certificate) { c.Chain = [][]byte{f(s)} }), FamilyRPK)
}

func requesting(f func(*Server, *CertificateRequest)) func(*Config) {
	return func(c *Config) { c.Hooks.CertificateRequest = f }
}

func request(name string, want Want, f func(*Server, *CertificateRequest)) []Deviation {
	return deviate("CertificateRequest: "+name, want, requesting(f), FamilyECDSA)
}

func requestBody(name string, f func([]byte) []byte) []Deviation {
	return deviate("CertificateRequest: "+name, refuse(AlertDecodeError), body(TypeCertificateRequest, f), FamilyECDSA)
}

var requestDeviations = slices.Concat(
	request("no types", refuse(AlertDecodeError), func(_ *Server, r *CertificateRequest) { r.Types = nil }),
	request("no schemes", refuse(AlertDecodeError), func(_ *Server, r *CertificateRequest) { r.Schemes = nil }),
	request("an empty authority", refuse(AlertDecodeError), func(_ *Server, r *CertificateRequest) { r.Authorities = [][]byte{{}} }),
	// The client shows no certificate then (RFC 5246, 7.4.6); this server
	// insists on one, and says so in clear.
	request("only types of RSA", ended, func(_ *Server, r *CertificateRequest) { r.Types = []byte{1, 3} }),
	request("only schemes of RSA", ended, func(_ *Server, r *CertificateRequest) { r.Schemes = []uint16{0x0401, 0x0501} }),
	request("all 255 types", ignored, func(_ *Server, r *CertificateRequest) {
		for t := range 254 {
			r.Types = append(r.Types, byte(t))
		}
	}),
	request("8,000 schemes", ignored, func(_ *Server, r *CertificateRequest) { r.Schemes = append(make([]uint16, 8000), r.Schemes...) }),
	request("60 KiB of authorities", ignored, func(_ *Server, r *CertificateRequest) {
		r.Authorities = slices.Repeat([][]byte{make([]byte, 1000)}, 60)
	}),
	requestBody("empty body", func([]byte) []byte { return nil }),
	requestBody("without its end", func(b []byte) []byte { return b[:len(b)-1] }),
	requestBody("without authorities", func(b []byte) []byte { return b[:len(b)-2] }),
	requestBody("trailing bytes", func(b []byte) []byte { return append(b, 0) }),
	requestBody("types longer than the message", func(b []byte) []byte { b[0] = 255; return b }),
	requestBody("half a scheme", func(b []byte) []byte { b[3]--; return b }),
	requestBody("schemes longer than the message", func(b []byte) []byte { b[2] = 255; return b }),
	requestBody("authorities longer than the message", func(b []byte) []byte { b[len(b)-1] = 1; return b }),
	deviate("CertificateRequest: in a PSK handshake", refuse(AlertUnexpectedMessage), onHello(func(s *Server, m []*Message) []*Message {
		return s.Renumber(slices.Insert(m, 1, handshake(TypeCertificateRequest, s.certificateRequest().encode())))
	}), FamilyPSK, FamilyCID),
)

// schemeDeviations sign with schemes that are in no offer, over the right bytes
// and with the right key: the pairs of RFC 5246 that exist, their neighbours,
// and what later documents have given out.
func schemeDeviations() (all []Deviation) {
	var numbers []uint16
	for h := range uint16(10) {
		for s := range uint16(10) {
			numbers = append(numbers, h<<8|s)
		}
	}
	numbers = append(numbers, 0x0704, 0x0705, 0x0804, 0x0805, 0x0806, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x081a, 0x081b,
		0x0403+1<<12, 0x0a0a, 0x0ea0, 0x4003, 0x8403, 0xeded, 0xfe00, 0xff03, 0xffff)
	for _, n := range slices.Compact(slices.Sorted(slices.Values(numbers))) {
		if schemeHashes[n] == 0 {
			all = append(all, deviate(fmt.Sprintf("ServerKeyExchange: scheme 0x%04X not offered", n), refuse(AlertIllegalParameter),
				exchanging(func(_ *Server, k *KeyExchange) { k.Scheme = n }), FamilyECDSA)...)
		}
	}
	return all
}
