package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	certificates "crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

// rawKey is a device's key pair for raw public keys.
type rawKey struct {
	file            string // PEM, as openssl ecparam -genkey writes it
	public, private []byte // SubjectPublicKeyInfo and PKCS #8
}

func newRawKey(t *testing.T, curve elliptic.Curve) rawKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var k rawKey
	if k.public, err = certificates.MarshalPKIXPublicKey(&key.PublicKey); err != nil {
		t.Fatal(err)
	}
	if k.private, err = certificates.MarshalPKCS8PrivateKey(key); err != nil {
		t.Fatal(err)
	}
	sec1, err := certificates.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	k.file = writePEM(t, "EC PRIVATE KEY", sec1)
	return k
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// rpk is an account with raw public keys.
func rpk(t *testing.T, addr string, own rawKey, server *testpki.Leaf) *holdfast.Account {
	t.Helper()
	return &holdfast.Account{
		URI: "coaps://" + addr, Security: holdfast.SecurityRPK,
		PrivateKey: own.file, Trust: writePEM(t, "PUBLIC KEY", server.Cert.RawSubjectPublicKeyInfo),
	}
}

// pinOf is the pin of a certificate's key, as a configuration has it.
func pinOf(cert *certificates.Certificate) string {
	digest := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256/" + base64.StdEncoding.EncodeToString(digest[:])
}

// allowRPK lets the endpoint in with a raw public key, and with nothing else.
func (l *leshan) allowRPK(own rawKey) {
	l.t.Helper()
	l.Do(peer.Object{"op": "rpk", "ep": endpoint, "key": hex.EncodeToString(own.public)})
}

// withCertificate are Leshan's arguments for a server that has a certificate, and whose
// raw public key is that of the certificate.
func withCertificate(t *testing.T, set *testpki.Set) []string {
	t.Helper()
	files := set.Server.WriteFiles(t)
	return []string{"--cert", files.Cert, "--key", files.Key, "--trust", set.CA.WriteFile(t)}
}

// A whole life with raw public keys, on either curve, by the server's key and by its
// digest.
func TestLeshanRPK(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	server := management(t, withCertificate(t, set)...)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		own := newRawKey(t, curve)
		server.allowRPK(own)
		account := rpk(t, server.CoAPS(), own, set.Server)
		if curve == elliptic.P384() {
			account.Trust, account.Pins = "", []string{pinOf(set.Server.Cert)}
		}
		wholeLife(t, server, account)
	}
}

// A device that the server does not know by its key is refused: by Leshan at Register.
func TestLeshanRefusesAnotherRPK(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	server := management(t, withCertificate(t, set)...)
	server.allowRPK(newRawKey(t, elliptic.P256()))
	cfg := quick(t)
	cfg.Server = rpk(t, server.CoAPS(), newRawKey(t, elliptic.P256()), set.Server)
	c := start(t, cfg)
	if e := c.errorEvent(); e.Code != holdfast.CodeInvalidParameters || e.CoAP != "4.03" && e.CoAP != "4.00" {
		t.Errorf("%+v", e)
	}
	c.mustNotBeRegistered()
}

// Raw public keys get past the handshake with every server that has them; one that
// shows another key does not.
func TestHandshakeRPK(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	for _, s := range stacks {
		if s.name != "gnutls" && s.name != "libcoap-gnutls" {
			continue // OpenSSL 3.0 has none
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			private, err := set.Server.KeyPEM()
			if err != nil {
				t.Fatal(err)
			}
			both := append(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: set.Server.Cert.RawSubjectPublicKeyInfo}), private...)
			file := filepath.Join(t.TempDir(), "raw.pem")
			if err := os.WriteFile(file, both, 0o600); err != nil {
				t.Fatal(err)
			}
			security := peer.Security{Server: set.Server.WriteFiles(t), RawPublicKey: file}
			p := s.start(t, security)
			s.shakesHands(t, p, rpk(t, p.Addr, newRawKey(t, elliptic.P256()), set.Server))

			p = s.start(t, security)
			cfg := quick(t)
			cfg.Server = rpk(t, p.Addr, newRawKey(t, elliptic.P256()), set.Client)
			c := start(t, cfg)
			if e := c.errorEvent(); e.Code != holdfast.CodeSecureConnection {
				t.Errorf("another key: %+v", e)
			}
			c.mustNotBeRegistered()
			p.Kill() // GnuTLS's server spins from now on
		})
	}
}

