package wire

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
)

// captured is the store of captured handshakes.
const captured = "testdata"

// raw is bytes, in hexadecimal.
type raw []byte

func (r raw) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, r), nil }

func (r *raw) UnmarshalText(text []byte) (err error) {
	*r, err = hex.DecodeString(string(text))
	return err
}

// capture is one session with a real peer, from the first ClientHello to the
// good-bye, and what it takes to have it again. The keys are made for it, and
// protect nothing.
type capture struct {
	Suite string
	// Random seeds the client's randomness, and with it the ephemeral key.
	Random raw
	PSK    raw `json:",omitempty"`
	// Own is the client's certificate or raw public key, Key its private key
	// in PKCS #8, and Server what the server shows.
	Own    raw  `json:",omitempty"`
	Key    raw  `json:",omitempty"`
	Server raw  `json:",omitempty"`
	Raw    bool `json:",omitempty"`

	// Datagrams are all that went to and fro, each marked with the sender.
	Datagrams []marked
	// Master is the master secret; WriteKey and ReadKey are of the client's
	// and of the server's records.
	Master, WriteKey, ReadKey raw
	Said, Heard               []raw // application data
}

type marked struct {
	Client raw `json:",omitempty"`
	Server raw `json:",omitempty"`
}

// config is that of the client.
func (c *capture) config() (dtls.Config, error) {
	config := dtls.Config{Random: rand.NewChaCha8([32]byte(c.Random))}
	if c.PSK != nil {
		config.PSK = &dtls.PSK{Identity: []byte(endpoint), Key: func() []byte { return c.PSK }}
		return config, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(c.Key)
	if err != nil {
		return config, err
	}
	own := &dtls.Certificate{Chain: [][]byte{c.Own}, Signer: repeatable{key.(*ecdsa.PrivateKey)}}
	if c.Raw {
		own.VerifyKey = c.isServer
	} else {
		own.VerifyChain = func(chain []*x509.Certificate, _ time.Time) error { return c.isServer(chain[0].Raw) }
	}
	config.Certificate = own
	return config, nil
}

func (c *capture) isServer(shown []byte) error {
	if !bytes.Equal(shown, c.Server) {
		return errOtherKey
	}
	return nil
}

// repeatable signs the same alike each time (RFC 6979).
type repeatable struct{ *ecdsa.PrivateKey }

func (r repeatable) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.PrivateKey.Sign(nil, digest, opts)
}

// newCapture prepares one of a kind of credentials. The name seeds randomness.
func newCapture(t testing.TB, name, kind string, w *world) *capture {
	t.Helper()
	seed := fnv.New128a()
	_, _ = seed.Write([]byte(name))
	c := &capture{Random: slices.Concat(seed.Sum(nil), seed.Sum(nil))}
	if kind == "PSK" {
		c.PSK = testKey
		return c
	}
	key, err := w.Client.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	c.Key, c.Own, c.Server = key, w.Client.Cert.Raw, w.Server.Cert.Raw
	if c.Raw = kind == rawKind; c.Raw {
		c.Own, c.Server = w.Client.Cert.RawSubjectPublicKeyInfo, w.Server.Cert.RawSubjectPublicKeyInfo
	}
	return c
}

const rawKind = "raw public keys"

// take does the session. Nothing may go wrong in it.
func (c *capture) take(t testing.TB, l *link, talk func(*link) error) {
	t.Helper()
	if l.resends > 0 {
		t.Fatalf("%d resends: capture it again", l.resends)
	}
	state := l.session.Protection()
	c.Suite, c.WriteKey, c.ReadKey = l.session.Suite().String(), state.Write.Key, state.Read.Key
	if r := l.session.Resumption(); r != nil {
		c.Master = r.Master
	}
	if err := errors.Join(talk(l), l.goodbye()); err != nil {
		t.Fatal(err)
	}
	for _, d := range l.tap.datagrams() {
		m := marked{Client: d.data}
		if d.fromServer {
			m = marked{Server: d.data}
		}
		c.Datagrams = append(c.Datagrams, m)
	}
	c.Said, c.Heard = raws(l.said), raws(l.heard)
}

func raws(all [][]byte) (out []raw) {
	for _, b := range all {
		out = append(out, b)
	}
	return out
}

func (c *capture) save(t testing.TB, name string) {
	t.Helper()
	text, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(captured, name+".json"), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// captureAll captures a session with every peer and kind of credentials.
func captureAll(t *testing.T) {
	t.Helper()
	world := newWorld(t)
	for _, s := range stacks {
		for _, kind := range []string{"PSK", "certificates", rawKind} {
			if kind == rawKind && !slices.Contains(rawStacks, s.name) {
				continue
			}
			name := fileName(s.name, kind)
			t.Run(name, func(t *testing.T) {
				c := newCapture(t, name, kind, world)
				p := world.serverOf(t, s, kind)
				config, err := c.config()
				if err != nil {
					t.Fatal(err)
				}
				c.take(t, connect(t, p.addr, config), p.talk)
				c.save(t, name)
			})
		}
	}
	for _, kind := range credentials {
		name := fileName("pion", kind.name)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { world = makeWorld(t) })
			c := newCapture(t, name, kind.name, world)
			inLab(t, world.pionServer(kind.suite), func(v *lab) { v.capture(c) })
			c.save(t, name)
		})
	}
}

func (v *lab) capture(c *capture) {
	v.t.Helper()
	config, err := c.config()
	if err != nil {
		v.t.Fatal(err)
	}
	conn := v.dial(v.client, v.server)
	defer conn.Close()
	wait := v.serve(conn.LocalAddr())
	l, err := shake(conn, config, pionAttempt)
	if err != nil {
		v.t.Fatal(err)
	}
	c.take(v.t, l, func(l *link) error { return talkEcho(nil, l) })
	if err := wait(); err != nil {
		v.t.Error(err)
	}
}

func fileName(stack, kind string) string {
	return stack + "-" + strings.ReplaceAll(strings.ToLower(kind), " ", "-")
}

// serverOf starts a server for a kind of credentials.
func (w *world) serverOf(t testing.TB, s *stack, kind string) *server {
	t.Helper()
	switch kind {
	case "PSK":
		return s.run(t, pskSecurity)
	case rawKind:
		return w.rawServer(t, s)
	}
	return s.run(t, w.security)
}
