package dtlstest

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writePEM(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func opensslArguments(t *testing.T, suite *Suite, p *PKI) []string {
	t.Helper()
	if suite.PSK {
		return []string{"-psk", hex.EncodeToString(testKey), "-psk_identity", string(testIdentity)}
	}
	key, err := x509.MarshalPKCS8PrivateKey(p.ClientKey.(signer).PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"-CAfile", writePEM(t, "ca.pem", "CERTIFICATE", p.Authority.Raw), "-verify_return_error",
		"-verify_hostname", Name, "-servername", Name,
		"-cert", writePEM(t, "cert.pem", "CERTIFICATE", p.ClientCert), "-key", writePEM(t, "key.pem", "PRIVATE KEY", key),
	}
}

// OpenSSL takes the honest server for one, with every suite.
func TestOpenSSLClient(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl here")
	}
	p := NewPKI(seeded(1))
	for _, suite := range Suites {
		t.Run(suite.Name, func(t *testing.T) {
			l := newLink(t, NewServer(honest(suite.ID, p)))
			out := runOpenSSL(t, append(opensslArguments(t, suite, p), "-dtls1_2", "-quiet", "-cipher", suite.Name+":@SECLEVEL=0",
				"-connect", l.pc.LocalAddr().String()))
			l.look(func(s *Server) {
				if !s.Done() || s.Err() != nil || len(s.Data()) == 0 {
					t.Errorf("done %v, %v, data %q\n%s", s.Done(), s.Err(), s.Data(), out)
				}
			})
		})
	}
}

// runOpenSSL sends a line, waits until it comes back, and ends the client.
func runOpenSSL(t *testing.T, arguments []string) string {
	t.Helper()
	cmd := exec.Command("openssl", append([]string{"s_client"}, arguments...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var faults strings.Builder
	cmd.Stderr = &faults
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer deadline.Stop()
	if _, err := io.WriteString(in, "hello\n"); err != nil {
		t.Error(err)
	}
	echo := make([]byte, len("hello\n"))
	if _, err := io.ReadFull(out, echo); err != nil || string(echo) != "hello\n" {
		t.Errorf("echo %q, %v", echo, err)
	}
	in.Close()
	cmd.Process.Kill()
	cmd.Wait()
	return faults.String()
}
