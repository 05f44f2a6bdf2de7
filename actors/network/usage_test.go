package network

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/messages"
)

// bench has what servers may show, right and wrong: root issues middle, and middle the
// leaf.
type bench struct {
	t                  *testing.T
	root, middle, leaf *testpki.Node
	stranger           *testpki.Node // an authority that nobody trusts
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, root: testpki.Root(t, "root", nil), stranger: testpki.Root(t, "root", nil)}
	b.middle = b.root.Sub(t, "middle", nil)
	b.leaf = b.middle.Leaf(t, testpki.ServerName, nil)
	return b
}

// shows is what a server shows.
func shows(nodes ...*testpki.Node) (chain []*x509.Certificate) {
	for _, n := range nodes {
		chain = append(chain, n.Cert)
	}
	return chain
}

// good is the chain as it should be.
func (b *bench) good() []*x509.Certificate { return shows(b.leaf, b.middle) }

// judge is a verifier of a usage, for what is stored and in the trust store.
func (b *bench) judge(usage messages.CertificateUsage, matching messages.MatchingType, store []*x509.Certificate, content ...[]byte) verifier {
	b.t.Helper()
	v, err := newVerifier(messages.Credentials{Usage: usage, Matching: matching, ServerCertificates: content}, testpki.ServerName, times{now: time.Now()})
	if err != nil {
		b.t.Fatal(err)
	}
	s := &security{server: v}
	if err := s.rely(func() (Authorities, error) { return Authorities{Pool: poolOf(store), List: store}, nil }); err != nil {
		b.t.Fatal(err)
	}
	if err := s.ready(); err != nil {
		b.t.Fatal(err)
	}
	return v
}

func judged(v verifier, chain []*x509.Certificate) error {
	switch v := v.(type) {
	case *pinned:
		return v.verify(chain, time.Now())
	case *pkix:
		return v.verify(chain, time.Now())
	}
	panic("no chain is verified by it")
}

// usual is the usual verifier of each usage: the authority middle, or the leaf, and
// root in the trust store.
func (b *bench) usual(usage messages.CertificateUsage) verifier {
	b.t.Helper()
	content := map[messages.CertificateUsage][]byte{0: b.middle.Cert.Raw, 1: b.leaf.Cert.Raw, 2: b.root.Cert.Raw, 3: b.leaf.Cert.Raw}
	return b.judge(usage, messages.MatchExact, shows(b.root), content[usage])
}

func TestEveryUsageTakesItsServer(t *testing.T) {
	b := newBench(t)
	for usage := range messages.CertificateUsage(4) {
		for name, chain := range map[string][]*x509.Certificate{
			"leaf and authority": b.good(),
			"all":                shows(b.leaf, b.middle, b.root),
			"in disorder":        shows(b.leaf, b.root, b.middle),
			"and a stray one":    shows(b.leaf, b.stranger, b.middle),
		} {
			if err := judged(b.usual(usage), chain); err != nil {
				t.Errorf("usage %d, %s: %v", usage, name, err)
			}
		}
	}
}

// hostile is a server that some usages must not take. What it shows is made of the
// bench; the leaf of usages 1 and 3 is what it shows, so that nothing but the fault can
// be why it is refused.
type hostile struct {
	name   string
	why    string // a part of the error
	shown  func(*bench) []*x509.Certificate
	usages [4]bool // that refuse it; RFC 7671 section 5.1: usage 3 looks at nothing but the leaf
}

var (
	allButPinned = [4]bool{true, true, true, false}
	constraints  = func(change func(*x509.Certificate)) func(*bench) []*x509.Certificate {
		return func(b *bench) []*x509.Certificate {
			b.middle = b.root.Sub(b.t, "middle", change)
			b.leaf = b.middle.Leaf(b.t, testpki.ServerName, nil)
			return b.good()
		}
	}
	leafWith = func(change func(*x509.Certificate)) func(*bench) []*x509.Certificate {
		return func(b *bench) []*x509.Certificate {
			b.leaf = b.middle.Leaf(b.t, testpki.ServerName, change)
			return b.good()
		}
	}
)

