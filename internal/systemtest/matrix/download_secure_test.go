package matrix_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// refuses is a handshake that is answered by an alert.
func refuses(alert uint8) func(*site) func() {
	return func(s *site) func() {
		s.Files.RefuseHandshakes(alert)
		return s.Files.AcceptHandshakes
	}
}

func ignores(s *site) func() {
	s.Files.IgnoreHandshakes()
	return s.Files.AcceptHandshakes
}

// late has a block come late, so that something can happen while it is on its way.
func late(s *site) func() {
	s.Images.SpoilFile("/image", 1, lwm2mtest.FileFault{From: 2048, Behaviour: lwm2mtest.Behaviour{Delay: time.Second}})
	return nothing
}

// keyFaults befall a link with a pre-shared key.
var keyFaults = map[string]fetchFault{
	"is closed at once":            {code: holdfast.CodeNetwork, delay: firstDelay, befall: refuses(0)},
	"gets an alert of no suite":    {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: refuses(40)},
	"gets an alert of the version": {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: refuses(70)},
	"gets an alert of trouble":     {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: refuses(80)},
	"is denied access":             {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: refuses(49)},
	"has an unknown identity": {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: func(s *site) func() {
		s.Files.RemovePSK(imageIdentity)
		return func() { s.Files.SetPSK(imageIdentity, imageKey) }
	}},
	"has another key": {code: holdfast.CodeTimeout, delay: firstDelay, befall: func(s *site) func() {
		s.Files.SetPSK(imageIdentity, []byte("another key, too"))
		return func() { s.Files.SetPSK(imageIdentity, imageKey) }
	}},
	"has no answer": {code: holdfast.CodeTimeout, delay: firstDelay, befall: ignores},
	"leads to plain CoAP": {code: holdfast.CodeTimeout, delay: firstDelay, befall: func(s *site) func() {
		return s.serveOtherwise(lwm2mtest.NoSec())
	}},
	"leads to certificates": {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: func(s *site) func() {
		ca := systemtest.Authority(s.T)
		return s.serveOtherwise(lwm2mtest.X509(s.issueBy(ca, testpki.Request{}), ca.Pool()))
	}},
	"is refused by the port": {code: holdfast.CodeNetwork, delay: firstDelay, befall: refusesPort},
	"is forgotten half way":  {code: holdfast.CodeTimeout, delay: firstDelay, befall: late, strike: func(s *site) { s.Files.ForgetSessions() }},
	"is closed half way": {code: holdfast.CodeNetwork, delay: firstDelay, befall: late, strike: func(s *site) {
		s.Files.Close()
		s.serve()
	}},
}

// showsCertificate has the server of the image, CoAP's or the web's, show another certificate.
func showsCertificate(other func(*site) tls.Certificate) func(*site) func() {
	return func(s *site) func() {
		if s.Site == securedWeb {
			good := s.tls.Swap(s.shows(other(s)))
			return func() { s.tls.Store(good) }
		}
		s.Files.SetCertificate(other(s))
		return func() { s.Files.SetCertificate(*s.security.Certificate) }
	}
}

// certificateFaults befall a link that is held to the server's certificate.
var certificateFaults = map[string]fetchFault{
	"has a certificate of another authority": {code: holdfast.CodeSecureConnection, delay: firstDelay,
		befall: showsCertificate(func(s *site) tls.Certificate { return s.issueBy(systemtest.Authority(s.T), testpki.Request{}) })},
	"has a certificate of another name": {code: holdfast.CodeSecureConnection, delay: firstDelay,
		befall: showsCertificate(func(s *site) tls.Certificate { return s.issue(testpki.Request{DNSNames: []string{"other.test"}}) })},
	"has a certificate that has expired": {code: holdfast.CodeSecureConnection, delay: firstDelay,
		befall: showsCertificate(func(s *site) tls.Certificate { return s.issue(testpki.Request{Expired: true}) })},
	"has a certificate that is not valid yet": {code: holdfast.CodeSecureConnection, delay: firstDelay,
		befall: showsCertificate(func(s *site) tls.Certificate { return s.issue(testpki.Request{ValidIn: 24 * time.Hour}) })},
}

