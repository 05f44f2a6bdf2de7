package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

// rawStacks are the servers with raw public keys (RFC 7250).
var rawStacks = []string{"gnutls", "libcoap-gnutls", "californium"}

// rawServer starts one that shows the key of the set's server.
func (w *world) rawServer(t testing.TB, s *stack) *server {
	t.Helper()
	security := w.security
	if s.name != "californium" {
		security.RawPublicKey = writeRaw(t, w.Server)
	}
	return s.run(t, security)
}

// writeRaw writes a PEM file with both keys: GnuTLS reads the first, libcoap
// wants both.
func writeRaw(t testing.TB, leaf *testpki.Leaf) string {
	t.Helper()
	private, err := leaf.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: leaf.Cert.RawSubjectPublicKeyInfo})
	file := filepath.Join(t.TempDir(), "raw.pem")
	if err := os.WriteFile(file, append(public, private...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var errOtherKey = errors.New("another key")

// rawClient shows a raw public key and accepts one.
func rawClient(own *ecdsa.PrivateKey, pinned []byte) dtls.Config {
	shown, err := x509.MarshalPKIXPublicKey(&own.PublicKey)
	if err != nil {
		panic(err) // of a curve that there is
	}
	return dtls.Config{Certificate: &dtls.Certificate{
		Chain:  [][]byte{shown},
		Signer: own,
		VerifyKey: func(spki []byte) error {
			if !bytes.Equal(spki, pinned) {
				return errOtherKey
			}
			return nil
		},
	}}
}

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// rawScenes runs a test for every server with raw public keys.
func rawScenes(t *testing.T, f func(*testing.T, *stack, *world)) {
	t.Helper()
	world := newWorld(t)
	for _, s := range stacks {
		if slices.Contains(rawStacks, s.name) {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				f(t, s, world)
			})
		}
	}
}

// Raw public keys on both sides, the client's on either curve; another pinned
// key, and a client that does not hold the key that it shows, are refused.
func TestRawPublicKeys(t *testing.T) {
	t.Parallel()
	rawScenes(t, func(t *testing.T, s *stack, w *world) {
		pinned := w.Server.Cert.RawSubjectPublicKeyInfo
		for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
			p := w.rawServer(t, s)
			lives(t, p, connect(t, p.addr, rawClient(newKey(t, curve), pinned)))
		}
		other := rawClient(newKey(t, elliptic.P256()), w.Client.Cert.RawSubjectPublicKeyInfo)
		_, err := shake(socket(t, w.rawServer(t, s).addr), other, attempt)
		var refused *dtls.CertificateError
		if !errors.As(err, &refused) || !errors.Is(err, errOtherKey) {
			t.Errorf("another pinned key: %v", err)
		}
		liar := rawClient(newKey(t, elliptic.P256()), pinned)
		liar.Certificate.Signer = newKey(t, elliptic.P256())
		p := w.rawServer(t, s)
		if _, err = shake(socket(t, p.addr), liar, 6*echoPatience); !s.refuses(err) {
			t.Errorf("a client with the key of somebody else: %v", err)
		}
		if p.DTLSPeer != nil {
			p.DTLSPeer.Kill() // GnuTLS's server spins from now on
		}
	})
}

// refuses reports whether a server has refused a client's proof: by an alert,
// or by silence where it is of that kind.
func (s *stack) refuses(err error) bool {
	var alert *dtls.AlertError
	if errors.As(err, &alert) {
		return alert.Answered
	}
	var f *failure
	return s.name == "gnutls" && errors.As(err, &f) && f.err == nil && f.progress.Complete
}

const rawEndpoint = "gw-raw"

// Leshan registers the device that has the key, and not one that has another.
func TestCaliforniumKnowsRawPublicKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := newKey(t, elliptic.P256())
	known := rawClient(own, w.Server.Cert.RawSubjectPublicKeyInfo)
	p := californium(t).LeshanPeer
	p.Do(peer.Object{"op": "rpk", "ep": rawEndpoint, "key": hex.EncodeToString(known.Certificate.Chain[0])})
	for name, c := range map[string]struct {
		key  *ecdsa.PrivateKey
		code byte
	}{
		"the device":     {own, 0x41},                        // 2.01 Created
		"somebody else":  {newKey(t, elliptic.P256()), 0x83}, // 4.03 Forbidden
		"on other curve": {newKey(t, elliptic.P384()), 0x83},
	} {
		l := connect(t, p.CoAPS(), rawClient(c.key, w.Server.Cert.RawSubjectPublicKeyInfo))
		if code, err := register(l); err != nil || code != c.code {
			t.Errorf("%s: code %#x, %v, want %#x", name, code, err, c.code)
		}
	}
}

// register registers the endpoint, by a message written out by hand, and
// returns the code of the response.
func register(l *link) (byte, error) {
	request := append([]byte{0x40, 2, 0x12, 0x34}, "\xb2rd\x11\x28"...) // CON POST, Uri-Path rd, link-format
	number := byte(3)                                                   // Uri-Query, three behind Content-Format
	for _, query := range []string{"ep=" + rawEndpoint, "lt=300", "lwm2m=1.1", "b=U"} {
		request = append(append(request, number<<4|byte(len(query))), query...)
		number = 0
	}
	if err := l.send(append(request, "\xff</1/0>,</3/0>"...)); err != nil {
		return 0, err
	}
	answer, err := l.receive(time.Now().Add(serverPatience))
	if err != nil || len(answer) < 4 || !bytes.Equal(answer[2:4], request[2:4]) {
		return 0, fmt.Errorf("answer %x, %w", answer, err)
	}
	return answer[1], nil
}
