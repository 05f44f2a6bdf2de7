package matrix_test

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// issued has the certificates of a scene.
type issued struct {
	ca     *testpki.Authority
	server *testpki.Leaf
	count  int
}

func (s *scene) issue() *issued {
	ca := systemtest.Authority(s.T)
	return &issued{ca: ca, server: systemtest.IssueServer(s.T, ca)}
}

// own is a certificate of the client. Each lasts an hour longer than the one before.
func (i *issued) own(t *testing.T) *testpki.Leaf {
	t.Helper()
	i.count++
	return systemtest.Issue(t, i.ca, testpki.Request{
		Role: testpki.Client, CommonName: systemtest.Endpoint, Lifetime: time.Duration(i.count) * time.Hour,
	})
}

// deliver completes an account that the bootstrap server writes.
func (i *issued) deliver(t *testing.T, a *lwm2mtest.AccountConfig) {
	t.Helper()
	own := i.own(t)
	key, err := own.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	a.Certificate, a.PrivateKey, a.ServerCertificate = own.Cert.Raw, key, i.server.Cert.Raw
}

// section is an account of the configuration.
func (i *issued) section(t *testing.T, uri string) *holdfast.Account {
	t.Helper()
	files := i.own(t).WriteFiles(t)
	return &holdfast.Account{
		URI: uri, Security: holdfast.SecurityX509, Certificate: files.Cert, PrivateKey: files.Key, Trust: i.ca.WriteFile(t),
	}
}

// Code 15: the server refuses the handshake with the new certificate. The registration is
// not touched, and the new certificate is in use once the server takes it.
func playRenewal(s *scene) {
	s.reach()
	s.management.RefuseHandshakes(42)
	e := s.expectError()
	if retry, _ := e.RetryIn(); retry != 5*time.Second || e.Attempt != 1 || !s.phaseFits(e.Phase) || e.Action != holdfast.ActionRetry {
		s.T.Errorf("%+v", e)
	}
	if state := s.client.Status().State; state != holdfast.Registered {
		s.T.Errorf("the client is %s", state)
	}
	s.demandAnswer()
	s.management.AcceptHandshakes()
	renewed := s.client.Next(holdfast.EventCredentialsRenewed)
	if retry, _ := e.RetryIn(); !renewed.Time.Equal(e.Time.Add(retry)) {
		s.T.Errorf("renewed at %v: %+v", renewed.Time, e)
	}
	s.client.WaitFor(holdfast.Registered)
	if n := s.Server.Registers(systemtest.Endpoint) - s.former.registers; n != 1 {
		s.T.Errorf("%d Registers", n)
	}
	s.finish()
}
