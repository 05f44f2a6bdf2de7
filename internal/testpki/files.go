package testpki

import (
	"fmt"
	"os"
	"path/filepath"
)

// TB is the part of testing.TB that this package uses. It is named here so
// that binaries which use the package do not link package testing.
type TB interface {
	Helper()
	Fatal(args ...any)
	TempDir() string
}

// Files are the paths of a leaf's PEM files.
type Files struct {
	Cert string
	// Key is PKCS #8.
	Key string
	// Bundle is certificate and key in one file, as libcoap wants it.
	Bundle string
}

// Must makes a set for that endpoint and ends the test when it cannot.
func Must(t TB, endpoint string) *Set {
	t.Helper()
	s, err := NewSet(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// WriteFiles writes the leaf's PEM files, of mode 0600, into a directory of the
// test.
func (l *Leaf) WriteFiles(t TB) Files {
	t.Helper()
	files, err := l.writeFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (l *Leaf) writeFiles(dir string) (Files, error) {
	key, err := l.KeyPEM()
	if err != nil {
		return Files{}, err
	}
	cert := CertPEM(l.Cert)
	files := Files{
		Cert:   filepath.Join(dir, "cert.pem"),
		Key:    filepath.Join(dir, "key.pem"),
		Bundle: filepath.Join(dir, "bundle.pem"),
	}
	if err := write(files.Cert, cert); err != nil {
		return Files{}, err
	}
	if err := write(files.Key, key); err != nil {
		return Files{}, err
	}
	return files, write(files.Bundle, append(cert, key...))
}

// WriteFile writes the authority's certificate as PEM into a directory of the
// test and returns its path.
func (a *Authority) WriteFile(t TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := write(path, CertPEM(a.Cert)); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("testpki: %w", err)
	}
	return nil
}