// ownFaults befall a link to a CoAP server that is shown a certificate.
var ownFaults = map[string]fetchFault{
	"gets an alert of a bad certificate":      {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: refuses(42)},
	"gets an alert of a revoked certificate":  {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: refuses(44)},
	"gets an alert of an expired certificate": {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: refuses(45)},
	"gets an alert of an unknown authority":   {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: refuses(48)},
	"gets an alert of an unknown name":        {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: refuses(112)},
	"is not trusted": {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: func(s *site) func() {
		return s.serveOtherwise(lwm2mtest.X509(*s.security.Certificate, systemtest.Authority(s.T).Pool()))
	}},
	"has no answer": {code: holdfast.CodeTimeout, delay: firstDelay, befall: ignores},
	"leads to a key": {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: func(s *site) func() {
		return s.serveOtherwise(lwm2mtest.PSK(imageIdentity, imageKey))
	}},
}

// handshakeFaults befall the TLS of a web server.
var handshakeFaults = map[string]fetchFault{
	"is not trusted": {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: func(s *site) func() {
		// By TLS 1.3 the alert comes while the client writes its request, which in memory waits for
		// the server to read: what a real connection does is in internal/download.
		other := s.tls.Load().Clone()
		other.MaxVersion = tls.VersionTLS12
		other.ClientCAs = systemtest.Authority(s.T).Pool()
		good := s.tls.Swap(other)
		return func() { s.tls.Store(good) }
	}},
	"gets an alert of the version": {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: func(s *site) func() {
		old := s.tls.Load().Clone()
		old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		good := s.tls.Swap(old)
		return func() { s.tls.Store(good) }
	}},
	"leads to a server in clear": {code: holdfast.CodeSecureConnection, delay: firstDelay, befall: func(s *site) func() {
		plain := systemtest.NewHTTP(s.T, nil)
		s.reaches(plain.DialAddr)
		return func() {
			s.reaches(s.Web.DialAddr)
			plain.Close()
		}
	}},
	"has no answer":                 {code: holdfast.CodeTimeout, delay: firstDelay, befall: silentWeb},
	"is refused by the port":        {code: holdfast.CodeNetwork, delay: firstDelay, befall: refusedWeb},
	"breaks off half way":           {code: holdfast.CodeNetwork, delay: firstDelay, befall: spoilsWeb(systemtest.WebFault{After: 2048, End: systemtest.WebReset})},
	"stops half way without a word": {code: holdfast.CodeTimeout, delay: firstDelay, befall: spoilsWeb(systemtest.WebFault{After: 2048, End: systemtest.WebStall})},
}

// silentWeb is a web server that takes a connection and says nothing.
func silentWeb(s *site) func() {
	s.reaches(func(context.Context, netip.AddrPort) (net.Conn, error) {
		here, there := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, there) }() // until the client closes its end
		return here, nil
	})
	return func() { s.reaches(s.Web.DialAddr) }
}

func refusedWeb(s *site) func() {
	s.Web.Refuse(syscall.ECONNREFUSED)
	return func() { s.Web.Refuse(nil) }
}

func spoilsWeb(f systemtest.WebFault) func(*site) func() {
	return func(s *site) func() {
		s.Web.Spoil("/image", 1, f)
		return nothing
	}
}

