package dtlstest

import (
	"bytes"
	"slices"
)

const randomSize = 32

// An Extension of a hello message.
type Extension struct {
	Type uint16
	Body []byte
}

func encodeExtensions(extensions []Extension) []byte {
	var b []byte
	for _, e := range extensions {
		b = vec16(u16(b, int(e.Type)), e.Body)
	}
	return b
}

func decodeExtensions(b []byte) (all []Extension, ok bool) {
	r := reader{rest: b}
	for len(r.rest) > 0 && !r.bad {
		all = append(all, Extension{uint16(r.u16()), r.vec16()})
	}
	return all, !r.bad
}

// ClientHello is what the client has offered.
type ClientHello struct {
	Version            uint16
	Random             []byte
	SessionID, Cookie  []byte
	Suites             []uint16
	Compression        []byte
	Extensions         []Extension
	malformedExtension bool
}

// parseClientHello returns nil for a body that is none.
func parseClientHello(body []byte) *ClientHello {
	r := reader{rest: body}
	h := &ClientHello{Version: uint16(r.u16()), Random: r.vec(randomSize), SessionID: r.vec8(), Cookie: r.vec8()}
	h.Suites, h.Compression = numbers16(r.vec16()), r.vec8()
	if len(r.rest) > 0 {
		extensions, ok := decodeExtensions(r.vec16())
		h.Extensions, h.malformedExtension = extensions, !ok
	}
	if r.bad || len(r.rest) > 0 || h.malformedExtension {
		return nil
	}
	return h
}

// Extension returns the body of an extension.
func (h *ClientHello) Extension(kind uint16) (body []byte, offered bool) {
	return findExtension(h.Extensions, kind)
}

func findExtension(extensions []Extension, kind uint16) (body []byte, found bool) {
	i := slices.IndexFunc(extensions, func(e Extension) bool { return e.Type == kind })
	if i < 0 {
		return nil, false
	}
	return extensions[i].Body, true
}

// Offers reports whether the client has offered an extension.
func (h *ClientHello) Offers(kind uint16) bool {
	_, offered := h.Extension(kind)
	return offered
}

// Groups are the curves that the client has offered.
func (h *ClientHello) Groups() []uint16 { return h.list16(ExtSupportedGroups) }

// Schemes are the signature schemes that the client has offered.
func (h *ClientHello) Schemes() []uint16 { return h.list16(ExtSignatureAlgorithms) }

func (h *ClientHello) list16(kind uint16) []uint16 {
	body, _ := h.Extension(kind)
	r := reader{rest: body}
	return numbers16(r.vec16())
}

// certificateTypes are those that the client has offered (RFC 7250).
func (h *ClientHello) certificateTypes(kind uint16) []byte {
	body, _ := h.Extension(kind)
	r := reader{rest: body}
	return r.vec8()
}

// cid is what the client wants to find in the records to it.
func (h *ClientHello) cid() []byte {
	body, _ := h.Extension(ExtConnectionID)
	r := reader{rest: body}
	return r.vec8()
}

// params is what a cookie is bound to: all but the cookie itself.
func (h *ClientHello) params() []byte {
	return join(u16(nil, int(h.Version)), h.Random, vec8(nil, h.SessionID), list16(h.Suites), h.Compression)
}

// HelloVerify is a HelloVerifyRequest.
type HelloVerify struct {
	Version uint16
	Cookie  []byte
}

func (h *HelloVerify) encode() []byte { return vec8(u16(nil, int(h.Version)), h.Cookie) }

// ServerHello has the fields of the message.
type ServerHello struct {
	Version     uint16
	Random      []byte
	SessionID   []byte
	Suite       uint16
	Compression byte
	Extensions  []Extension
}

func (h *ServerHello) encode() []byte {
	b := join(u16(nil, int(h.Version)), h.Random, vec8(nil, h.SessionID), u16(nil, int(h.Suite)), []byte{h.Compression})
	if h.Extensions == nil {
		return b
	}
	return vec16(b, encodeExtensions(h.Extensions))
}

// Has reports whether an extension is among those of the message.
func (h *ServerHello) Has(kind uint16) bool {
	_, found := findExtension(h.Extensions, kind)
	return found
}

// Set gives an extension a body, adding it when it is not there.
func (h *ServerHello) Set(kind uint16, body []byte) {
	h.Remove(kind)
	h.Extensions = append(h.Extensions, Extension{kind, body})
}

// Remove takes an extension out.
func (h *ServerHello) Remove(kind uint16) {
	h.Extensions = slices.DeleteFunc(h.Extensions, func(e Extension) bool { return e.Type == kind })
}

// Certificate types (RFC 7250, 6).
const (
	CertX509         = 0
	CertRawPublicKey = 2
)

// serverHello is the honest one.
func (s *Server) serverHello() *ServerHello {
	h := &ServerHello{Version: VersionDTLS12, Random: draw(s.cfg.Rand, randomSize), Suite: s.suite.ID}
	if s.cfg.Session != nil {
		h.SessionID = s.cfg.Session.ID
	}
	if s.hello.Offers(ExtExtendedMasterSecret) && !s.cfg.NoEMS {
		h.Set(ExtExtendedMasterSecret, nil)
	}
	if s.hello.Offers(ExtRenegotiationInfo) || slices.Contains(s.hello.Suites, 0x00ff) {
		h.Set(ExtRenegotiationInfo, []byte{0})
	}
	if s.hello.Offers(ExtConnectionID) && s.cfg.CID != nil {
		h.Set(ExtConnectionID, vec8(nil, s.cfg.CID))
	}
	if !s.suite.PSK && !s.resuming {
		s.certificateExtensions(h)
	}
	return h
}

func (s *Server) certificateExtensions(h *ServerHello) {
	if s.hello.Offers(ExtPointFormats) {
		h.Set(ExtPointFormats, []byte{1, 0})
	}
	if bytes.IndexByte(s.hello.certificateTypes(ExtServerCertificate), s.cfg.certType()) >= 0 {
		h.Set(ExtServerCertificate, []byte{s.cfg.certType()})
	}
	if s.cfg.ClientAuth && bytes.IndexByte(s.hello.certificateTypes(ExtClientCertificate), s.cfg.certType()) >= 0 {
		h.Set(ExtClientCertificate, []byte{s.cfg.certType()})
	}
}
