package dtlstest

import (
	"bytes"
	"slices"
)

// both are the families whose hellos differ most.
var both = []Family{FamilyPSK, FamilyECDSA}

func verifying(f func(*Server, *HelloVerify)) func(*Config) {
	return func(c *Config) { c.Hooks.HelloVerify = f }
}

// firstVerify changes the first HelloVerifyRequest as it is sent; the resent
// one is honest.
func firstVerify(f func([][]byte) [][]byte) func(*Config) {
	return func(c *Config) {
		c.Hooks.Datagrams = func(s *Server, k FlightKind, all [][]byte) [][]byte {
			if k == FlightVerify && s.clock[0] < 2 {
				return f(all)
			}
			return all
		}
	}
}

// clearMessage is a datagram with one whole handshake message in clear.
func clearMessage(kind byte, seq uint16, body []byte) []byte {
	m := handshake(kind, body)
	m.Seq = seq
	return clearRecord(ContentHandshake, m.transcript())
}

func clearRecord(content byte, payload []byte) []byte {
	return (&Record{Content: content, Version: VersionDTLS12, Number: 1 << 40, Payload: payload, Length: -1}).encode()
}

func ahead(d ...[]byte) func([][]byte) [][]byte {
	return func(all [][]byte) [][]byte { return slices.Concat(d, all) }
}

// RFC 6347, 4.2.1. Nothing here is authenticated: what is malformed is dropped,
// since the server's own may still come.
var verifyDeviations = slices.Concat(
	deviate("HelloVerifyRequest: version 0x0000", stalled, verifying(func(_ *Server, h *HelloVerify) { h.Version = 0 }), FamilyPSK),
	deviate("HelloVerifyRequest: TLS 1.2", stalled, verifying(func(_ *Server, h *HelloVerify) { h.Version = 0x0303 }), FamilyPSK),
	deviate("HelloVerifyRequest: DTLS 1.0, as RFC 6347 allows", ignored, verifying(func(_ *Server, h *HelloVerify) { h.Version = VersionDTLS10 }), FamilyPSK),
	deviate("HelloVerifyRequest: empty cookie, again and again", stalled, verifying(func(_ *Server, h *HelloVerify) { h.Cookie = nil }), FamilyPSK),
	deviate("HelloVerifyRequest: cookie of 255 bytes that is never taken", stalled, verifying(func(_ *Server, h *HelloVerify) { h.Cookie = make([]byte, 255) }), FamilyPSK),
	deviate("HelloVerifyRequest: another cookie each time", stalled, verifying(func(s *Server, h *HelloVerify) { h.Cookie = draw(s.cfg.Rand, 20) }), FamilyPSK),
	deviate("HelloVerifyRequest: cookie longer than the message, first", ignored,
		firstVerify(ahead(clearMessage(TypeHelloVerifyRequest, 0, []byte{0xfe, 0xfd, 200, 1, 2}))), FamilyPSK),
	deviate("HelloVerifyRequest: empty body, first", ignored, firstVerify(ahead(clearMessage(TypeHelloVerifyRequest, 0, nil))), FamilyPSK),
	deviate("HelloVerifyRequest: trailing bytes, first", ignored,
		firstVerify(ahead(clearMessage(TypeHelloVerifyRequest, 0, []byte{0xfe, 0xfd, 1, 1, 2}))), FamilyPSK),
	deviate("HelloVerifyRequest: twice", ignored, firstVerify(func(all [][]byte) [][]byte { return slices.Concat(all, all) }), FamilyPSK),
	deviate("HelloVerifyRequest: a thousand times", ignored, firstVerify(func(all [][]byte) [][]byte { return slices.Repeat(all, 1000) }), FamilyPSK),
	deviate("HelloVerifyRequest: message_seq 5", stalled, func(c *Config) {
		c.Hooks.Flight = func(_ *Server, k FlightKind, m []*Message) []*Message {
			if k == FlightVerify {
				m[0].Seq = 65535
			}
			return m
		}
	}, FamilyPSK),
	deviate("HelloVerifyRequest: behind the ServerHello", ignored, datagramsOf(func(_ *Server, all [][]byte) [][]byte {
		return append(all, clearMessage(TypeHelloVerifyRequest, 0, []byte{0xfe, 0xfd, 2, 1, 2}))
	}), both...),
	deviate("HelloVerifyRequest: between the messages of the flight", refuse(AlertUnexpectedMessage), onHello(func(s *Server, m []*Message) []*Message {
		return s.Renumber(slices.Insert(m, 1, handshake(TypeCertificateVerify, []byte{0xfe, 0xfd, 2, 1, 2})))
	}), both...),
)

