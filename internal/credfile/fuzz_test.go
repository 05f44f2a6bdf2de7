package credfile

import (
	"testing"

	"github.com/holdfast-iot/holdfast/internal/testpki"
)

// FuzzFiles throws content at the readers of the files that a
// configuration names: they find a fault or return something.
func FuzzFiles(f *testing.F) {
	f.Add([]byte("00ffAA\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\nDEK-Info: x\n\nAAAA\n-----END EC PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="))
	f.Add([]byte("sha512/"))
	f.Add(testpki.Root(f, "root", nil).Cert.Raw)
	f.Add(testpki.CertPEM(testpki.Root(f, "root", nil).Cert))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, parse := range map[string]func(*reader) bool{
			"PSK":          func(r *reader) bool { return len(r.parsePSK("f", data)) > 0 },
			"certificates": func(r *reader) bool { return len(r.parseCertificates("trust", "f", data)) > 0 },
			"trust store":  func(r *reader) bool { return len(r.parseTrustStore("trust_store", "f", data).List) > 0 },
			"pin": func(r *reader) bool {
				matching, digest, problem := ParsePin(string(data))
				if problem != "" {
					r.fault("pin", problem, nil)
				}
				return problem == "" && len(digest) == matching.Hash().Size()
			},
			"server": func(r *reader) bool {
				return len(publicKeysOnly(data)) > 0 || len(r.parseCertificates("trust", "f", data)) > 0
			},
			"private key": func(r *reader) bool { return len(r.parsePrivateKey("f", data)) > 0 },
		} {
			r := &reader{}
			if got := parse(r); !got && len(r.faults) == 0 {
				t.Errorf("%s: nothing, and no fault", name)
			}
		}
	})
}
