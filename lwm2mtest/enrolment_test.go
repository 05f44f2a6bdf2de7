package lwm2mtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// csrOf makes a key and a request for a certificate.
func csrOf(t *testing.T, name string) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	return key, must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key))(t)
}

// enrolMessage is a POST of a request for a certificate.
func (c *client) enrolMessage(path string, csr []byte, accept lwm2m.Format) coap.Message {
	m := c.message(lwm2m.CodePOST, strings.Split(path, "/"), nil, "")
	m.AddFormat(coap.ContentFormat, new(formatPKCS10))
	m.AddFormat(coap.Accept, &accept)
	m.Payload = csr
	return m
}

// issuedIn reads the certificates of an answer, with another reader than its writer.
func issuedIn(t *testing.T, m coap.Message) []*x509.Certificate {
	t.Helper()
	data := m.Payload
	if *m.Format(coap.ContentFormat) == formatCertsOnly {
		var info contentInfo
		if rest, err := asn1.Unmarshal(data, &info); err != nil || len(rest) > 0 || !info.Type.Equal(oidSignedData) {
			t.Fatalf("no PKCS #7: %v", err)
		}
		data = info.Content.Certificates.Bytes
	}
	return must(x509.ParseCertificates(data))(t)
}

func enrolmentBubble(t *testing.T, opts ServerOptions, e Enrolment, test func(t *testing.T, r *rig, c *client)) {
	t.Helper()
	serverBubble(t, opts, NoSec(), func(t *testing.T, r *rig) {
		e.Authority = must(NewAuthority("EST CA"))(t)
		r.server.SetEnrolment(&e)
		test(t, r, r.dial(5684))
	})
}

func TestEnrolmentIssues(t *testing.T) {
	enrolmentBubble(t, ServerOptions{}, Enrolment{Lifetime: time.Hour}, func(t *testing.T, r *rig, c *client) {
		key, csr := csrOf(t, "gw")
		for path, format := range map[string]lwm2m.Format{".well-known/est/sen": formatCertsOnly, "est/sen": formatCertificate} {
			answer := c.ask(c.enrolMessage(path, csr, format))
			assertCode(t, answer, lwm2m.CodeChanged)
			got := issuedIn(t, answer)
			leaf := got[0]
			if len(got) != 1 || !key.PublicKey.Equal(leaf.PublicKey) || leaf.Subject.CommonName != "gw" || leaf.NotAfter.Sub(leaf.NotBefore) != time.Hour {
				t.Errorf("%s: %d certificates, of %v for %v", path, len(got), leaf.Subject, leaf.NotAfter.Sub(leaf.NotBefore))
			}
			if err := leaf.CheckSignatureFrom(r.server.enrolments.Authority.Certificate()); err != nil {
				t.Error(err)
			}
		}
		crts := c.ask(c.message(lwm2m.CodeGET, []string{"est", "crts"}, nil, ""))
		assertCode(t, crts, lwm2m.CodeContent)
		if got := issuedIn(t, crts); len(got) != 1 || got[0].Subject.CommonName != "EST CA" {
			t.Errorf("authorities: %v", got)
		}
		if all := r.server.Enrolled(); len(all) != 2 || all[0].Again || !bytes.Equal(all[0].Request, csr) {
			t.Errorf("%d were issued", len(all))
		}
	})
}

func TestEnrolmentRefuses(t *testing.T) {
	enrolmentBubble(t, ServerOptions{}, Enrolment{WithoutAuthorities: true}, func(t *testing.T, r *rig, c *client) {
		_, csr := csrOf(t, "gw")
		broken := bytes.Clone(csr)
		broken[len(broken)-1] ^= 1
		text := c.enrolMessage("est/sen", csr, formatCertsOnly)
		text.Options = nil
		text.AddStrings(coap.URIPath, []string{"est", "sen"})
		for name, x := range map[string]struct {
			m    coap.Message
			want lwm2m.Code
		}{
			"another format":          {text, lwm2m.CodeUnsupportedFormat},
			"a broken signature":      {c.enrolMessage("est/sen", broken, formatCertsOnly), lwm2m.CodeBadRequest},
			"nothing":                 {c.enrolMessage("est/sen", nil, formatCertsOnly), lwm2m.CodeBadRequest},
			"a stranger, again":       {c.enrolMessage("est/sren", csr, formatCertsOnly), lwm2m.CodeForbidden},
			"an unknown format":       {c.enrolMessage("est/sen", csr, lwm2m.FormatText), lwm2m.CodeNotAcceptable},
			"authorities":             {c.message(lwm2m.CodeGET, []string{"est", "crts"}, nil, ""), lwm2m.CodeNotFound},
			"keys made by the server": {c.enrolMessage("est/skg", csr, formatCertsOnly), lwm2m.CodeNotFound},
		} {
			if answer := c.ask(x.m); answer.Code != x.want {
				t.Errorf("%s: %v", name, answer)
			}
		}
		r.server.Misbehave("", Enrol, 1, Behaviour{Answer: lwm2m.CodeServiceUnavailable, MaxAge: new(uint32(30))})
		answer := c.ask(c.enrolMessage("est/sen", csr, formatCertsOnly))
		if age, _ := answer.Uint(coap.MaxAge); answer.Code != lwm2m.CodeServiceUnavailable || age != 30 {
			t.Errorf("delayed: %v", answer)
		}
		r.server.SetEnrolment(nil)
		assertCode(t, c.ask(c.enrolMessage("est/sen", csr, formatCertsOnly)), lwm2m.CodeNotFound)
	})
}

