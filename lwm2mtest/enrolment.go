package lwm2mtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Content formats of enrolment (RFC 9148 section 4.3).
const (
	formatCertsOnly   lwm2m.Format = 281
	formatPKCS10      lwm2m.Format = 286
	formatCertificate lwm2m.Format = 287
)

// Enrolment is how a server enrols devices over CoAP (EST, RFC 9148). Its resources are crts,
// sen and sren, below /.well-known/est and below /est.
type Enrolment struct {
	// Authority signs. Required. Services at which devices are to use what it signs have it
	// in Security.ClientCAs.
	Authority *Authority
	// Lifetime is for how long certificates are valid. 0 means a day.
	Lifetime time.Duration
	// Backdate is how long before now they begin. 0 means now.
	Backdate time.Duration
	// WithoutAuthorities has crts answered 4.04.
	WithoutAuthorities bool
	// ShortRootOnly has what is below /.well-known/est answered 4.04, so that a device has
	// to find the resources by /.well-known/core.
	ShortRootOnly bool
}

// EnrolmentFault is what is wrong with a certificate that a server issues. The zero value is
// nothing. Answers that are none are for [Server.Misbehave].
type EnrolmentFault struct {
	WrongKey   bool          // it is for another key
	CommonName string        // it is for that name; empty means the one that was asked for
	Expired    bool          // it ended a minute ago
	ValidIn    time.Duration // it begins so much later
	Authority  *Authority    // that signs; nil means the server's own
	Garbage    bool          // the answer is no PKCS #7
}

// Enrolled is one certificate that a server has issued.
type Enrolled struct {
	Time        time.Time
	Again       bool   // by sren
	Identity    string // proved by DTLS
	Request     []byte // PKCS #10, DER
	Certificate *x509.Certificate
}

// enrolments is the server's side of enrolment. The server's lock guards it.
type enrolments struct {
	*Enrolment
	faults []EnrolmentFault
	issued sequence[Enrolled]
}

// SetEnrolment has the server enrol devices on its bootstrap services, and on those of
// [Server.ServeEnrolment]; nil ends that: requests are answered 4.04.
func (s *Server) SetEnrolment(e *Enrolment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enrolments.Enrolment = e
}

// ServeEnrolment serves nothing but enrolment on pc, which the service owns from now on. How
// is set by [Server.SetEnrolment].
func (s *Server) ServeEnrolment(pc net.PacketConn, security Security) *Service {
	return s.serve(pc, security, servesEnrolment)
}

// SpoilEnrolments makes the next n certificates wrong in that way.
func (s *Server) SpoilEnrolments(n int, f EnrolmentFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.enrolments.faults = append(s.enrolments.faults, f)
	}
}

// Enrolled returns the certificates that were issued so far, oldest first, spoiled ones
// included. ServerOptions.MaxHistory bounds them as it does the history.
func (s *Server) Enrolled() []Enrolled {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.enrolments.issued.kept)
}

// fault takes the fault of the next certificate. The lock is held.
func (e *enrolments) fault() (f EnrolmentFault) {
	if len(e.faults) > 0 {
		f, e.faults = e.faults[0], e.faults[1:]
	}
	return f
}

// enrolmentKind tells which resource of enrolment a request is for. The lock is held.
func (s *Server) enrolmentKind(p *peer, m coap.Message) (Kind, bool) {
	if s.enrolments.Enrolment == nil || p.service.role != servesBootstrap && p.service.role != servesEnrolment {
		return Other, false
	}
	method, path := m.Code, strings.Join(m.Path(), "/")
	if method == lwm2m.CodeGET && path == ".well-known/core" {
		return DiscoverEnrolment, true
	}
	name, found := strings.CutPrefix(path, "est/")
	if !found && !s.enrolments.ShortRootOnly {
		name, _ = strings.CutPrefix(path, ".well-known/est/")
	}
	switch {
	case name == "crts" && method == lwm2m.CodeGET:
		return Authorities, true
	case name == "sen" && method == lwm2m.CodePOST:
		return Enrol, true
	case name == "sren" && method == lwm2m.CodePOST:
		return Reenrol, true
	}
	return Other, false
}