// A bootstrap server that is reached with raw public keys delivers an account with raw
// public keys.
func TestLeshanBootstrapRPK(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{"TLV": "TLV", "SenMLCBOR": "SENML_CBOR"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := testpki.Must(t, endpoint)
			first, next := newRawKey(t, elliptic.P256()), newRawKey(t, elliptic.P384())
			server, bs := management(t, withCertificate(t, set)...), bootstrap(t, withCertificate(t, set)...)
			server.allowRPK(next)
			bs.allowRPK(first)
			bs.provision(format, peer.Object{
				"instance": 1, "ssid": shortServerID, "uri": "coaps://" + server.CoAPS(), "mode": "RPK",
				"cert": hex.EncodeToString(next.public), "key": hex.EncodeToString(next.private),
				"server_cert": hex.EncodeToString(set.Server.Cert.RawSubjectPublicKeyInfo),
			})
			cfg := quick(t)
			cfg.Bootstrap = rpk(t, bs.CoAPS(), first, set.Server)
			bootstrapsAndRegisters(t, cfg, bs, server)
		})
	}
}

// bootstrapsAndRegisters runs a client that is bootstrapped and registers, and does so
// without a bootstrap when it starts again.
func bootstrapsAndRegisters(t *testing.T, cfg holdfast.Config, bs, server *leshan) {
	t.Helper()
	c := start(t, cfg)
	c.bootstrapped()
	bs.event("bs_end")
	c.registered()
	server.event("registered")
	if errs := c.errorsSeen(); len(errs) > 0 {
		t.Errorf("errors: %s", c.story())
	}
	c.leave()
	again := start(t, cfg)
	again.registered()
	again.leave()
}

// Leshan's names of the certificate usages, by their numbers.
var leshanUsages = []string{"CA_CONSTRAINT", "SERVICE_CERTIFICATE_CONSTRAINT", "TRUST_ANCHOR_ASSERTION", "DOMAIN_ISSUER_CERTIFICATE"}

// chain is a server whose certificate an authority between it and the root has issued.
type chain struct{ root, middle, leaf *testpki.Node }

func newChain(t *testing.T, name string) chain {
	t.Helper()
	c := chain{root: testpki.Root(t, "root", nil)}
	c.middle = c.root.Sub(t, "middle", nil)
	c.leaf = c.middle.Leaf(t, name, func(cert *certificates.Certificate) {
		if name == "" {
			cert.DNSNames, cert.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)}
		}
	})
	return c
}