var hostiles = []hostile{
	{"another authority of the same name", "ECDSA verification failure", func(b *bench) []*x509.Certificate {
		middle := b.stranger.Sub(b.t, "middle", nil)
		b.leaf = middle.Leaf(b.t, testpki.ServerName, nil)
		return shows(b.leaf, middle, b.stranger)
	}, allButPinned},
	{"self-signed", "unknown authority", func(b *bench) []*x509.Certificate {
		b.leaf = testpki.Root(b.t, testpki.ServerName, serves)
		return shows(b.leaf)
	}, allButPinned},
	{"expired", "has expired", leafWith(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), allButPinned},
	{"expired authority", "has expired", constraints(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), allButPinned},
	{"not valid yet", "is not valid before", leafWith(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), allButPinned},
	{"another name", "it is not issued for", leafWith(func(c *x509.Certificate) { c.DNSNames = []string{"other.test"} }), allButPinned},
	{"the name as common name only", "as common name only", leafWith(func(c *x509.Certificate) { c.DNSNames = nil }), allButPinned},
	{"a wildcard", "wildcards do not count", leafWith(func(c *x509.Certificate) { c.DNSNames = []string{"*.test"} }), allButPinned},
	{"for clients", "incompatible key usage", leafWith(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), allButPinned},
	{"not for signatures", "digital signatures", leafWith(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), allButPinned},
	{"an authority as the server", "digital signatures", func(b *bench) []*x509.Certificate {
		b.leaf = b.middle.Sub(b.t, testpki.ServerName, func(c *x509.Certificate) { c.DNSNames = []string{testpki.ServerName} })
		return b.good()
	}, allButPinned},
	{"a leaf as the authority", "cannot sign", func(b *bench) []*x509.Certificate {
		b.middle = b.root.Leaf(b.t, "middle", nil)
		b.leaf = b.middle.Leaf(b.t, testpki.ServerName, nil)
		return b.good()
	}, allButPinned},
	{"an authority that may not sign", "cannot sign", constraints(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), allButPinned},
	{"an authority for clients", "incompatible key usage", constraints(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), allButPinned},
	{"too long a path", "path length", func(b *bench) []*x509.Certificate {
		b.middle = b.root.Sub(b.t, "middle", func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
		below := b.middle.Sub(b.t, "below", nil)
		b.leaf = below.Leaf(b.t, testpki.ServerName, nil)
		return shows(b.leaf, below, b.middle)
	}, allButPinned},
	{"a name that is excluded", "is excluded", constraints(func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"test"} }), allButPinned},
	{"a name that is not permitted", "is not permitted", constraints(func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example"}, true
	}), allButPinned},
	{"an address that is not permitted", "is not permitted", func(b *bench) []*x509.Certificate {
		_, network, _ := net.ParseCIDR("198.51.100.0/24")
		b.middle = b.root.Sub(b.t, "middle", func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{network} })
		b.leaf = b.middle.Leaf(b.t, testpki.ServerName, func(c *x509.Certificate) { c.IPAddresses = []net.IP{{192, 0, 2, 1}} })
		return b.good()
	}, allButPinned},
	{"signed with SHA-1", "insecure algorithm ECDSA-SHA1", signedBySHA1, allButPinned},
	{"signed with MD5", "insecure algorithm MD5-RSA", signedWith(x509.MD5WithRSA), allButPinned},
	{"without the authority", "unknown authority", func(b *bench) []*x509.Certificate {
		return shows(b.leaf)
	}, [4]bool{false, true, true, false}}, // usage 0 knows it
	{"many authorities of one name", "ECDSA verification failure", func(b *bench) []*x509.Certificate {
		chain := shows(b.leaf)
		for range 9 { // each might have issued each
			chain = append(chain, b.stranger.Sub(b.t, "middle", func(c *x509.Certificate) { c.Subject, c.Issuer = b.middle.Cert.Subject, b.middle.Cert.Subject }).Cert)
		}
		b.middle = b.root.Sub(b.t, "middle", nil) // which has not issued the leaf
		return chain
	}, allButPinned},
	{"the key of somebody else with the same subject", "ECDSA verification failure", func(b *bench) []*x509.Certificate {
		forged := b.stranger.Sub(b.t, "middle", func(c *x509.Certificate) { c.SubjectKeyId = b.middle.Cert.SubjectKeyId })
		b.leaf = forged.Leaf(b.t, testpki.ServerName, nil)
		return shows(b.leaf, forged, b.middle)
	}, allButPinned},
}