func saying(f func(*Server, *ServerHello)) func(*Config) {
	return func(c *Config) { c.Hooks.ServerHello = f }
}

func hello(name string, alert byte, f func(*Server, *ServerHello)) []Deviation {
	return deviate("ServerHello: "+name, refuse(alert), saying(f), both...)
}

func helloBody(name string, alert byte, f func([]byte) []byte) []Deviation {
	return deviate("ServerHello: "+name, refuse(alert), body(TypeServerHello, f), both...)
}

// AlertSuite is what a client says to a suite that it has not offered.
const alertSuite = 47

func suite(name string, id uint16) []Deviation {
	return deviate("ServerHello: suite "+name, refuse(alertSuite), saying(func(_ *Server, h *ServerHello) { h.Suite = id }), both...)
}

var helloDeviations = slices.Concat(
	hello("version DTLS 1.0", AlertProtocolVersion, func(_ *Server, h *ServerHello) { h.Version = VersionDTLS10 }),
	hello("version DTLS 1.3", AlertProtocolVersion, func(_ *Server, h *ServerHello) { h.Version = 0xfefc }),
	hello("version TLS 1.2", AlertProtocolVersion, func(_ *Server, h *ServerHello) { h.Version = 0x0303 }),
	hello("version 0x0100", AlertProtocolVersion, func(_ *Server, h *ServerHello) { h.Version = 0x0100 }),
	hello("version 0x0000", AlertProtocolVersion, func(_ *Server, h *ServerHello) { h.Version = 0 }),
	hello("version 0xffff", AlertProtocolVersion, func(_ *Server, h *ServerHello) { h.Version = 0xffff }),
	hello("session ID of 33 bytes", AlertDecodeError, func(_ *Server, h *ServerHello) { h.SessionID = make([]byte, 33) }),
	hello("session ID of 255 bytes", AlertDecodeError, func(_ *Server, h *ServerHello) { h.SessionID = make([]byte, 255) }),
	hello("compression DEFLATE", AlertIllegalParameter, func(_ *Server, h *ServerHello) { h.Compression = 1 }),
	hello("compression 255", AlertIllegalParameter, func(_ *Server, h *ServerHello) { h.Compression = 255 }),
	suite("NULL", 0x0000),
	suite("TLS_RSA_WITH_AES_128_CBC_SHA", 0x002f),
	suite("TLS_RSA_WITH_AES_128_GCM_SHA256", 0x009c),
	suite("TLS_PSK_WITH_NULL_SHA", 0x002c),
	suite("TLS_PSK_WITH_AES_128_CBC_SHA256", 0x00ae),
	suite("TLS_PSK_WITH_NULL_SHA256", 0x00b0),
	suite("TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256", 0xc037),
	suite("TLS_DHE_PSK_WITH_AES_128_CCM", 0xc0a6),
	suite("TLS_ECDH_anon_WITH_AES_128_CBC_SHA", 0xc018),
	suite("TLS_ECDH_anon_WITH_NULL_SHA", 0xc015),
	suite("TLS_ECDHE_ECDSA_WITH_NULL_SHA", 0xc006),
	suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xc02f),
	suite("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 0xc009),
	suite("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", 0xc023),
	suite("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", 0xcca9),
	suite("TLS_AES_128_GCM_SHA256 of TLS 1.3", 0x1301),
	suite("TLS_EMPTY_RENEGOTIATION_INFO_SCSV", 0x00ff),
	suite("TLS_FALLBACK_SCSV", 0x5600),
	suite("GREASE", 0x0a0a),
	suite("0xffff", 0xffff),
	deviate("ServerHello: suite of PSK where certificates are asked for", refuse(alertSuite),
		saying(func(_ *Server, h *ServerHello) { h.Suite = PSKWithAES128CCM8 }), FamilyECDSA, FamilyRPK),
	deviate("ServerHello: suite of certificates where PSK is asked for", refuse(alertSuite),
		saying(func(_ *Server, h *ServerHello) { h.Suite = ECDHEECDSAWithAES128CCM8 }), FamilyPSK, FamilyCID),
	helloBody("empty", AlertDecodeError, func([]byte) []byte { return nil }),
	helloBody("without its end", AlertDecodeError, func(b []byte) []byte { return b[:len(b)-1] }),
	helloBody("cut within the random", AlertDecodeError, func(b []byte) []byte { return b[:20] }),
	helloBody("cut within the session ID's length", AlertDecodeError, func(b []byte) []byte { return b[:34] }),
	helloBody("cut behind the suite", AlertDecodeError, func(b []byte) []byte { return b[:37] }),
	helloBody("trailing byte", AlertDecodeError, func(b []byte) []byte { return append(b, 0) }),
	helloBody("session ID longer than the message", AlertDecodeError, func(b []byte) []byte { b[34] = 32; return b[:40] }),
	helloBody("extensions longer than the message", AlertDecodeError, func(b []byte) []byte { b[38] = 0xff; return b }),
	helloBody("half a length of extensions", AlertDecodeError, func(b []byte) []byte { return b[:39] }),
	helloBody("an extension longer than its list", AlertDecodeError, func(b []byte) []byte { b[43]++; return b }),
	helloBody("of 8,192 bytes of one unknown extension", AlertUnsupportedExtension, func(b []byte) []byte {
		return vec16(b[:38], vec16([]byte{0xaa, 0xaa}, make([]byte, 8000)))
	}),
	helloBody("a thousand extensions", AlertDecodeError, func(b []byte) []byte {
		var all []byte
		for i := range 1000 {
			all = vec16(u16(all, 1000+i), nil)
		}
		return vec16(b[:38], all)
	}),
)

