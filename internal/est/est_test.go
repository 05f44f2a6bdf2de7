package est

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// authority issues what a test asks for.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string, issuer *authority) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: day(1), NotAfter: day(3000), KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{key: key}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) issue(t testing.TB, public any, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "gw-1"}, NotBefore: day(10), NotAfter: day(20),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

// Writing PKCS #7 is what servers do; encoding/asn1 is another implementation than the one
// that reads here.
type signedData struct {
	Version      int
	Digests      asn1.RawValue
	Content      encapsulated
	Certificates asn1.RawValue
	CRLs         asn1.RawValue `asn1:"optional"`
	Signers      asn1.RawValue
	After        asn1.RawValue `asn1:"optional"`
}

type encapsulated struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"optional"`
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content signedData `asn1:"explicit,tag:0"`
}

func emptySet() asn1.RawValue { return asn1.RawValue{Tag: asn1.TagSet, IsCompound: true} }

// certsOnly writes an answer.
func certsOnly(t testing.TB, change func(*contentInfo), certificates ...*x509.Certificate) []byte {
	t.Helper()
	info := contentInfo{Type: oidSignedData, Content: signedData{Version: 1, Digests: emptySet(), Signers: emptySet()}}
	info.Content.Content.Type = oidData
	var all []byte
	for _, c := range certificates {
		all = append(all, c.Raw...)
	}
	info.Content.Certificates = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: all}
	if change != nil {
		change(&info)
	}
	data, err := asn1.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newRequest(t testing.TB, present []byte, endpoint string) Request {
	t.Helper()
	r, err := NewRequest(rand.Reader, present, endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func reasonOf(err error) Reason {
	if e, ok := errors.AsType[*CertificateError](err); ok {
		return e.Reason
	}
	return ""
}

func TestRequestAsksForTheEndpointName(t *testing.T) {
	r := newRequest(t, nil, "gw-1")
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err != nil || csr.CheckSignature() != nil {
		t.Fatalf("%v, signature: %v", err, csr.CheckSignature())
	}
	key := csr.PublicKey.(*ecdsa.PublicKey)
	if csr.Subject.String() != "CN=gw-1" || key.Curve != elliptic.P256() || r.Check() != nil {
		t.Errorf("asks for %v on %v, check: %v", csr.Subject, key.Curve.Params().Name, r.Check())
	}
	secret := fmt.Sprint(secretOf(t, r))
	if text := fmt.Sprintf("%v %+v", r, r); strings.Contains(text, strings.Trim(secret, "[]")) {
		t.Errorf("printed, a request has its key: %s", text)
	}
	if text, hex := fmt.Sprintf("%#v", r), fmt.Sprintf("%#v", secretOf(t, r)[:8]); strings.Contains(text, hex[len("[]byte{"):len(hex)-1]) {
		t.Errorf("printed, a request has its key: %s", text)
	}
}

func secretOf(t *testing.T, r Request) []byte {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(r.Key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := key.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestRequestRepeatsThePresentSubject(t *testing.T) {
	ca := newAuthority(t, "CA", nil)
	first := newRequest(t, nil, "gw-1")
	csr, key, err := first.wanted()
	if err != nil || csr.Subject.CommonName != "gw-1" {
		t.Fatal(csr, err)
	}
	present := ca.issue(t, key, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "gw-1", Organization: []string{"Acme"}, SerialNumber: "7"}
		c.DNSNames = []string{"gw-1.example"}
	})
	r := newRequest(t, present.Raw, "other")
	again, _, err := r.wanted()
	if err != nil || !bytes.Equal(again.RawSubject, present.RawSubject) || len(again.DNSNames) != 1 {
		t.Fatalf("asks for %v, %v: %v", again.Subject, again.DNSNames, err)
	}
	if bytes.Equal(r.Key, first.Key) {
		t.Error("the key is the old one")
	}
}

func TestRequestRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		present  []byte
		endpoint string
		want     Reason
	}{
		"no name":       {nil, "", ReasonEndpoint},
		"a long name":   {nil, string(bytes.Repeat([]byte("x"), 65)), ReasonEndpoint},
		"no UTF-8":      {nil, "gw\xff", ReasonEndpoint},
		"a broken leaf": {[]byte("garbage"), "gw-1", ReasonPresent},
	} {
		if _, err := NewRequest(rand.Reader, c.present, c.endpoint); reasonOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	one, other := newRequest(t, nil, "gw-1"), newRequest(t, nil, "gw-1")
	for name, r := range map[string]Request{
		"another key": {Key: one.Key, CSR: other.CSR}, "no key": {CSR: one.CSR}, "no request": {Key: one.Key},
	} {
		if err := r.Check(); reasonOf(err) != ReasonRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecode(t *testing.T) {
	ca := newAuthority(t, "CA", nil)
	leaf := ca.issue(t, &ca.key.PublicKey, nil)
	many := make([]*x509.Certificate, MaxCertificates+1)
	for i := range many {
		many[i] = leaf
	}
	good := certsOnly(t, nil, leaf, ca.cert)
	other := asn1.ObjectIdentifier{1, 2, 3}
	for name, c := range map[string]struct {
		format lwm2m.Format
		data   []byte
		want   Reason
		count  int
	}{
		"two":                    {FormatCertsOnly, good, "", 2},
		"a certificate":          {FormatCertificate, leaf.Raw, "", 1},
		"with a digest":          {FormatCertsOnly, certsOnly(t, func(i *contentInfo) { i.Content.Digests.Bytes = []byte{0x30, 0} }, leaf), "", 1},
		"with CRLs":              {FormatCertsOnly, certsOnly(t, func(i *contentInfo) { i.Content.CRLs = asn1.RawValue{Class: 2, Tag: 1, IsCompound: true} }, leaf), "", 1},
		"text":                   {lwm2m.FormatText, good, ReasonFormat, 0},
		"two in place of one":    {FormatCertificate, append(bytes.Clone(leaf.Raw), ca.cert.Raw...), ReasonCertificate, 0},
		"PKCS #7 in its place":   {FormatCertificate, good, ReasonCertificate, 0},
		"none":                   {FormatCertsOnly, certsOnly(t, nil), ReasonNone, 0},
		"as many as there may":   {FormatCertsOnly, certsOnly(t, nil, many[1:]...), "", MaxCertificates},
		"too many":               {FormatCertsOnly, certsOnly(t, nil, many...), ReasonTooMany, 0},
		"too large":              {FormatCertsOnly, make([]byte, MaxAnswer+1), ReasonTooLarge, 0},
		"bytes behind":           {FormatCertsOnly, append(bytes.Clone(good), 0), ReasonNotCertsOnly, 0},
		"cut off":                {FormatCertsOnly, good[:len(good)-1], ReasonNotCertsOnly, 0},
		"nothing":                {FormatCertsOnly, nil, ReasonNotCertsOnly, 0},
		"another type":           {FormatCertsOnly, certsOnly(t, func(i *contentInfo) { i.Type = other }, leaf), ReasonNotCertsOnly, 0},
		"another content":        {FormatCertsOnly, certsOnly(t, func(i *contentInfo) { i.Content.Content.Type = other }, leaf), ReasonNotCertsOnly, 0},
		"another version":        {FormatCertsOnly, certsOnly(t, func(i *contentInfo) { i.Content.Version = 3 }, leaf), ReasonNotCertsOnly, 0},
		"signed":                 {FormatCertsOnly, certsOnly(t, func(i *contentInfo) { i.Content.Signers.Bytes = []byte{0x30, 0} }, leaf), ReasonNotCertsOnly, 0},
		"an empty certificate":   {FormatCertsOnly, certsOnly(t, func(i *contentInfo) { i.Content.Certificates.Bytes = []byte{0x30, 0} }), ReasonCertificate, 0},
		"an attribute":           {FormatCertsOnly, certsOnly(t, func(i *contentInfo) { i.Content.Certificates.Bytes = []byte{0xa1, 0} }), ReasonNotCertsOnly, 0},
		"with a content":         {FormatCertsOnly, certsOnly(t, func(i *contentInfo) { i.Content.Content.Content = emptySet() }, leaf), ReasonNotCertsOnly, 0},
		"something behind":       {FormatCertsOnly, certsOnly(t, func(i *contentInfo) { i.Content.After = emptySet() }, leaf), ReasonNotCertsOnly, 0},
		"a length of indefinite": {FormatCertsOnly, []byte{0x30, 0x80, 0, 0}, ReasonNotCertsOnly, 0},
	} {
		got, err := Decode(c.format, c.data)
		if reasonOf(err) != c.want || (err != nil) != (c.want != "") || len(got) != c.count {
			t.Errorf("%s: %d certificates, %v", name, len(got), err)
		}
	}
}

func TestDecodeWhatOpenSSLWrites(t *testing.T) {
	data, err := os.ReadFile("testdata/openssl.p7")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(FormatCertsOnly, data)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d certificates: %v", len(got), err)
	}
	names := got[0].Subject.CommonName + ", " + got[1].Subject.CommonName
	if names != "gw-1, EST CA" && names != "EST CA, gw-1" {
		t.Errorf("certificates of %s", names)
	}
}

func TestRoot(t *testing.T) {
	for links, want := range map[string]string{
		`</.well-known/est/sen>;rt="ace.est.sen",</.well-known/est/sren>;rt="ace.est.sren"`: "[.well-known est]",
		`</est/crts>;rt="ace.est.crts";ct="281 287",</est/sen>;rt="ace.est.sen"`:            "[est]",
		`</a/b/sen>;rt="other ace.est.sen"`:                                                 "[a b]",
		`</est/crts>;rt="ace.est.crts"`:                                                     "",
		`</sen>;rt="ace.est.sen"`:                                                           "",
		`</est/enrol>;rt="ace.est.sen"`:                                                     "",
		`</est//sen>;rt="ace.est.sen"`:                                                      "",
		`<coap://other/est/sen>;rt="ace.est.sen"`:                                           "",
		`<`: "",
		``:  "",
	} {
		got, found := Root([]byte(links), Enrol)
		if text := fmt.Sprint(got); found != (want != "") || found && text != want {
			t.Errorf("%s: %v, %v", links, got, found)
		}
	}
}

func clockAt(n int) validity.Clock { return validity.Clock{Now: day(n)} }
