package token

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// machine is a TPM, which is a process and the directory of its state.
type machine struct {
	t      *testing.T
	dir    string
	socket string
	cmd    *exec.Cmd
	dead   chan struct{}
}

// newMachine starts a TPM that nobody has used.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if _, err := exec.LookPath("swtpm"); err != nil {
		const how = "swtpm is not installed (Debian: apt-get install swtpm)"
		if os.Getenv("HOLDFAST_REQUIRE_PEERS") == "1" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	dir, err := os.MkdirTemp("", "tpm") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, dir: dir, socket: filepath.Join(dir, "tpm.sock")}
	t.Cleanup(func() {
		m.kill()
		_ = os.RemoveAll(dir)
	})
	m.start()
	return m
}

// start starts the process, with the state that the one before has left, and waits until
// it can be used.
func (m *machine) start() {
	m.t.Helper()
	_ = os.Remove(m.socket)
	m.cmd = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+m.dir,
		"--server", "type=unixio,path="+m.socket, "--ctrl", "type=unixio,path="+filepath.Join(m.dir, "control"),
		"--flags", "not-need-init,startup-clear")
	m.cmd.Stderr = m.t.Output()
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	cmd, dead := m.cmd, make(chan struct{})
	m.dead = dead
	go func() {
		_ = cmd.Wait() // it is killed
		close(dead)
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for patience := time.After(time.Minute); ; {
		if probe, err := net.Dial("unix", m.socket); err == nil {
			_ = probe.Close()
			return
		}
		select {
		case <-tick.C:
		case <-dead:
			m.t.Fatal("swtpm has ended")
		case <-patience:
			m.t.Fatal("swtpm has no socket")
		}
	}
}

// kill ends the process as a token ends that is pulled out.
func (m *machine) kill() {
	_ = m.cmd.Process.Kill() // the only error is that it has ended
	<-m.dead
}

// hang stops the process, which then answers nothing; wake lets it go on.
func (m *machine) hang() {
	if err := m.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		m.t.Error(err)
	}
}

func (m *machine) wake() {
	if err := m.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		m.t.Error(err)
	}
}

// signer is a key in a TPM. It implements crypto.Signer as a gateway would: a primary
// key is the same whenever it is made of the same template.
type signer struct {
	machine *machine
	public  *ecdsa.PublicKey

	mu     sync.Mutex
	before func() // the next signature, once; nil for nothing
	signed int
}

// template is that of an ECDSA key on P-256 that is made in the TPM and can neither be
// read nor copied out of it.
func template() tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{
			SignEncrypt: true, FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true,
		},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			CurveID: tpm2.TPMECCNistP256,
			Scheme: tpm2.TPMTECCScheme{
				Scheme:  tpm2.TPMAlgECDSA,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
		}),
	}
}

// newSigner makes the key.
func newSigner(t *testing.T, m *machine) *signer {
	t.Helper()
	s := &signer{machine: m}
	if err := s.with(func(_ transport.TPM, made *tpm2.CreatePrimaryResponse) error {
		content, err := made.OutPublic.Contents()
		if err != nil {
			return err
		}
		public, err := tpm2.Pub(*content)
		if err != nil {
			return err
		}
		s.public = public.(*ecdsa.PublicKey)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// with makes the key and lets it go again: the TPM keeps few of them loaded.
func (s *signer) with(use func(transport.TPM, *tpm2.CreatePrimaryResponse) error) error {
	tpm, err := linuxudstpm.Open(s.machine.socket)
	if err != nil {
		return err
	}
	made, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(template())}.Execute(tpm)
	if err != nil {
		return err
	}
	err = use(tpm, made)
	_, gone := tpm2.FlushContext{FlushHandle: made.ObjectHandle}.Execute(tpm)
	return errors.Join(err, gone, tpm.Close())
}

// Public implements crypto.Signer.
func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign implements crypto.Signer.
func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	if opts.HashFunc() != crypto.SHA256 {
		return nil, fmt.Errorf("the key signs with SHA-256, and not with %v", opts.HashFunc())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		s.before()
		s.before = nil
	}
	err = s.with(func(tpm transport.TPM, made *tpm2.CreatePrimaryResponse) error {
		answer, err := tpm2.Sign{
			KeyHandle:  tpm2.NamedHandle{Handle: made.ObjectHandle, Name: made.Name},
			Digest:     tpm2.TPM2BDigest{Buffer: digest},
			InScheme:   tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSchemeHash{HashAlg: tpm2.TPMAlgSHA256})},
			Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck},
		}.Execute(tpm)
		if err != nil {
			return err
		}
		parts, err := answer.Signature.Signature.ECDSA()
		if err != nil {
			return err
		}
		signature, err = asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(parts.SignatureR.Buffer), new(big.Int).SetBytes(parts.SignatureS.Buffer)})
		return err
	})
	if err == nil {
		s.signed++
	}
	return signature, err
}

// atNextSignature does something in the middle of the next handshake.
func (s *signer) atNextSignature(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = do
}

func (s *signer) signatures() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signed
}
