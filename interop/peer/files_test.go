package peer

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// imageFile writes an image of so many bytes into a file.
func imageFile(t *testing.T, image lwm2mtest.Pattern, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fw.bin")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, image.Reader(size))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func digest(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(content)
}

// fetched demands that coap-client gets the image.
func fetched(t *testing.T, c CoAPClient, uri string, want [sha256.Size]byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "got")
	took, err := c.Get(uri, file)
	if err != nil {
		t.Fatal(err)
	}
	if got := digest(t, file); got != want {
		t.Errorf("%s: digest %x, want %x", uri, got, want)
	}
	t.Logf("%s: %v", uri, took)
}

// Images of 10 MB go to libcoap's server and back, over each of its ports, and one takes the
// place of another.
func TestLibcoapHasFiles(t *testing.T) {
	t.Parallel()
	for _, backend := range []Backend{BackendOpenSSL, BackendGnuTLS} {
		t.Run(string(backend), func(t *testing.T) {
			t.Parallel()
			const size = 10 << 20
			p := LibcoapFiles(t, backend, Security{PSKKey: testKey})
			c := CoAPClient{T: t, Backend: backend}
			plain, secure := "coap://"+p.PlainAddr+"/fw.bin", "coaps://"+p.Addr+"/fw.bin"
			c.Put(plain, imageFile(t, 1, size))
			fetched(t, c, plain, lwm2mtest.Pattern(1).SHA256(size))
			secured := CoAPClient{T: t, Backend: backend, Identity: testEndpoint, Key: testKey}
			fetched(t, secured, secure, lwm2mtest.Pattern(1).SHA256(size))
			c.Put(plain, imageFile(t, 2, 1000))
			fetched(t, c, plain, lwm2mtest.Pattern(2).SHA256(1000))
		})
	}
}
