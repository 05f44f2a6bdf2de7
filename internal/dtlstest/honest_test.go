package dtlstest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/dtls/v2"
)

var (
	testKey      = []byte("0123456789abcdef")
	testIdentity = []byte("device")
)

// seeded is randomness that is the same in every run.
func seeded(n byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{n}) }

// honest returns what a server of one suite needs.
func honest(id uint16, p *PKI) Config {
	return Config{
		Rand: seeded(byte(id)), Suites: []uint16{id}, Identity: testIdentity, PSK: testKey,
		Chain: p.ServerChain, Key: p.ServerKey, ClientAuth: true, ClientCert: p.ClientCert,
	}
}

func pionConfig(id uint16, p *PKI) *dtls.Config {
	if SuiteByID(id).PSK {
		return &dtls.Config{
			CipherSuites:    []dtls.CipherSuiteID{dtls.CipherSuiteID(id)},
			PSK:             func([]byte) ([]byte, error) { return testKey, nil },
			PSKIdentityHint: testIdentity, ExtendedMasterSecret: dtls.RequestExtendedMasterSecret,
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(p.Authority)
	return &dtls.Config{
		CipherSuites: []dtls.CipherSuiteID{dtls.CipherSuiteID(id)}, RootCAs: roots, ServerName: Name,
		Certificates: []tls.Certificate{{Certificate: [][]byte{p.ClientCert}, PrivateKey: p.ClientKey.(signer).PrivateKey}},
	}
}

// shakePion lets pion's client do a handshake and be echoed.
func shakePion(t *testing.T, cfg Config, client *dtls.Config) *Server {
	t.Helper()
	s := NewServer(cfg)
	l, pc := newLink(t, s), listenLoopback(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := dtls.ClientWithContext(ctx, pc, l.pc.LocalAddr(), client)
	if err != nil {
		l.look(func(s *Server) { t.Fatalf("%v; the server says %v", err, s.Err()) })
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	mustEcho(t, c)
	l.look(func(s *Server) {
		if s.Err() != nil || !s.Done() {
			t.Errorf("server: done %v, %v", s.Done(), s.Err())
		}
	})
	return s
}

func mustEcho(t *testing.T, c interface {
	Write([]byte) (int, error)
	Read([]byte) (int, error)
}) {
	t.Helper()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err != nil || string(b[:n]) != "hello" {
		t.Fatalf("echo: %q, %v", b[:n], err)
	}
}

// Another implementation takes the honest server for one, with every suite, and
// with and without an extended master secret.
func TestPionClient(t *testing.T) {
	p := NewPKI(seeded(1))
	for _, suite := range Suites {
		for _, ems := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/EMS %v", suite.Name, ems), func(t *testing.T) {
				cfg := honest(suite.ID, p)
				cfg.NoEMS = !ems
				if s := shakePion(t, cfg, pionConfig(suite.ID, p)); s.ems != ems {
					t.Errorf("extended master secret: %v", s.ems)
				}
			})
		}
	}
}

// Every curve, with and without a cookie, with and without a client's
// certificate, and a hint.
func TestPionClientVariants(t *testing.T) {
	p := NewPKI(seeded(1))
	for name, change := range map[string]func(*Config){
		"X25519":                 func(c *Config) { c.Curves = []uint16{CurveX25519} },
		"P-256":                  func(c *Config) { c.Curves = []uint16{CurveP256} },
		"P-384":                  func(c *Config) { c.Curves = []uint16{CurveP384} },
		"SHA-384":                func(c *Config) { c.Schemes = []uint16{SchemeECDSAWithSHA384} },
		"SHA-512":                func(c *Config) { c.Schemes = []uint16{SchemeECDSAWithSHA512} },
		"no cookie":              func(c *Config) { c.NoCookie = true },
		"no client certificate":  func(c *Config) { c.ClientAuth = false },
		"hint":                   func(c *Config) { c.Suites, c.PSKHint = []uint16{PSKWithAES128GCM}, []byte("hint") },
		"small fragments":        func(c *Config) { c.Layout = Layout{MTU: 256} },
		"every fragment doubled": func(c *Config) { c.Layout = Layout{MTU: 400, Double: true} },
		"one record a datagram":  func(c *Config) { c.Layout = Layout{Alone: true} },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := honest(ECDHEECDSAWithAES128GCM, p)
			change(&cfg)
			shakePion(t, cfg, pionConfig(cfg.Suites[0], p))
		})
	}
}

// Both sides use identifiers of their own (RFC 9146).
func TestPionClientConnectionID(t *testing.T) {
	p := NewPKI(seeded(1))
	for _, id := range []uint16{PSKWithAES128CCM8, ECDHEECDSAWithAES256GCM} {
		for _, size := range []int{0, 8} {
			cfg, client := honest(id, p), pionConfig(id, p)
			cfg.CID = []byte{1, 2, 3, 4, 5}
			client.ConnectionIDGenerator = func() []byte { return make([]byte, size) }
			s := shakePion(t, cfg, client)
			if !s.hello.Offers(ExtConnectionID) || len(s.sendCID) != size {
				t.Errorf("identifier of %d bytes: %x", size, s.sendCID)
			}
		}
	}
}

// store is pion's store of one session.
type store struct{ session dtls.Session }

func (s *store) Set(_ []byte, v dtls.Session) error { s.session = v; return nil }
func (s *store) Get([]byte) (dtls.Session, error)   { return s.session, nil }
func (s *store) Del([]byte) error                   { return nil }

// A session of one connection is resumed by the next.
func TestPionClientResumes(t *testing.T) {
	p := NewPKI(seeded(1))
	for _, id := range []uint16{PSKWithAES128CCM8, ECDHEECDSAWithAES128GCM} {
		cfg, client, sessions := honest(id, p), pionConfig(id, p), &store{}
		client.SessionStore, client.ServerName = sessions, Name
		cfg.Session = &Session{ID: bytes.Repeat([]byte{7}, 32)}
		first := shakePion(t, cfg, client).Session()
		cfg.Session = &first
		if s := shakePion(t, cfg, client); !s.resuming {
			t.Errorf("%x: session %s is not resumed", id, hex.EncodeToString(sessions.session.ID))
		}
	}
}

// The same seed makes the same bytes.
func TestDeterminism(t *testing.T) {
	run := func() (out [][]byte) {
		cfg := honest(ECDHEECDSAWithAES128GCM, NewPKI(seeded(1)))
		cfg.NoCookie = true
		return NewServer(cfg).Receive(aClientHello())
	}
	first := run()
	if len(first) == 0 || fmt.Sprint(first) != fmt.Sprint(run()) {
		t.Errorf("%d datagrams, not twice the same", len(first))
	}
}

// aClientHello offers one suite of ECDHE.
func aClientHello() []byte {
	body := join(u16(nil, VersionDTLS12), make([]byte, randomSize), []byte{0, 0}, vec16(nil, list16([]uint16{ECDHEECDSAWithAES128GCM})), []byte{1, 0})
	return (&Record{Content: ContentHandshake, Version: VersionDTLS12, Payload: handshake(TypeClientHello, body).transcript(), Length: -1}).encode()
}
