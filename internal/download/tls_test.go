package download

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// secureServer is an https server with the certificate of net/http/httptest, and the roots
// that trust it.
func secureServer(t *testing.T, config *tls.Config, handler http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	server := httptest.NewUnstartedServer(handler)
	server.TLS = config
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server, roots
}

func imageHandler(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "image") }

func TestSecure(t *testing.T) {
	server, roots := secureServer(t, nil, imageHandler)
	c := &Client{Policy: here, TLS: &tls.Config{RootCAs: roots}}
	if _, got, err := get(t, c, server.URL, Fetch{}); string(got) != "image" || !errors.Is(err, io.EOF) {
		t.Errorf("%q %v", got, err)
	}
}

func TestServersThatAreNotTrusted(t *testing.T) {
	server, roots := secureServer(t, nil, imageHandler)
	old, _ := secureServer(t, &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, imageHandler)
	plain := answer(t, 200, nil, "image")
	leaf := server.Certificate()
	at := func(now, known time.Time) func() validity.Clock {
		return func() validity.Clock { return validity.Clock{Now: now, Known: known} }
	}
	early, late := leaf.NotBefore.Add(-time.Hour), leaf.NotAfter.Add(time.Hour)
	for name, test := range map[string]struct {
		uri     string
		client  Client
		class   messages.Class
		foreign bool
		validIn time.Duration
	}{
		"unknown authority": {server.URL, Client{TLS: &tls.Config{RootCAs: x509.NewCertPool()}}, messages.ClassServerCertificate, false, 0},
		"another name":      {server.URL, Client{TLS: &tls.Config{RootCAs: roots, ServerName: "other.test"}}, messages.ClassServerCertificate, false, 0},
		"not valid yet":     {server.URL, Client{TLS: &tls.Config{RootCAs: roots}, Clock: at(early, time.Time{})}, messages.ClassClock, false, time.Hour},
		"expired":           {server.URL, Client{TLS: &tls.Config{RootCAs: roots}, Clock: at(late, time.Time{})}, messages.ClassServerCertificate, false, 0},
		"wrong clock":       {server.URL, Client{TLS: &tls.Config{RootCAs: roots}, Clock: at(late, late.Add(time.Hour))}, messages.ClassClock, false, 0},
		"old TLS":           {old.URL, Client{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10}}, messages.ClassAlert, false, 0},
		"no TLS":            {"https" + plain.URL[len("http"):], Client{}, messages.ClassAlert, true, 0},
	} {
		test.client.Policy = here
		_, _, err := get(t, &test.client, test.uri, Fetch{})
		f := Failure(err)
		if !is[*TLSError](err) || f.Class != test.class || f.Foreign != test.foreign || f.ValidIn != test.validIn {
			t.Errorf("%s: %v, which is %+v", name, err, f)
		}
	}
}

// A server that wants a certificate gets it, and one that it redirects to does not.
func TestOwnCertificate(t *testing.T) {
	seen := make(chan int, 2)
	asks := &tls.Config{ClientAuth: tls.RequestClientCert}
	second, roots := secureServer(t, asks, func(w http.ResponseWriter, r *http.Request) {
		seen <- len(r.TLS.PeerCertificates)
		imageHandler(w, r)
	})
	first, _ := secureServer(t, asks.Clone(), func(w http.ResponseWriter, r *http.Request) {
		seen <- len(r.TLS.PeerCertificates)
		http.Redirect(w, r, second.URL, http.StatusFound)
	})
	c := &Client{Policy: here, TLS: &tls.Config{RootCAs: roots, ServerName: "example.com", Certificates: first.TLS.Certificates}}
	if _, got, err := get(t, c, first.URL, Fetch{}); string(got) != "image" || !errors.Is(err, io.EOF) {
		t.Fatalf("%q %v", got, err)
	}
	if one, two := <-seen, <-seen; one != 1 || two != 0 {
		t.Errorf("the first server saw %d certificates, the second %d", one, two)
	}
}

func TestAServerThatRefusesTheClient(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server, roots := secureServer(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: version}, imageHandler)
		_, _, err := get(t, &Client{Policy: here, TLS: &tls.Config{RootCAs: roots}}, server.URL, Fetch{})
		if f := Failure(err); f.Class != messages.ClassAlert {
			t.Errorf("TLS %x: %v, which is %v", version, err, f.Class)
		}
	}
}