func extension(name string, alert byte, kind uint16, b []byte, families ...Family) []Deviation {
	return deviate("extension: "+name, refuse(alert), saying(func(_ *Server, h *ServerHello) { h.Set(kind, b) }), families...)
}

func unasked(name string, kind uint16, b []byte) []Deviation {
	return extension(name+", which was not offered", AlertUnsupportedExtension, kind, b, both...)
}

func doubled(name string, kind uint16, b []byte, families ...Family) []Deviation {
	return deviate("extension: "+name+" twice", refuse(AlertDecodeError), saying(func(_ *Server, h *ServerHello) {
		h.Set(kind, b)
		h.Extensions = append(h.Extensions, Extension{kind, b})
	}), families...)
}

var extensionDeviations = slices.Concat(
	unasked("max_fragment_length", 1, []byte{1}),
	unasked("truncated_hmac", 4, nil),
	unasked("status_request", 5, nil),
	unasked("use_srtp", 14, []byte{0, 2, 0, 1, 0}),
	unasked("heartbeat", 15, []byte{1}),
	unasked("application_layer_protocol_negotiation", 16, []byte{0, 2, 1, 'h'}),
	unasked("encrypt_then_mac", 22, nil),
	unasked("token_binding", 24, []byte{1, 0, 1, 2}),
	unasked("record_size_limit", 28, []byte{2, 0}),
	unasked("session_ticket", 35, nil),
	unasked("pre_shared_key of TLS 1.3", 41, []byte{0, 0}),
	unasked("supported_versions of TLS 1.3", 43, []byte{0xfe, 0xfc}),
	unasked("cookie of TLS 1.3", 44, []byte{0, 1, 1}),
	unasked("key_share of TLS 1.3", 51, []byte{0, 29, 0, 0}),
	unasked("connection_id", ExtConnectionID, []byte{1, 1}),
	unasked("connection_id of a draft", 53, []byte{1, 1}),
	unasked("GREASE", 0x0a0a, nil),
	unasked("0xffff", 0xffff, nil),
	unasked("client_certificate_type", ExtClientCertificate, []byte{CertRawPublicKey}),
	unasked("server_certificate_type", ExtServerCertificate, []byte{CertRawPublicKey}),
	extension("ec_point_formats where PSK is asked for", AlertUnsupportedExtension, ExtPointFormats, []byte{1, 0}, FamilyPSK),
	extension("supported_groups, which is no answer", AlertUnsupportedExtension, ExtSupportedGroups, []byte{0, 2, 0, 23}, both...),
	extension("signature_algorithms, which is no answer", AlertUnsupportedExtension, ExtSignatureAlgorithms, []byte{0, 2, 4, 3}, both...),
	extension("extended_master_secret with a body", AlertIllegalParameter, ExtExtendedMasterSecret, []byte{0}, both...),
	extension("renegotiation_info with data", AlertHandshakeFailure, ExtRenegotiationInfo, []byte{1, 7}, both...),
	extension("renegotiation_info with both Finished", AlertHandshakeFailure, ExtRenegotiationInfo, vec8(nil, make([]byte, 24)), both...),
	extension("renegotiation_info without a body", AlertHandshakeFailure, ExtRenegotiationInfo, nil, both...),
	extension("renegotiation_info with trailing bytes", AlertHandshakeFailure, ExtRenegotiationInfo, []byte{0, 0}, both...),
	extension("ec_point_formats empty", AlertIllegalParameter, ExtPointFormats, nil, FamilyECDSA),
	extension("ec_point_formats with an empty list", AlertIllegalParameter, ExtPointFormats, []byte{0}, FamilyECDSA),
	extension("ec_point_formats without uncompressed", AlertIllegalParameter, ExtPointFormats, []byte{1, 1}, FamilyECDSA),
	extension("ec_point_formats with a wrong length", AlertIllegalParameter, ExtPointFormats, []byte{5, 0}, FamilyECDSA),
	extension("server_name with a body", AlertIllegalParameter, ExtServerName, []byte{0, 1, 2}, FamilyECDSA),
	extension("server_certificate_type X.509", AlertIllegalParameter, ExtServerCertificate, []byte{CertX509}, FamilyRPK),
	extension("server_certificate_type OpenPGP", AlertIllegalParameter, ExtServerCertificate, []byte{1}, FamilyRPK),
	extension("server_certificate_type without a body", AlertIllegalParameter, ExtServerCertificate, nil, FamilyRPK),
	extension("server_certificate_type as a list", AlertIllegalParameter, ExtServerCertificate, []byte{1, CertRawPublicKey}, FamilyRPK),
	extension("client_certificate_type X.509", AlertIllegalParameter, ExtClientCertificate, []byte{CertX509}, FamilyRPK),
	extension("client_certificate_type 255", AlertIllegalParameter, ExtClientCertificate, []byte{255}, FamilyRPK),
	deviate("extension: server_certificate_type missing", refuse(AlertUnsupportedCertificate),
		saying(func(_ *Server, h *ServerHello) { h.Remove(ExtServerCertificate) }), FamilyRPK),
	doubled("extended_master_secret", ExtExtendedMasterSecret, nil, both...),
	doubled("renegotiation_info", ExtRenegotiationInfo, []byte{0}, both...),
	doubled("ec_point_formats", ExtPointFormats, []byte{1, 0}, FamilyECDSA),
	doubled("server_certificate_type", ExtServerCertificate, []byte{CertRawPublicKey}, FamilyRPK),
	doubled("connection_id", ExtConnectionID, []byte{1, 1}, FamilyCID),
	deviate("extension: none at all", ignored, saying(func(_ *Server, h *ServerHello) { h.Extensions = nil }), both...),
	deviate("extension: an empty list", ignored, saying(func(_ *Server, h *ServerHello) { h.Extensions = []Extension{} }), both...),
)