func TestEnrolmentIsSpoiled(t *testing.T) {
	enrolmentBubble(t, ServerOptions{}, Enrolment{}, func(t *testing.T, r *rig, c *client) {
		key, csr := csrOf(t, "gw")
		other := must(NewAuthority("Other"))(t)
		for name, x := range map[string]struct {
			fault EnrolmentFault
			bad   func(*x509.Certificate) bool
		}{
			"key":       {EnrolmentFault{WrongKey: true}, func(c *x509.Certificate) bool { return !key.PublicKey.Equal(c.PublicKey) }},
			"name":      {EnrolmentFault{CommonName: "x"}, func(c *x509.Certificate) bool { return c.Subject.CommonName == "x" }},
			"expired":   {EnrolmentFault{Expired: true}, func(c *x509.Certificate) bool { return time.Since(c.NotAfter) == time.Minute }},
			"later":     {EnrolmentFault{ValidIn: time.Hour}, func(c *x509.Certificate) bool { return time.Until(c.NotBefore) == time.Hour }},
			"authority": {EnrolmentFault{Authority: other}, func(c *x509.Certificate) bool { return c.CheckSignatureFrom(other.certificate) == nil }},
			"nothing": {EnrolmentFault{}, func(c *x509.Certificate) bool {
				return key.PublicKey.Equal(c.PublicKey) && time.Until(c.NotAfter) == 24*time.Hour
			}},
		} {
			r.server.SpoilEnrolments(1, x.fault)
			if leaf := issuedIn(t, c.ask(c.enrolMessage("est/sen", csr, formatCertsOnly)))[0]; !x.bad(leaf) {
				t.Errorf("%s: %v from %v to %v", name, leaf.Subject, leaf.NotBefore, leaf.NotAfter)
			}
		}
		r.server.SpoilEnrolments(1, EnrolmentFault{Garbage: true})
		if answer := c.ask(c.enrolMessage("est/sen", csr, formatCertsOnly)); string(answer.Payload) != "no PKCS #7" {
			t.Errorf("garbage: %v", answer)
		}
	})
}

func TestEnrolmentIsFoundByDiscovery(t *testing.T) {
	enrolmentBubble(t, ServerOptions{BlockSize: 64}, Enrolment{ShortRootOnly: true}, func(t *testing.T, _ *rig, c *client) {
		_, csr := csrOf(t, "gw")
		assertCode(t, c.ask(c.enrolMessage(".well-known/est/sen", csr, formatCertsOnly)), lwm2m.CodeNotFound)
		path, query := []string{".well-known", "core"}, []string{"rt=ace.est*"}
		var links []byte
		for more := true; more; {
			m := c.message(lwm2m.CodeGET, path, query, "")
			if len(links) > 0 {
				block, _ := coap.At(len(links), false, coap.SZXForSize(64))
				m.AddBlock(coap.Block2, block)
			}
			answer := c.ask(m)
			assertCode(t, answer, lwm2m.CodeContent)
			block, ok := answer.Block(coap.Block2)
			if !ok || len(answer.Payload) > 64 || block.Offset() != len(links) {
				t.Fatalf("after %d bytes: %v", len(links), answer)
			}
			links, more = append(links, answer.Payload...), block.More
		}
		if !strings.Contains(string(links), `</est/sren>;rt="ace.est.sren"`) {
			t.Errorf("links: %s", links)
		}
	})
}

// TestEnrolmentAgainGoesByTheCertificate holds that sren is for the subject that DTLS has
// proved.
func TestEnrolmentAgainGoesByTheCertificate(t *testing.T) {
	enrolmentBubble(t, ServerOptions{}, Enrolment{}, func(t *testing.T, r *rig, c *client) {
		_, csr := csrOf(t, "gw")
		c.ask(c.enrolMessage("est/sen", csr, formatCertsOnly)) // makes the peer known
		r.server.mu.Lock()
		for _, p := range r.bs.peers {
			p.identity = "gw"
		}
		r.server.mu.Unlock()
		assertCode(t, c.ask(c.enrolMessage("est/sren", csr, formatCertsOnly)), lwm2m.CodeChanged)
		_, stranger := csrOf(t, "other")
		assertCode(t, c.ask(c.enrolMessage("est/sren", stranger, formatCertsOnly)), lwm2m.CodeForbidden)
		if all := r.server.Enrolled(); len(all) != 2 || !all[1].Again || all[1].Identity != "gw" {
			t.Errorf("issued: %+v", all)
		}
	})
}
