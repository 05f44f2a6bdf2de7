package bootstrap

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// Each certificate usage, with certificates and with digests: 0 and 1 are taken by a
// device with a trust store, and refused when the bootstrap is finished by one without,
// whose server is told why.
func TestFinishByCertificateUsage(t *testing.T) {
	set := testpki.Must(t, "gw")
	key, err := set.Client.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(set.CA.Cert.RawSubjectPublicKeyInfo)
	for usage := range uint64(4) {
		for _, matching := range []uint64{0, 1} {
			for _, store := range []bool{false, true} {
				body := rawKeys(set.Client.Cert.Raw, set.CA.Cert.Raw, key)
				for i, r := range body {
					switch {
					case r.ID == objects.SecurityMode:
						body[i].Value = lwm2m.Integer(objects.ModeX509)
					case r.ID == objects.SecurityServerPublicKey && matching == 1:
						body[i].Value = lwm2m.Opaque(digest[:])
					}
				}
				body = append(body, lwm2m.Resource{ID: objects.SecurityMatchingType, Value: lwm2m.Unsigned(matching)},
					lwm2m.Resource{ID: objects.SecurityCertificateUsage, Value: lwm2m.Unsigned(usage)})
				m, effects := deliveredTo(t, Config{TrustStore: store}, cborF, body)
				refused := usage < 2 && !store
				if refused == (m.State() == Persisting) {
					t.Errorf("usage %d, matching type %d, trust store %t: state %v", usage, matching, store, m.State())
				}
				if !refused {
					continue
				}
				if r := reply(t, effects); r.Code != messages.NotAcceptable || !strings.Contains(string(r.Payload), "trust_store") {
					t.Errorf("usage %d: answered %v %q", usage, r.Code, r.Payload)
				}
			}
		}
	}
}