// webFaults befall a request of HTTP.
var webFaults = map[string]fetchFault{
	"is refused by the port": {code: holdfast.CodeNetwork, delay: firstDelay, befall: refusedWeb},
	"has no route": {code: holdfast.CodeNetwork, delay: firstDelay, befall: func(s *site) func() {
		s.Web.Refuse(syscall.EHOSTUNREACH)
		return func() { s.Web.Refuse(nil) }
	}},
	"has no answer":      {code: holdfast.CodeTimeout, delay: firstDelay, befall: spoilsWeb(systemtest.WebFault{Silent: true})},
	"is answered by 500": {code: holdfast.CodeNetwork, delay: firstDelay, befall: spoilsWeb(systemtest.WebFault{Status: http.StatusInternalServerError})},
	"is answered by 503": {code: holdfast.CodeNetwork, delay: 90 * time.Second, befall: spoilsWeb(systemtest.WebFault{
		Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"90"}}})},
	"is answered by 429": {code: holdfast.CodeNetwork, delay: 90 * time.Second, befall: spoilsWeb(systemtest.WebFault{
		Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"90"}}})},
	"is answered by what is not HTTP": {code: holdfast.CodeResponseParse, delay: firstDelay, befall: answersBy("220 mail.test ready\r\n")},
	"is answered by a large header": {code: holdfast.CodeMemory, delay: firstDelay,
		befall: answersBy("HTTP/1.1 200 OK\r\nX-Pad: " + strings.Repeat("x", 20<<10) + "\r\n\r\n")},
	"is reset half way":             {code: holdfast.CodeNetwork, delay: firstDelay, befall: spoilsWeb(systemtest.WebFault{After: 2048, End: systemtest.WebReset})},
	"is closed half way":            {code: holdfast.CodeNetwork, delay: firstDelay, befall: spoilsWeb(systemtest.WebFault{After: 2048, End: systemtest.WebClose})},
	"stops half way without a word": {code: holdfast.CodeTimeout, delay: firstDelay, befall: spoilsWeb(systemtest.WebFault{After: 2048, End: systemtest.WebStall})},
	"is closed before a byte":       {code: holdfast.CodeNetwork, delay: firstDelay, befall: answersBy("")},
	"leads to this machine": {code: holdfast.CodeInvalidParameters, result: firmware.ResultInvalidURI, befall: spoilsWeb(systemtest.WebFault{
		Status: http.StatusFound, Header: http.Header{"Location": {"http://127.0.0.1/image"}}})},
	"is answered by 404": {code: holdfast.CodeNetwork, result: firmware.ResultNotFound, befall: func(s *site) func() {
		s.Web.RemoveFile("/image")
		return nothing
	}},
	"is answered by 403": {code: holdfast.CodeNetwork, result: firmware.ResultDownloadFailed,
		befall: spoilsWeb(systemtest.WebFault{Status: http.StatusForbidden})},
}

// answersBy answers one request by some bytes, and closes the connection.
func answersBy(text string) func(*site) func() {
	return spoilsWeb(systemtest.WebFault{Handler: func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = conn.Write([]byte(text)) // who does not read it to its end has closed the connection
			_ = conn.Close()
		}
	}})
}

// TestMatrixOfSecuredDownloads has the handshake with the server of an image fail in each way,
// and its session end half way: as TestMatrixOfDownloads demands it.
func TestMatrixOfSecuredDownloads(t *testing.T) {
	playDownloads(t, "a link with a key", withKey, keyFaults)
	playDownloads(t, "a link with certificates", withCertificates, certificateFaults)
	playDownloads(t, "a link with certificates", withCertificates, ownFaults)
}

// TestMatrixOfWebDownloads does the same with web servers.
func TestMatrixOfWebDownloads(t *testing.T) {
	playDownloads(t, "HTTP", byWeb, webFaults)
	playDownloads(t, "HTTPS", bySecuredWeb, certificateFaults)
	playDownloads(t, "HTTPS", bySecuredWeb, handshakeFaults)
}

func playDownloads(t *testing.T, via string, open opening, faults map[string]fetchFault) {
	for name, f := range faults {
		t.Run(via+" "+name, func(t *testing.T) { playDownload(t, open, f, nil) })
	}
}
