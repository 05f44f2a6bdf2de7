package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// enrolledName is the endpoint of the gateway that enrols.
const enrolledName = "demo-enrolled"

// Its certificates last for so long, and are renewed after this part of that: three
// seconds.
const (
	enrolledLife    = 20 * time.Second
	enrolledRenewAt = 0.15
)

var renewed = ofType(holdfast.EventCredentialsRenewed)

// castEnrolled starts a gateway that has enrolled for a certificate, and registered with it at
// a service of its own. The bootstrap server will refuse to enrol it once more, for a while.
func castEnrolled(ctx context.Context, l *lab) (*device, error) {
	authority, err := lwm2mtest.NewAuthority("Demo CA")
	if err != nil {
		return nil, err
	}
	server, err := l.openCertified(authority)
	if err != nil {
		return nil, err
	}
	l.server.SetEnrolment(&lwm2mtest.Enrolment{Authority: authority, Lifetime: enrolledLife})
	l.server.Misbehave(enrolledName, lwm2mtest.Reenrol, 2, lwm2mtest.Behaviour{Answer: codeForbidden, Payload: "not today"})
	account := lwm2mtest.AccountConfig{
		URI: fmt.Sprintf("coaps://%s:%d", managementHost, server.port), Enrol: true, ServerCertificate: server.certificate,
	}
	l.server.SetBootstrap(enrolledName, lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: account.Writes()})
	own := *l.factory
	own.PSKIdentity, own.PSKKey = enrolledName, newKey()
	l.bootstrap.SetPSK(enrolledName, own.PSKKey)
	cfg := l.settings(enrolledName, l.dir(enrolledName), &own)
	cfg.RenewAt = enrolledRenewAt
	d, err := l.startConfigured(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return d, d.await(ctx, holdfast.Registered)
}

// certified is a management service with a certificate.
type certified struct {
	port        uint16
	certificate []byte // DER
}

// openCertified opens a management service for the certificates of an authority.
func (l *lab) openCertified(authority *lwm2mtest.Authority) (certified, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certified{}, err
	}
	now := time.Now()
	leaf, err := authority.Issue(&key.PublicKey, managementHost, now.Add(-time.Minute), now.Add(time.Hour))
	if err != nil {
		return certified{}, err
	}
	pc, err := listen(netip.AddrPortFrom(loopback, 0))
	if err != nil {
		return certified{}, err
	}
	clients := x509.NewCertPool()
	clients.AddCert(authority.Certificate())
	service := l.server.ServeManagement(pc, lwm2mtest.X509(tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}, clients))
	return certified{port: service.Addr().Port(), certificate: leaf.Raw}, nil
}

// playEnrolment waits for the certificate to be renewed, which fails at first.
func playEnrolment(ctx context.Context, t *take) error {
	t.say("the gateway's certificate is to be renewed; the bootstrap server refuses to enrol it twice")
	refused := failure(holdfast.ErrEnrolment)
	if err := t.expect(ctx, refused, refused, renewed, registered); err != nil {
		return err
	}
	t.say("the new certificate is in use, and the registration was there all the time")
	t.server.SetEnrolment(nil)
	return t.device.close(ctx)
}
