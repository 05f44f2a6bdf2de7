package matrix_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// site is a campaign whose image is fetched in a certain way from images.test.
type site struct {
	*systemtest.Campaign
	port     uint16                     // of CoAP
	security lwm2mtest.Security         // at that port
	ca       *testpki.Authority         // of both sides; nil without certificates
	reach    atomic.Pointer[dialer]     // whom a client reaches that wants the web server
	tls      atomic.Pointer[tls.Config] // of the web server's next handshake
	log      *systemtest.Buffer
	accepted int // Registers before the update was ordered
}

// opening opens the site.
type opening func(*site)

// dialer opens a TCP connection.
type dialer func(context.Context, netip.AddrPort) (net.Conn, error)

const (
	securedSite   = "coaps://images.test/image"
	webSite       = "http://images.test/image"
	securedWeb    = "https://images.test/image"
	imageIdentity = "gateway at images.test"
)

// imageKey is known to the server of the image alone.
var imageKey = []byte("fedcba9876543210")

func newSite(t *testing.T, open opening) *site {
	t.Helper()
	w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
	return openSite(systemtest.NewCampaign(w, systemtest.ByManifest, imageBytes), &systemtest.Buffer{}, open)
}

// openSite makes the site of a campaign, whose client writes the log.
func openSite(c *systemtest.Campaign, log *systemtest.Buffer, open opening) *site {
	s := &site{Campaign: c, port: systemtest.CoAPPort, log: log}
	open(s)
	s.reaches(s.Web.DialAddr)
	return s
}

func (s *site) reaches(d dialer) { s.reach.Store(&d) }

// run starts the client, which writes a log.
func (s *site) run(options ...holdfast.Option) {
	s.T.Helper()
	logger := slog.New(zerolog.NewSlogHandler(zerolog.New(s.log).Level(zerolog.DebugLevel)))
	s.Run(append(options, holdfast.WithLogger(logger), lwm2mtest.WithDialTCP(s.dial))...)
}

// order has the server order the update of a client that is registered.
func (s *site) order(f fetchFault) {
	s.T.Helper()
	s.accepted = s.Server.Seen(systemtest.Endpoint, lwm2mtest.Register)
	s.Observe()
	s.Begin("2.0.0")
	if f.strike != nil {
		time.Sleep(500 * time.Millisecond)
		f.strike(s)
	}
}

func (s *site) dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	return (*s.reach.Load())(ctx, remote)
}

// serve opens the port of the image's server once more.
func (s *site) serve() { s.Files = s.ServeImages(s.port, s.security) }

// serveOtherwise has another kind of server take its place.
func (s *site) serveOtherwise(security lwm2mtest.Security) (mend func()) {
	s.Files.Abort()
	s.Files = s.ServeImages(s.port, security)
	return func() {
		s.Files.Abort()
		s.serve()
	}
}

// inClear is plain CoAP, which all campaigns have.
func inClear(*site) {}

// withKey is CoAP over DTLS with a pre-shared key.
func withKey(s *site) {
	s.secure(lwm2mtest.PSK(imageIdentity, imageKey), &holdfast.FirmwareDownload{
		Security: holdfast.SecurityPSK, PSKIdentity: imageIdentity, PSKKey: imageKey,
	})
}

// withCertificates is CoAP over DTLS with a certificate on both sides.
func withCertificates(s *site) {
	download := s.certify()
	s.secure(lwm2mtest.X509(s.issue(testpki.Request{}), s.ca.Pool()), download)
}

// byWeb is a web server in clear.
func byWeb(s *site) { s.Site = webSite }

// bySecuredWeb is a web server with a certificate that asks for one.
func bySecuredWeb(s *site) {
	s.Config.Firmware.Download = s.certify()
	s.Site = securedWeb
	s.Web.Close()
	s.Web = systemtest.NewHTTP(s.T, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return s.tls.Load(), nil
	}})
	s.Provide(s.Image)
	s.tls.Store(s.shows(s.issue(testpki.Request{})))
}

func (s *site) secure(security lwm2mtest.Security, download *holdfast.FirmwareDownload) {
	s.Site, s.port, s.security, s.Config.Firmware.Download = securedSite, systemtest.DTLSPort, security, download
	s.serve()
}

// certify makes the authority, and what the client has of it.
func (s *site) certify() *holdfast.FirmwareDownload {
	s.ca = systemtest.Authority(s.T)
	own := systemtest.Issue(s.T, s.ca, testpki.Request{Role: testpki.Client, CommonName: systemtest.Endpoint}).WriteFiles(s.T)
	return &holdfast.FirmwareDownload{Security: holdfast.SecurityX509, Certificate: own.Cert, PrivateKey: own.Key, Trust: s.ca.WriteFile(s.T)}
}

// issue makes a certificate of the image's server, which is images.test unless the request says
// otherwise.
func (s *site) issue(r testpki.Request) tls.Certificate { return s.issueBy(s.ca, r) }

func (s *site) issueBy(ca *testpki.Authority, r testpki.Request) tls.Certificate {
	r.Role, r.CommonName = testpki.Server, "images"
	if r.DNSNames == nil {
		r.DNSNames = []string{"images.test"}
	}
	return systemtest.Issue(s.T, ca, r).TLS()
}

// shows is a web server that has a certificate, and demands one of the authority.
func (s *site) shows(certificate tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}, ClientCAs: s.ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}
}

// demandSilence demands that nothing that is put out has the key to the image.
func (s *site) demandSilence() {
	s.T.Helper()
	shown, err := json.Marshal([]any{s.Client.Seen, s.Client.Status()})
	if err != nil {
		s.T.Fatal(err)
	}
	systemtest.CheckKeys(s.T, string(shown)+s.log.String(), map[string][]byte{"the key of images.test": imageKey})
}
