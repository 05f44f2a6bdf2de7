package download

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// withX509 are the credentials of the set's client.
func withX509(t *testing.T, set *testpki.Set, usage messages.CertificateUsage, trusted *x509.Certificate) messages.Credentials {
	t.Helper()
	key, err := set.Client.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	return messages.Credentials{
		Mode: messages.SecurityX509, Certificate: [][]byte{set.Client.Cert.Raw}, PrivateKey: lwm2m.Secret(key),
		Usage: usage, ServerCertificates: [][]byte{trusted.Raw},
	}
}

// Servers are trusted as over DTLS, and see the own certificate.
func TestNewTLS(t *testing.T) {
	set := testpki.Must(t, "endpoint")
	clients := set.CA.Pool()
	serve := func(leaf *testpki.Leaf) string {
		config := &tls.Config{Certificates: []tls.Certificate{leaf.TLS()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
		server, _ := secureServer(t, config, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(r.TLS.PeerCertificates[0].Subject.CommonName))
		})
		return server.URL
	}
	good, otherCA, otherName := serve(set.Server), serve(set.ServerOtherCA), serve(set.ServerOtherName)
	anchored := withX509(t, set, messages.UsageTrustAnchor, set.CA.Cert)
	named := anchored
	named.ServerName = "other.test"
	outside := anchored
	half, err := x509.MarshalPKIXPublicKey(&set.Client.Key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	outside.PrivateKey = lwm2m.Secret(half)
	for name, test := range map[string]struct {
		credentials messages.Credentials
		uri         string
		want        messages.Class
	}{
		"anchor":               {anchored, good, messages.ClassUnknown},
		"a key held outside":   {outside, good, messages.ClassUnknown},
		"another authority":    {anchored, otherCA, messages.ClassServerCertificate},
		"another name":         {anchored, otherName, messages.ClassServerCertificate},
		"that name":            {named, otherName, messages.ClassUnknown},
		"the certificate":      {withX509(t, set, messages.UsageServerCertificate, set.ServerOtherName.Cert), otherName, messages.ClassUnknown},
		"another certificate":  {withX509(t, set, messages.UsageServerCertificate, set.Server.Cert), otherName, messages.ClassServerCertificate},
		"its issuer is no pin": {withX509(t, set, messages.UsageServerCertificate, set.CA.Cert), good, messages.ClassServerCertificate},
	} {
		config, err := NewTLS(test.credentials, set.ClientOtherCA.Key, set.Client.Key)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, got, err := get(t, &Client{Policy: here, TLS: config}, test.uri, Fetch{})
		if test.want == messages.ClassUnknown {
			if string(got) != "endpoint" || !isEnd(err) {
				t.Errorf("%s: %q %v", name, got, err)
			}
			continue
		}
		if f := Failure(err); f.Class != test.want {
			t.Errorf("%s: %v, class %v", name, err, f.Class)
		}
	}
}

// With nothing to show, a server is still held to the authority, and to the name.
func TestNewTLSWithoutACertificate(t *testing.T) {
	set := testpki.Must(t, "endpoint")
	serve := func(leaf *testpki.Leaf) string {
		config := &tls.Config{Certificates: []tls.Certificate{leaf.TLS()}}
		server, _ := secureServer(t, config, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("image")) })
		return server.URL
	}
	credentials := withX509(t, set, messages.UsageTrustAnchor, set.CA.Cert)
	credentials.Certificate, credentials.PrivateKey = nil, nil
	config, err := NewTLS(credentials)
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := get(t, &Client{Policy: here, TLS: config}, serve(set.Server), Fetch{}); string(got) != "image" || !isEnd(err) {
		t.Errorf("%q %v", got, err)
	}
	if _, _, err := get(t, &Client{Policy: here, TLS: config}, serve(set.ServerOtherCA), Fetch{}); Failure(err).Class != messages.ClassServerCertificate {
		t.Errorf("of another authority: %v", err)
	}
}

func TestCredentialsThatCannotBeUsed(t *testing.T) {
	set := testpki.Must(t, "endpoint")
	for what, spoil := range map[string]func(c *messages.Credentials){
		"an empty list of server certificates":                  func(c *messages.Credentials) { c.ServerCertificates = nil },
		"the server's certificate":                              func(c *messages.Credentials) { c.ServerCertificates = [][]byte{{1}} },
		"certificate usages other than 2 and 3":                 func(c *messages.Credentials) { c.Usage = 1 },
		"a missing certificate":                                 func(c *messages.Credentials) { c.Certificate = nil },
		"the own certificate":                                   func(c *messages.Credentials) { c.Certificate = [][]byte{{1}} },
		"the private key":                                       func(c *messages.Credentials) { c.PrivateKey = lwm2m.Secret("secret") },
		"a private key that does not belong to the certificate": func(c *messages.Credentials) { c.Certificate = [][]byte{set.Server.Cert.Raw} },
	} {
		c := withX509(t, set, messages.UsageTrustAnchor, set.CA.Cert)
		spoil(&c)
		config, err := NewTLS(c)
		if config != nil || err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", what, err)
		}
		if f := Failure(err); f.Class != messages.ClassBadCredentials {
			t.Errorf("%s: class %v", what, f.Class)
		}
	}
	outside := withX509(t, set, messages.UsageTrustAnchor, set.CA.Cert)
	half, err := x509.MarshalPKIXPublicKey(&set.Client.Key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	outside.PrivateKey = lwm2m.Secret(half)
	if _, err := NewTLS(outside, []crypto.Signer{set.Server.Key}...); !is[*CredentialsError](err) {
		t.Errorf("no signer has the key: %v", err)
	}
}

// Keys without certificates do nothing for https.
func TestKeysWithoutCertificates(t *testing.T) {
	for _, mode := range []messages.SecurityMode{messages.SecurityNoSec, messages.SecurityPSK, messages.SecurityRPK} {
		if config, err := NewTLS(messages.Credentials{Mode: mode, Key: lwm2m.Secret("key")}); config != nil || err != nil {
			t.Errorf("%v: %v %v", mode, config, err)
		}
	}
}
