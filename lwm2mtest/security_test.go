package lwm2mtest

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/pion/dtls/v2"
)

// What is known to be wrong with pion's server, and can be left out, is left out
// (SECURITY.md, Advisories): suites of ECDHE_PSK, stores of sessions, Connection IDs.
func TestWhatIsWrongWithPionIsNotConfigured(t *testing.T) {
	ecdhePSK := []dtls.CipherSuiteID{dtls.TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256}
	for name, security := range map[string]Security{
		"PSK":  PSK("device", []byte("0123456789abcdef")),
		"X509": X509(tls.Certificate{}, x509.NewCertPool()),
	} {
		c := (&Service{security: security}).dtlsConfig()
		if len(c.CipherSuites) == 0 {
			t.Errorf("%s: pion chooses the suites", name)
		}
		for _, id := range c.CipherSuites {
			if slices.Contains(ecdhePSK, id) {
				t.Errorf("%s: suite %v", name, id)
			}
		}
		if c.SessionStore != nil || c.ConnectionIDGenerator != nil || c.InsecureHashes || c.InsecureSkipVerify {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