// arguments are Leshan's for the chain; the device's certificate is of the set.
func (c chain) arguments(t *testing.T, set *testpki.Set) []string {
	t.Helper()
	files := (&testpki.Leaf{Cert: c.leaf.Cert, Key: c.leaf.Key}).WriteFiles(t)
	both := append(testpki.CertPEM(c.leaf.Cert), testpki.CertPEM(c.middle.Cert)...)
	if err := os.WriteFile(files.Cert, both, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--cert", files.Cert, "--key", files.Key, "--trust", set.CA.WriteFile(t)}
}

// Leshan's bootstrap server delivers accounts of every certificate usage, with
// certificates and with digests, and a name that is not in the URI.
func TestLeshanBootstrapByCertificateUsage(t *testing.T) {
	t.Parallel()
	const name = "lwm2m.example"
	set, c := testpki.Must(t, endpoint), newChain(t, name)
	server, bs := management(t, c.arguments(t, set)...), bootstrap(t)
	server.Do(peer.Object{"op": "x509", "ep": endpoint})
	bs.allowPSK(testKey)
	key, err := set.Client.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	for usage, leshanName := range leshanUsages {
		known := []*testpki.Node{c.middle, c.leaf, c.middle, c.leaf}[usage].Cert
		sum256, sum512 := sha256.Sum256(known.Raw), sha512.Sum512(known.RawSubjectPublicKeyInfo)
		for matching, content := range map[string][]byte{"EXACT_MATCH": known.Raw, "SHA256": sum256[:], "SHA512": sum512[:]} {
			bs.provision("TLV", peer.Object{
				"instance": 1, "ssid": shortServerID, "uri": "coaps://" + server.CoAPS(), "mode": "X509",
				"cert": hex.EncodeToString(set.Client.Cert.Raw), "key": hex.EncodeToString(key),
				"server_cert": hex.EncodeToString(content), "usage": leshanName, "matching": matching, "sni": name,
			})
			cfg := quick(t)
			cfg.Bootstrap = psk(bs.CoAPS(), testKey)
			cfg.TrustStore = writePEM(t, "CERTIFICATE", c.root.Cert.Raw)
			t.Logf("usage %d, %s", usage, matching)
			bootstrapsAndRegisters(t, cfg, bs, server)
		}
	}
}

// Leshan is told why a device without a trust store does not take an account.
func TestLeshanBootstrapWithoutATrustStore(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	bs := bootstrap(t)
	key, err := set.Client.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	bs.provision("TLV", peer.Object{
		"instance": 1, "ssid": shortServerID, "uri": "coaps://127.0.0.1:1", "mode": "X509",
		"cert": hex.EncodeToString(set.Client.Cert.Raw), "key": hex.EncodeToString(key),
		"server_cert": hex.EncodeToString(set.CA.Cert.Raw), "usage": leshanUsages[0],
	})
	cfg := quick(t)
	cfg.Bootstrap = noSec(bs.CoAP())
	c := start(t, cfg)
	if r := bs.event("bs_response_error"); r["code"] != "NOT_ACCEPTABLE(406)" || !strings.Contains(fmt.Sprint(r["message"]), "trust_store") {
		t.Errorf("Leshan was answered %v", r)
	}
	bs.event("bs_failed")
	c.mustNotBeRegistered()
}

// The usages that need a trust store, at every server that has certificates.
func TestHandshakeByCertificateUsage(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for usage, known := range map[holdfast.CertificateUsage]*certificates.Certificate{
				holdfast.UsagePKIXTA: set.CA.Cert, holdfast.UsagePKIXEE: set.Server.Cert,
			} {
				p := s.start(t, peer.Security{Server: set.Server.WriteFiles(t), CA: set.CA.WriteFile(t)})
				cfg := quick(t)
				cfg.Server, cfg.TrustStore = x509(t, p.Addr, set.Client, set.CA), set.CA.WriteFile(t)
				cfg.Server.Usage, cfg.Server.Trust, cfg.Server.Pins = usage, "", []string{pinOf(known)}
				s.shakesHandsWith(t, p, cfg)
			}
		})
	}
}

// Every usage by configuration, with certificates and with pins.
func TestLeshanByCertificateUsage(t *testing.T) {
	t.Parallel()
	set, c := testpki.Must(t, endpoint), newChain(t, "")
	usages := []holdfast.CertificateUsage{holdfast.UsagePKIXTA, holdfast.UsagePKIXEE, holdfast.UsageDANETA, holdfast.UsageDANEEE}
	server := management(t, c.arguments(t, set)...)
	server.Do(peer.Object{"op": "x509", "ep": endpoint})
	for usage, name := range usages {
		known := []*testpki.Node{c.middle, c.leaf, c.middle, c.leaf}[usage].Cert
		for _, pinned := range []bool{false, true} {
			account := x509(t, server.CoAPS(), set.Client, set.CA)
			account.Usage, account.Trust = name, writePEM(t, "CERTIFICATE", known.Raw)
			if pinned {
				account.Trust, account.Pins = "", []string{pinOf(known)}
			}
			cfg := quick(t)
			cfg.Server, cfg.TrustStore = account, writePEM(t, "CERTIFICATE", c.root.Cert.Raw)
			client := start(t, cfg)
			client.registered()
			if errs := client.errorsSeen(); len(errs) > 0 {
				t.Errorf("usage %d, pinned %t: %s", usage, pinned, client.story())
			}
			client.leave()
		}
	}
}
