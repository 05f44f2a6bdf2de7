package testpki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func verify(ca *Authority, leaf *Leaf, name string, role Role) error {
	_, err := leaf.Cert.Verify(x509.VerifyOptions{
		Roots:       ca.Pool(),
		DNSName:     name,
		KeyUsages:   role.extKeyUsages()[:1],
		CurrentTime: time.Now(),
	})
	return err
}

func TestSetVerifies(t *testing.T) {
	t.Parallel()
	s := Must(t, "gw-0001")
	good := []struct {
		what string
		err  error
	}{
		{"server by DNS name", verify(s.CA, s.Server, ServerName, Server)},
		{"server by IPv4 address", verify(s.CA, s.Server, "127.0.0.1", Server)},
		{"server by IPv6 address", verify(s.CA, s.Server, "::1", Server)},
		{"client", verify(s.CA, s.Client, "", Client)},
		{"server of the other CA", verify(s.OtherCA, s.ServerOtherCA, ServerName, Server)},
	}
	for _, g := range good {
		if g.err != nil {
			t.Errorf("%s: %v", g.what, g.err)
		}
	}
	if cn := s.Client.Cert.Subject.CommonName; cn != "gw-0001" {
		t.Errorf("common name of the client = %q, want the endpoint", cn)
	}
}

func TestSetRefuses(t *testing.T) {
	t.Parallel()
	s := Must(t, "gw-0001")
	for what, leaf := range map[string]*Leaf{"server": s.ServerExpired, "client": s.ClientExpired} {
		err := verify(s.CA, leaf, "", roleOf(leaf))
		var invalid x509.CertificateInvalidError
		if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
			t.Errorf("expired %s: %v, want an expired certificate", what, err)
		}
	}
	for what, leaf := range map[string]*Leaf{"server": s.ServerOtherCA, "client": s.ClientOtherCA} {
		err := verify(s.CA, leaf, "", roleOf(leaf))
		if !errors.As(err, new(x509.UnknownAuthorityError)) {
			t.Errorf("%s of another CA: %v, want an unknown authority", what, err)
		}
	}
	err := verify(s.CA, s.ServerOtherName, "127.0.0.1", Server)
	if !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("server of another name: %v, want a host name error", err)
	}
	if verify(s.CA, s.Client, "", Server) == nil {
		t.Error("a client's certificate passes for a server's")
	}
}

func roleOf(leaf *Leaf) Role {
	if leaf.Cert.ExtKeyUsage[0] == x509.ExtKeyUsageClientAuth {
		return Client
	}
	return Server
}

func TestPadding(t *testing.T) {
	t.Parallel()
	ca, err := NewAuthority("padding")
	if err != nil {
		t.Fatal(err)
	}
	const want = 5000
	leaf, err := ca.Issue(Request{CommonName: "big", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Padding: want})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(leaf.Cert.Raw); got < want {
		t.Errorf("padded certificate has %d bytes, want at least %d", got, want)
	}
	if err := verify(ca, leaf, "127.0.0.1", Server); err != nil {
		t.Errorf("padded certificate: %v", err)
	}
}

func TestFilesLoad(t *testing.T) {
	t.Parallel()
	s := Must(t, "gw-0001")
	files := s.Client.WriteFiles(t)
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	if string(pair.Certificate[0]) != string(s.Client.TLS().Certificate[0]) {
		t.Error("the file holds another certificate")
	}
	if _, err := tls.LoadX509KeyPair(files.Bundle, files.Bundle); err != nil {
		t.Errorf("bundle: %v", err)
	}
	pem, err := os.ReadFile(s.CA.WriteFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		t.Error("the authority's file holds no certificate")
	}
	info, err := os.Stat(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("key file has mode %o, want 600", mode)
	}
}

func TestValidInsideBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := Must(t, "gw-0001")
		time.Sleep(3 * 365 * 24 * time.Hour)
		if err := verify(s.CA, s.Server, ServerName, Server); err != nil {
			t.Errorf("after three years of virtual time: %v", err)
		}
	})
}
