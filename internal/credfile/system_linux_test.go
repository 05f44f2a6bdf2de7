package credfile

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/testpki"
)

const leafVariable = "HOLDFAST_TEST_LEAF"

// The trust store of the operating system is read once in a process: each case is a
// process of its own, which is this test.
func TestTrustStoreOfTheSystem(t *testing.T) {
	if file := os.Getenv(leafVariable); file != "" {
		judgeBySystem(t, file)
		return
	}
	root, other := testpki.Root(t, "root", nil), testpki.Root(t, "other", nil)
	leaf := root.Leaf(t, testpki.ServerName, nil)
	dir := t.TempDir()
	file := func(name string, cert *x509.Certificate) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, testpki.CertPEM(cert), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	shown := file("leaf.pem", leaf.Cert)
	for roots, want := range map[string]string{
		file("root.pem", root.Cert):         "verified",
		file("other.pem", other.Cert):       "unknown authority",
		filepath.Join(dir, "not there.pem"): "which has none",
	} {
		child := exec.Command(os.Args[0], "-test.run=^TestTrustStoreOfTheSystem$", "-test.v")
		child.Env = append(os.Environ(), leafVariable+"="+shown, "SSL_CERT_FILE="+roots, "SSL_CERT_DIR="+filepath.Join(dir, "none"))
		out, err := child.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", roots, err, out)
		}
	}
}

// judgeBySystem prints what the roots of the system make of a certificate.
func judgeBySystem(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	store, faults := ReadTrustStore("system", nil, true)
	if len(faults) > 0 {
		fmt.Println(faults[0].Problem)
		return
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: store.Pool}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("verified")
}