// enrolment answers a request for one of the resources. The lock is held.
func (s *Server) enrolment(c *call) answer {
	switch {
	case c.kind == DiscoverEnrolment:
		return answer{code: lwm2m.CodeContent, format: new(lwm2m.FormatLinkFormat), payload: []byte(
			`</est/crts>;rt="ace.est.crts";ct="281 287",</est/sen>;rt="ace.est.sen";ct="281 287",</est/sren>;rt="ace.est.sren";ct="281 287"`)}
	case c.kind == Authorities && s.enrolments.WithoutAuthorities:
		return answer{code: lwm2m.CodeNotFound}
	case c.kind == Authorities:
		return certificates(c, lwm2m.CodeContent, s.enrolments.Authority.certificate)
	}
	if format := c.request.Format(coap.ContentFormat); format == nil || *format != formatPKCS10 {
		return answer{code: lwm2m.CodeUnsupportedFormat}
	}
	request, err := x509.ParseCertificateRequest(c.body)
	switch {
	case err != nil || request.CheckSignature() != nil:
		return answer{code: lwm2m.CodeBadRequest}
	case c.kind == Reenrol && (c.peer.identity == "" || request.Subject.CommonName != c.peer.identity):
		return answer{code: lwm2m.CodeForbidden} // RFC 7030 section 4.2.2: the subject is that of the present certificate
	}
	return s.issue(c, request)
}

// issue signs what was asked for, as well as it is to be signed. The lock is held.
func (s *Server) issue(c *call, request *x509.CertificateRequest) answer {
	e, f := &s.enrolments, s.enrolments.fault()
	if f.Garbage {
		return answer{code: lwm2m.CodeChanged, format: new(formatCertsOnly), payload: []byte("no PKCS #7")}
	}
	authority := e.Authority
	if f.Authority != nil {
		authority = f.Authority
	}
	template, err := e.template(request, f)
	if err != nil {
		return failed(err)
	}
	public := request.PublicKey
	if f.WrongKey {
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return failed(err)
		}
		public = &other.PublicKey
	}
	certificate, err := authority.sign(template, authority.certificate, public)
	if err != nil {
		return failed(err)
	}
	e.issued.add(Enrolled{
		Time: time.Now(), Again: c.kind == Reenrol, Identity: c.peer.identity, Request: c.body, Certificate: certificate,
	}, s.opts.MaxHistory)
	return certificates(c, lwm2m.CodeChanged, certificate)
}

// failed answers what the server itself could not do.
func failed(err error) answer {
	return answer{code: lwm2m.CodeInternalServerError, payload: []byte(err.Error())}
}

func (e *enrolments) template(request *x509.CertificateRequest, f EnrolmentFault) (*x509.Certificate, error) {
	lifetime := 24 * time.Hour
	if e.Lifetime > 0 {
		lifetime = e.Lifetime
	}
	template := &x509.Certificate{
		RawSubject: request.RawSubject, DNSNames: request.DNSNames, URIs: request.URIs,
		NotBefore: time.Now().Add(f.ValidIn - e.Backdate), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	template.NotAfter = template.NotBefore.Add(e.Backdate + lifetime)
	if f.Expired {
		template.NotBefore = time.Now().Add(-time.Hour)
		template.NotAfter = template.NotBefore.Add(time.Hour - time.Minute)
	}
	if f.CommonName != "" {
		template.RawSubject, template.Subject.CommonName = nil, f.CommonName
	}
	return template, nil
}

// certificates answers with certificates in the format that is asked for: certs-only unless
// a single one is wanted as it is.
func certificates(c *call, code lwm2m.Code, list ...*x509.Certificate) answer {
	format := formatCertsOnly
	if accept := c.request.Format(coap.Accept); accept != nil {
		format = *accept
	}
	switch {
	case format == formatCertificate && len(list) == 1:
		return answer{code: code, format: &format, payload: list[0].Raw}
	case format != formatCertsOnly:
		return answer{code: lwm2m.CodeNotAcceptable}
	}
	payload, err := certsOnly(list)
	if err != nil {
		return failed(fmt.Errorf("lwm2mtest: PKCS #7: %w", err))
	}
	return answer{code: code, format: &format, payload: payload}
}
