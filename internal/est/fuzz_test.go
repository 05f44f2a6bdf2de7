package est

import (
	"os"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// FuzzDecode holds that whatever a server answers is refused, or is certificates within the
// bounds that can be held against a request.
func FuzzDecode(f *testing.F) {
	ca := newAuthority(f, "CA", nil)
	r := newRequest(f, nil, "gw-1")
	_, key, err := r.wanted()
	if err != nil {
		f.Fatal(err)
	}
	leaf := ca.issue(f, key, nil)
	openssl, err := os.ReadFile("testdata/openssl.p7")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(FormatCertsOnly), openssl)
	f.Add(uint16(FormatCertsOnly), certsOnly(f, nil, leaf, ca.cert))
	f.Add(uint16(FormatCertsOnly), certsOnly(f, nil))
	f.Add(uint16(FormatCertificate), leaf.Raw)
	f.Add(uint16(0), []byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, format uint16, data []byte) {
		got, err := Decode(lwm2m.Format(format), data)
		if err != nil {
			if reasonOf(err) == "" || got != nil {
				t.Fatalf("%v, and %d certificates", err, len(got))
			}
			return
		}
		if len(got) == 0 || len(got) > MaxCertificates {
			t.Fatalf("%d certificates", len(got))
		}
		if chain, err := r.Accept(got, got, clockAt(15)); err == nil && (len(chain) == 0 || len(chain) > len(got)) {
			t.Fatalf("a chain of %d", len(chain))
		}
	})
}

// FuzzRoot holds that what a server says of its resources is a path of ours, or nothing.
func FuzzRoot(f *testing.F) {
	f.Add([]byte(`</est/sen>;rt="ace.est.sen"`))
	f.Add([]byte(`</.well-known/est/crts>;rt="ace.est.crts";ct="281 287"`))
	f.Fuzz(func(t *testing.T, links []byte) {
		path, found := Root(links, Enrol)
		if found != (len(path) > 0) || len(path) > maxSegments {
			t.Fatalf("%q, %v", path, found)
		}
	})
}