var cidDeviations = slices.Concat(
	extension("connection_id without a body", AlertIllegalParameter, ExtConnectionID, nil, FamilyCID),
	extension("connection_id longer than its extension", AlertIllegalParameter, ExtConnectionID, []byte{9, 1}, FamilyCID),
	extension("connection_id shorter than its extension", AlertIllegalParameter, ExtConnectionID, []byte{1, 1, 2}, FamilyCID),
	cidRecord("without the client's identifier", stalled, func(r *Record) { r.CID = nil }),
	cidRecord("with another identifier", stalled, func(r *Record) { r.CID = []byte("to-nobody") }),
	cidRecord("with an identifier that is too short", stalled, func(r *Record) { r.CID = r.CID[1:] }),
	cidRecord("with an identifier that is too long", stalled, func(r *Record) { r.CID = append(bytes.Clone(r.CID), 1) }),
	cidRecord("with the type in clear", stalled, func(r *Record) {
		r.Damage = func(b []byte) []byte { b[0] = ContentHandshake; return b }
	}),
	cidRecord("padded with zeros, as RFC 9146 allows", ignored, func(r *Record) {
		r.Payload, r.Content = join(r.Payload, []byte{r.Content}, make([]byte, 9)), 0
	}),
	cidRecord("of nothing but zeros", stalled, func(r *Record) { r.Payload, r.Content = make([]byte, 40), 0 }),
	deviate("tls12_cid: unsolicited, in the flight", ignored, recordsOf(func(_ *Server, all []*Record) []*Record {
		return append([]*Record{{Content: ContentHandshake, Version: VersionDTLS12, Epoch: 1, CID: []byte("x"), Payload: make([]byte, 40), Length: -1}}, all...)
	}), FamilyPSK, FamilyECDSA),
)

// cidRecord changes the records with the Finished. The type of the inner
// plaintext is the record's content.
func cidRecord(name string, want Want, f func(*Record)) []Deviation {
	return deviate("tls12_cid: "+name, want, sealedRecords(func(_ *Server, all []*Record) []*Record {
		for _, r := range all {
			if r.Epoch > 0 {
				f(r)
			}
		}
		return all
	}), FamilyCID)
}

// sealedRecords changes the records of the flight with the Finished.
func sealedRecords(f recordsHook) func(*Config) {
	return func(c *Config) {
		c.Layout.Alone = true
		c.Hooks.Records = func(s *Server, k FlightKind, all []*Record) []*Record {
			if k == s.finishKind() {
				return f(s, all)
			}
			return all
		}
	}
}
