package behaviour_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// hierarchy is a world whose management server shows a leaf and the authority between
// it and the root.
type hierarchy struct {
	*site
	root, middle, leaf *testpki.Node
}

func newHierarchy(t *testing.T) *hierarchy {
	s := newSite(t)
	h := &hierarchy{site: s, root: testpki.Root(t, "root", nil)}
	h.middle = h.root.Sub(t, "middle", nil)
	h.leaf = h.middle.Leaf(t, "server", func(c *x509.Certificate) { c.IPAddresses = []net.IP{systemtest.ServerAddr.AsSlice()} })
	s.server = &testpki.Leaf{Cert: h.leaf.Cert, Key: h.leaf.Key}
	s.service.SetCertificate(h.leaf.TLS(h.middle))
	return h
}

// node is what an account of a usage knows of the server.
func (h *hierarchy) node(usage uint8) *x509.Certificate {
	return []*x509.Certificate{h.middle.Cert, h.leaf.Cert, h.middle.Cert, h.leaf.Cert}[usage]
}

var usages = []holdfast.CertificateUsage{holdfast.UsagePKIXTA, holdfast.UsagePKIXEE, holdfast.UsageDANETA, holdfast.UsageDANEEE}

// Every certificate usage, by configuration, with certificates and with pins.
func TestRegisterByCertificateUsage(t *testing.T) {
	for i, usage := range usages {
		for _, pinned := range []bool{false, true} {
			t.Run(string(usage)+map[bool]string{true: " pinned", false: ""}[pinned], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHierarchy(t)
					defer h.Close()
					cfg := h.managed()
					cfg.TrustStoreAnchors = [][]byte{h.root.Cert.Raw}
					known := h.node(uint8(i))
					cfg.Server.Usage, cfg.Server.TrustAnchors = usage, [][]byte{known.Raw}
					if pinned {
						digest := sha256.Sum256(known.RawSubjectPublicKeyInfo)
						cfg.Server.TrustAnchors, cfg.Server.Pins = nil, []string{"sha256/" + base64.StdEncoding.EncodeToString(digest[:])}
					}
					c := h.Start(cfg)
					c.WaitFor(holdfast.Registered)
					c.ExpectClose(nil)
				})
			})
		}
	}
}

// One that is not the right one is code 12, and tried again; when the server is put
// right, the client registers.
func TestServerIsNotWhatItsUsageSays(t *testing.T) {
	for i, usage := range usages {
		t.Run(string(usage), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHierarchy(t)
				defer h.Close()
				cfg := h.managed()
				cfg.TrustStoreAnchors = [][]byte{h.root.Cert.Raw}
				cfg.Server.Usage, cfg.Server.TrustAnchors = usage, [][]byte{h.node(uint8(i)).Raw}
				beside := h.root.Sub(t, "beside", nil) // of the same root: only what is stored tells
				other := beside.Leaf(t, "server", func(c *x509.Certificate) { c.IPAddresses = h.leaf.Cert.IPAddresses })
				h.service.SetCertificate(other.TLS(beside))
				c := h.Start(cfg)
				if e := c.ExpectError(holdfast.CodeSecureConnection); e.Action != holdfast.ActionRetry {
					t.Errorf("%+v", e)
				}
				h.service.SetCertificate(h.leaf.TLS(h.middle))
				c.WaitFor(holdfast.Registered)
				c.ExpectClose(nil)
			})
		})
	}
}

// A bootstrap delivers accounts of every usage. Those that need a trust store a device
// without one refuses: it says what to configure, and takes them once it is.
func TestBootstrapByCertificateUsage(t *testing.T) {
	for usage := range uint8(4) {
		for _, matching := range []uint8{0, 1} {
			synctest.Test(t, func(t *testing.T) {
				h := newHierarchy(t)
				defer h.Close()
				cfg := h.delivered(public(t, h.token.leaf))
				known := h.node(usage).Raw
				if matching == 1 {
					digest := sha256.Sum256(known)
					known = digest[:]
				}
				h.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: lwm2mtest.AccountConfig{
					URI: "coaps://192.0.2.1", Certificate: h.token.leaf.Cert.Raw, PrivateKey: public(t, h.token.leaf),
					ServerCertificate: known, CertificateUsage: &usage, MatchingType: matching,
				}.Writes()})
				if usage < 2 {
					c := h.Start(cfg)
					e := c.ExpectError(holdfast.CodeBootstrapFailed)
					if err := e.Err(); err == nil || !strings.Contains(err.Error(), "configure trust_store") {
						t.Errorf("usage %d: %v", usage, err)
					}
					c.ExpectClose(holdfast.ErrNotRegistered)
				}
				cfg.TrustStoreAnchors = [][]byte{h.root.Cert.Raw}
				c := h.Start(cfg)
				c.WaitFor(holdfast.Registered)
				c.ExpectClose(nil)

				cfg.TrustStoreAnchors = nil // the account is in the store
				if c = h.Start(cfg); usage < 2 {
					e := c.ExpectError(holdfast.CodeInvalidCredentials)
					if err := e.Err(); !errors.Is(err, holdfast.ErrInvalidCredentials) || !strings.Contains(err.Error(), "configure trust_store") {
						t.Errorf("usage %d: %v", usage, err)
					}
					c.ExpectClose(holdfast.ErrNotRegistered)
					return
				}
				c.WaitFor(holdfast.Registered)
				c.ExpectClose(nil)
			})
		}
	}
}

// A trust store that cannot be read is code 4, and looked at again: the client goes on
// when it can.
func TestTrustStoreIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHierarchy(t)
		defer h.Close()
		cfg := h.managed()
		cfg.TrustStore = filepath.Join(t.TempDir(), "roots.pem")
		cfg.Server.Usage, cfg.Server.TrustAnchors = holdfast.UsagePKIXEE, [][]byte{h.leaf.Cert.Raw}
		c := h.Start(cfg)
		e := c.ExpectError(holdfast.CodeInvalidCredentials)
		if err := e.Err(); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "trust_store") {
			t.Errorf("%v", err)
		}
		if err := os.WriteFile(cfg.TrustStore, testpki.CertPEM(h.root.Cert), 0o600); err != nil {
			t.Fatal(err)
		}
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	})
}