// serves makes a self-signed authority one that could serve.
func serves(c *x509.Certificate) {
	c.DNSNames, c.KeyUsage = []string{testpki.ServerName}, x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
}

// signedWith has the leaf signed with an algorithm that is broken. Package x509 makes
// no such signature: it is written into a good certificate, and fails before it is
// computed with.
func signedWith(algorithm x509.SignatureAlgorithm) func(*bench) []*x509.Certificate {
	return func(b *bench) []*x509.Certificate {
		weak := *b.middle.Leaf(b.t, testpki.ServerName, nil).Cert
		weak.SignatureAlgorithm = algorithm
		b.leaf = &testpki.Node{Cert: &weak, Key: b.leaf.Key}
		return b.good()
	}
}

// The algorithms of a certificate, ECDSA with SHA-256 and with SHA-1 (RFC 5758 section
// 3.2, RFC 3279 section 2.2.3).
var (
	withSHA256 = []byte{0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}
	withSHA1   = []byte{0x30, 0x09, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1}
)

// signedBySHA1 has a leaf whose signature with SHA-1 is a true one.
func signedBySHA1(b *bench) []*x509.Certificate {
	b.t.Helper()
	good := b.middle.Leaf(b.t, testpki.ServerName, nil)
	var tbs asn1.RawValue
	if _, err := asn1.Unmarshal(good.Cert.RawTBSCertificate, &tbs); err != nil {
		b.t.Fatal(err)
	}
	tbs = asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: bytes.Replace(tbs.Bytes, withSHA256, withSHA1, 1)}
	signed, err := asn1.Marshal(tbs)
	if err != nil {
		b.t.Fatal(err)
	}
	digest := sha1.Sum(signed)
	signature, err := b.middle.Key.Sign(rand.Reader, digest[:], crypto.SHA1)
	if err != nil {
		b.t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(&b.middle.Key.PublicKey, digest[:], signature) {
		b.t.Fatal("the signature is none")
	}
	der, err := asn1.Marshal(struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}{asn1.RawValue{FullBytes: signed}, asn1.RawValue{FullBytes: withSHA1}, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		b.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil || cert.SignatureAlgorithm != x509.ECDSAWithSHA1 {
		b.t.Fatalf("%v, %v", cert, err)
	}
	b.leaf = &testpki.Node{Cert: cert, Key: good.Key}
	return b.good()
}

// Every usage against every hostile server.
func TestHostileServersByUsage(t *testing.T) {
	for _, h := range hostiles {
		t.Run(h.name, func(t *testing.T) {
			for usage, refuses := range h.usages {
				b := newBench(t)
				chain := h.shown(b)
				v := b.usual(messages.CertificateUsage(usage))
				if h.name == "self-signed" && usage == 0 {
					v = b.judge(0, messages.MatchExact, shows(b.root), b.leaf.Cert.Raw)
				}
				err := judged(v, chain)
				if (err != nil) != refuses || err != nil && !strings.Contains(err.Error(), h.why) {
					t.Errorf("usage %d: %v", usage, err)
				}
			}
		})
	}
}

// What is stored counts as much as the trust store: each of the two is wrong once.
func TestStoredAndTrustStoreBothCount(t *testing.T) {
	b := newBench(t)
	other := b.root.Sub(t, "other", nil)
	for name, c := range map[string]struct {
		v      verifier
		refuse func(error) bool
	}{
		"0, another authority of the store":  {b.judge(0, 0, shows(b.root), other.Cert.Raw), is[*UnexpectedAuthorityError]},
		"0, the leaf is no authority":        {b.judge(0, 0, shows(b.root), b.leaf.Cert.Raw), is[*UnexpectedAuthorityError]},
		"0, the root of the store":           {b.judge(0, 0, shows(b.root), b.root.Cert.Raw), nil},
		"0, one of several":                  {b.judge(0, 0, shows(b.stranger, b.root), other.Cert.Raw, b.middle.Cert.Raw), nil},
		"0, the store has another root":      {b.judge(0, 0, shows(b.stranger), b.middle.Cert.Raw), is[x509.UnknownAuthorityError]},
		"0, the store is empty":              {b.judge(0, 0, nil, b.middle.Cert.Raw), is[x509.UnknownAuthorityError]},
		"0, what is stored is no root by it": {b.judge(0, 0, shows(b.stranger), b.root.Cert.Raw), is[x509.UnknownAuthorityError]},
		"1, another leaf":                    {b.judge(1, 0, shows(b.root), b.middle.Leaf(t, testpki.ServerName, nil).Cert.Raw), is[*UnexpectedCertificateError]},
		"1, the authority is no leaf":        {b.judge(1, 0, shows(b.root), b.middle.Cert.Raw), is[*UnexpectedCertificateError]},
		"1, the store has another root":      {b.judge(1, 0, shows(b.stranger), b.leaf.Cert.Raw), is[x509.UnknownAuthorityError]},
		"1, the store is empty":              {b.judge(1, 0, nil, b.leaf.Cert.Raw), is[x509.UnknownAuthorityError]},
		"2, the trust store does not count":  {b.judge(2, 0, shows(b.root), b.stranger.Cert.Raw), is[x509.UnknownAuthorityError]},
		"2, an authority below the root":     {b.judge(2, 0, nil, b.middle.Cert.Raw), nil},
		"2, the leaf itself":                 {b.judge(2, 0, nil, b.leaf.Cert.Raw), nil},
		"3, another leaf":                    {b.judge(3, 0, shows(b.root), b.middle.Leaf(t, testpki.ServerName, nil).Cert.Raw), is[*UnexpectedCertificateError]},
		"3, the authority is no leaf":        {b.judge(3, 0, shows(b.root), b.middle.Cert.Raw), is[*UnexpectedCertificateError]},
	} {
		err := judged(c.v, b.good())
		switch {
		case c.refuse == nil && err != nil, c.refuse != nil && (err == nil || !c.refuse(err)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// digestOf is a digest, as a bootstrap server computes it.
func digestOf(matching messages.MatchingType, der []byte) []byte {
	h := matching.Hash().New()
	h.Write(der)
	return h.Sum(nil)
}

// A digest of the certificate or of its key stands for the certificate, and so does
// the key; those of another one do not.
func TestPinsByUsage(t *testing.T) {
	b := newBench(t)
	right := map[messages.CertificateUsage]*testpki.Node{0: b.middle, 1: b.leaf, 2: b.middle, 3: b.leaf}
	for usage, node := range right {
		for matching := range messages.MatchingType(4) {
			pin := func(der []byte) []byte {
				if matching == messages.MatchExact {
					return der
				}
				return digestOf(matching, der)
			}
			for name, c := range map[string]struct {
				content [][]byte
				ok      bool
			}{
				"certificate":    {[][]byte{pin(node.Cert.Raw)}, true},
				"key":            {[][]byte{pin(node.Cert.RawSubjectPublicKeyInfo)}, true},
				"the second one": {[][]byte{pin(b.stranger.Cert.Raw), pin(node.Cert.RawSubjectPublicKeyInfo)}, true},
				"another":        {[][]byte{pin(b.stranger.Cert.Raw)}, false},
				"another's key":  {[][]byte{pin(b.stranger.Cert.RawSubjectPublicKeyInfo)}, false},
			} {
				err := judged(b.judge(usage, matching, shows(b.root), c.content...), b.good())
				if (err == nil) != c.ok {
					t.Errorf("usage %d, matching type %d, %s: %v", usage, matching, name, err)
				}
			}
		}
	}
	// A renewed certificate with the same key goes on under the pin of the key only.
	renewed := *b.leaf
	again, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(7), DNSNames: []string{testpki.ServerName}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
	}, b.middle.Cert, b.leaf.Key.Public(), crypto.Signer(b.middle.Key))
	if err != nil {
		t.Fatal(err)
	}
	if renewed.Cert, err = x509.ParseCertificate(again); err != nil {
		t.Fatal(err)
	}
	for _, usage := range []messages.CertificateUsage{1, 3} {
		key := b.judge(usage, messages.MatchSHA256, shows(b.root), digestOf(messages.MatchSHA256, b.leaf.Cert.RawSubjectPublicKeyInfo))
		cert := b.judge(usage, messages.MatchSHA256, shows(b.root), digestOf(messages.MatchSHA256, b.leaf.Cert.Raw))
		if err := judged(key, shows(&renewed, b.middle)); err != nil {
			t.Errorf("usage %d, the pin of the key: %v", usage, err)
		}
		if err := judged(cert, shows(&renewed, b.middle)); !is[*UnexpectedCertificateError](err) {
			t.Errorf("usage %d, the pin of the certificate: %v", usage, err)
		}
	}
}

// An authority that is known by its digest only has to be shown by the server.
func TestAuthorityThatIsNotShown(t *testing.T) {
	b := newBench(t)
	v := b.judge(2, messages.MatchSHA256, nil, digestOf(messages.MatchSHA256, b.root.Cert.Raw))
	err := judged(v, b.good())
	wantAs[*UnexpectedAuthorityError](t, err)
	wantAs[x509.UnknownAuthorityError](t, err)
	if err := judged(v, shows(b.leaf, b.middle, b.root)); err != nil {
		t.Error(err)
	}
}

// What the clock alone is against stays a matter of the clock, with a trust store, too.
func TestTrustStoreAndTheClock(t *testing.T) {
	b := newBench(t)
	for usage := range messages.CertificateUsage(3) {
		v := b.usual(usage).(*pkix)
		err := v.verify(b.good(), b.leaf.Cert.NotBefore.Add(-time.Hour))
		if f := classify(&ServerCertificateError{err}); f.Class != messages.ClassClock {
			t.Errorf("usage %d: %v", usage, err)
		}
	}
}

// A device without a trust store, or one that cannot be read, sends nothing.
func TestTrustStoreThatIsNotThere(t *testing.T) {
	set := newSet(t)
	broken := errors.New("no such file")
	for usage := range messages.CertificateUsage(4) {
		c := x509Client(t, set, set.Client)
		c.Usage = usage
		m := New(testPeer, testEpoch)
		effects := m.Step(time.Now(), connect(t, "coaps://192.0.2.1", func(in *messages.Connect) {
			in.Credentials, in.Deadline = c, time.Now().Add(time.Minute)
		}))
		if !usage.NeedsTrustStore() {
			if m.State() == Lost {
				t.Errorf("usage %d: %v", usage, effects)
			}
			continue
		}
		f := lost(t, effects)
		if f.Class != messages.ClassBadCredentials || wantAs[*CredentialsError](t, f.Cause).Reason != NoTrustStore {
			t.Errorf("usage %d: %+v", usage, f)
		}
		s := secure(t, "coaps://server.test", c)
		if err := s.rely(func() (Authorities, error) { return Authorities{}, broken }); err != nil {
			t.Fatal(err)
		}
		_, err := establish(t.Context(), nil, open{remote: server, security: s}, nil, nil) // no transport: it would panic
		if got := wantAs[*CredentialsError](t, err); got.Reason != BadTrustStore || !errors.Is(err, broken) {
			t.Errorf("usage %d: %v", usage, err)
		}
		wantClass(t, err, messages.ClassBadCredentials)
	}
	if err := secure(t, "coaps://server.test", psk()).rely(nil); err != nil {
		t.Errorf("PSK: %v", err)
	}
	if err := (*security)(nil).rely(nil); err != nil {
		t.Errorf("NoSec: %v", err)
	}
	if s := secure(t, "coaps://server.test", psk()); s.ready() != nil {
		t.Error("PSK asks for a trust store")
	}
}

// A verifier that was never given a trust store takes nobody.
func TestTrustStoreThatWasForgotten(t *testing.T) {
	b := newBench(t)
	for usage, content := range map[messages.CertificateUsage][]byte{0: b.root.Cert.Raw, 1: b.leaf.Cert.Raw} {
		v, err := newVerifier(messages.Credentials{Usage: usage, ServerCertificates: [][]byte{content}}, testpki.ServerName, times{now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		wantAs[x509.UnknownAuthorityError](t, judged(v, shows(b.leaf, b.middle, b.root)))
		if v.(*pkix).roots(nil).Pool == nil {
			t.Errorf("usage %d: the roots of the system count", usage)
		}
	}
}

// Each usage, shaking hands with a server.
func TestHandshakesByUsage(t *testing.T) {
	for usage := range messages.CertificateUsage(4) {
		for _, pin := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				set, b := newSet(t), newBench(t)
				node := map[messages.CertificateUsage]*testpki.Node{0: b.middle, 1: b.leaf, 2: b.middle, 3: b.leaf}[usage]
				c := x509Client(t, set, set.Client)
				c.Usage, c.ServerCertificates = usage, [][]byte{node.Cert.Raw}
				if pin {
					c.Matching, c.ServerCertificates = messages.MatchSHA384, [][]byte{digestOf(messages.MatchSHA384, node.Cert.RawSubjectPublicKeyInfo)}
				}
				s := secure(t, "coaps://server.test", c)
				if err := s.rely(func() (Authorities, error) { return Authorities{Pool: poolOf(shows(b.root))}, nil }); err != nil {
					t.Fatal(err)
				}
				if err := s.ready(); err != nil {
					t.Fatal(err)
				}
				config := x509Server(set, set.Server)
				config.Certificates = nil
				config.Certificates = append(config.Certificates, b.leaf.TLS(b.middle))
				wantHandshake(t, config, s)
			})
		}
	}
}

func wantHandshake(t *testing.T, config *dtls.Config, s *security) {
	t.Helper()
	client, remote := newPipe(t)
	result := echo(remote, config)
	made, err := shakeHands(within(t, time.Minute), client, s, terms{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("server: %v", err)
	}
	wantEcho(t, made)
	if err := made.Close(); err != nil {
		t.Error(err)
	}
}

// Own keys on every curve that a handshake can sign with.
func TestOwnKeysByCurve(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		for name, encode := range map[string]func(*ecdsa.PrivateKey) ([]byte, error){
			"PKCS #8": func(k *ecdsa.PrivateKey) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k) },
			"SEC 1":   x509.MarshalECPrivateKey,
		} {
			t.Run(curve.Params().Name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					set := newSet(t)
					own, err := set.CA.Issue(testpki.Request{Role: testpki.Client, CommonName: "device", Curve: curve})
					if err != nil {
						t.Fatal(err)
					}
					c := x509Client(t, set, own)
					if c.PrivateKey, err = encode(own.Key); err != nil {
						t.Fatal(err)
					}
					wantHandshake(t, x509Server(set, set.Server), secure(t, "coaps://server.test", c))
				})
			})
		}
	}
}

// An RSA key above 8,192 bits would cost too much: it is refused where it is stored, too.
func TestStoredCertificateThatCostsTooMuch(t *testing.T) {
	b := newBench(t)
	huge := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 9000), E: 65537}
	huge.N.Add(huge.N, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, b.root.Cert, huge, crypto.Signer(b.root.Key))
	if err != nil {
		t.Fatal(err)
	}
	for usage := range messages.CertificateUsage(4) {
		_, err := newVerifier(messages.Credentials{Usage: usage, ServerCertificates: [][]byte{der}}, testpki.ServerName, times{})
		if got := wantAs[*CredentialsError](t, err).Reason; got != BadServerCertificate {
			t.Errorf("usage %d: %v", usage, err)
		}
	}
}

// A raw public key by its digest.
func TestRawPublicKeyByDigest(t *testing.T) {
	b := newBench(t)
	spki := b.leaf.Cert.RawSubjectPublicKeyInfo
	for matching := range messages.MatchingType(4) {
		pin := spki
		if matching != messages.MatchExact {
			pin = digestOf(matching, spki)
		}
		v, err := newPinnedKeys(messages.Credentials{Matching: matching, ServerCertificates: [][]byte{pin}})
		if err != nil {
			t.Fatal(err)
		}
		if err := v.verify(spki); err != nil {
			t.Errorf("%d: %v", matching, err)
		}
		wantAs[*UnexpectedKeyError](t, v.verify(b.middle.Cert.RawSubjectPublicKeyInfo))
	}
	_, err := newPinnedKeys(messages.Credentials{Matching: messages.MatchSHA256, ServerCertificates: [][]byte{spki}})
	if got := wantAs[*CredentialsError](t, err).Reason; got != BadDigest {
		t.Errorf("%v", err)
	}
}
