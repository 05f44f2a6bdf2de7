package dtlstest

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"slices"
)

// Family is what a handshake stands on.
type Family string

// The families. Resume is the abbreviated handshake of a PSK session; CID a PSK
// handshake with identifiers of RFC 9146 on both sides.
const (
	FamilyPSK    Family = "psk"
	FamilyECDSA  Family = "ecdsa"
	FamilyRPK    Family = "rpk"
	FamilyCID    Family = "cid"
	FamilyResume Family = "resume"
)

// Families are all of them.
var Families = []Family{FamilyPSK, FamilyECDSA, FamilyRPK, FamilyCID, FamilyResume}

// An Outcome is what becomes of a handshake.
type Outcome string

// The outcomes that a strict client may have.
const (
	// Refused: the client fails, says so to its caller and sends a fatal
	// alert.
	Refused Outcome = "refused"
	// Ended: the client believes the server's own alert, and sends none.
	Ended Outcome = "ended"
	// Ignored: the deviation is dropped, and the handshake completes with the
	// honest messages beside it or after it.
	Ignored Outcome = "ignored"
	// Stalled: all of it is dropped, and nothing honest follows: the client
	// goes on resending until its caller gives up.
	Stalled Outcome = "stalled"
)

// Want is what a strict client does.
type Want struct {
	Outcome Outcome
	Alert   byte // sent by the client when Refused, else 0
}

// A Deviation is one way of being wrong.
type Deviation struct {
	Name   string // unique within its family
	Family Family
	// Apply sets the hooks of an honest server.
	Apply func(*Config)
	Want  Want
}

// Peer is what the client of a family has to know to trust the server, and to
// be trusted by it.
type Peer struct {
	Identity, PSK []byte
	Authority     *x509.Certificate // of the server's certificate for Name
	ServerSPKI    []byte
	// Cert is the client's certificate, or its SubjectPublicKeyInfo.
	Cert []byte
	Key  crypto.Signer
	// CID is what the client wants to find in the records to it.
	CID []byte
	// Session is what the client may resume.
	Session *Session
}

// Honest returns the configuration of an honest server of a family, and what
// its client needs. The seed decides all randomness of the server.
func Honest(f Family, p *PKI, seed uint64) (Config, Peer) {
	cfg := Config{
		Rand: newRandom(seed), PKI: p, Suites: []uint16{PSKWithAES128CCM8}, Identity: []byte("device"),
		PSK: []byte("0123456789abcdef"), Chain: p.ServerChain, Key: p.ServerKey, ClientAuth: true,
		ClientCert: p.ClientCert, NonceIsNumber: true,
	}
	peer := Peer{
		Identity: cfg.Identity, PSK: cfg.PSK, Authority: p.Authority, ServerSPKI: p.ServerSPKI,
		Cert: p.ClientCert, Key: p.ClientKey,
	}
	familiar[f](&cfg, &peer)
	return cfg, peer
}

// familiar makes an honest server one of its family.
var familiar = map[Family]func(*Config, *Peer){
	FamilyPSK: func(*Config, *Peer) {},
	FamilyECDSA: func(c *Config, _ *Peer) {
		c.Suites = []uint16{ECDHEECDSAWithAES128CCM8}
	},
	FamilyRPK: func(c *Config, peer *Peer) {
		c.Suites, c.RawPublicKey = []uint16{ECDHEECDSAWithAES128GCM}, true
		c.Chain, c.ClientCert = [][]byte{c.PKI.ServerSPKI}, c.PKI.ClientSPKI
		peer.Cert = c.PKI.ClientSPKI
	},
	FamilyCID: func(c *Config, peer *Peer) { c.CID, peer.CID = []byte("to-server"), []byte("to-client") },
	FamilyResume: func(c *Config, peer *Peer) {
		c.Session = &Session{
			ID: bytes.Repeat([]byte{7}, 32), Suite: PSKWithAES128CCM8, Master: bytes.Repeat([]byte{9}, masterSize), EMS: true,
		}
		peer.Session = c.Session
	},
}

// helloKind is the flight of a family that has the ServerHello.
func (s *Server) helloKind() FlightKind {
	if s.resuming {
		return FlightResume
	}
	return FlightHello
}

// finishKind is the flight of a family that has the Finished.
func (s *Server) finishKind() FlightKind {
	if s.resuming {
		return FlightResume
	}
	return FlightFinish
}

// refuse, and the others below, are short for the table.
func refuse(alert byte) Want { return Want{Refused, alert} }

var (
	ended   = Want{Outcome: Ended}
	ignored = Want{Outcome: Ignored}
	stalled = Want{Outcome: Stalled}
)

// deviate makes the same deviation of several families.
func deviate(name string, want Want, apply func(*Config), families ...Family) (all []Deviation) {
	for _, f := range families {
		all = append(all, Deviation{Name: name, Family: f, Apply: apply, Want: want})
	}
	return all
}

type (
	messagesHook  func(*Server, []*Message) []*Message
	fragmentsHook func(*Server, []*Fragment) []*Fragment
	recordsHook   func(*Server, []*Record) []*Record
	datagramsHook func(*Server, [][]byte) [][]byte
)

// onHello and onFinish change the messages of the flight with the ServerHello,
// or of that with the Finished.
func onHello(f messagesHook) func(*Config) {
	return func(c *Config) {
		c.Hooks.Flight = func(s *Server, k FlightKind, m []*Message) []*Message {
			if k == s.helloKind() {
				return f(s, m)
			}
			return m
		}
	}
}

func onFinish(f messagesHook) func(*Config) {
	return func(c *Config) {
		c.Hooks.Flight = func(s *Server, k FlightKind, m []*Message) []*Message {
			if k == s.finishKind() {
				return f(s, m)
			}
			return m
		}
	}
}

// body changes the body of one message.
func body(kind byte, f func([]byte) []byte) func(*Config) {
	return onHello(func(_ *Server, messages []*Message) []*Message {
		if m := find(messages, kind); m != nil {
			m.Body = f(slices.Clone(m.Body))
		}
		return messages
	})
}

func find(messages []*Message, kind byte) *Message {
	if i := position(messages, kind); i >= 0 {
		return messages[i]
	}
	return nil
}

func position(messages []*Message, kind byte) int {
	return slices.IndexFunc(messages, func(m *Message) bool { return m.Content == ContentHandshake && m.Type == kind })
}

// fragmentsOf, recordsOf and datagramsOf change the stages below, for the flight
// with the ServerHello.
func fragmentsOf(f fragmentsHook) func(*Config) {
	return func(c *Config) {
		c.Hooks.Fragments = func(s *Server, k FlightKind, all []*Fragment) []*Fragment {
			if k == s.helloKind() {
				return f(s, all)
			}
			return all
		}
	}
}

func recordsOf(f recordsHook) func(*Config) {
	return func(c *Config) {
		c.Layout.Alone = true
		c.Hooks.Records = func(s *Server, k FlightKind, all []*Record) []*Record {
			if k == s.helloKind() {
				return f(s, all)
			}
			return all
		}
	}
}

func datagramsOf(f datagramsHook) func(*Config) {
	return func(c *Config) {
		c.Hooks.Datagrams = func(s *Server, k FlightKind, all [][]byte) [][]byte {
			if k == s.helloKind() {
				return f(s, all)
			}
			return all
		}
	}
}

// once lets a hook act on the first sending of a flight only.
func once[T any](f func(*Server, []T) []T) func(*Server, []T) []T {
	return func(s *Server, all []T) []T {
		if s.attempt > 0 {
			return all
		}
		return f(s, all)
	}
}

// Deviations are all of them.
var Deviations = slices.Concat(
	verifyDeviations, helloDeviations, extensionDeviations, certificateDeviations, keyExchangeDeviations, schemeDeviations(),
	requestDeviations, orderDeviations, sequenceDeviations, fragmentDeviations, recordDeviations, changeDeviations,
	finishedDeviations, alertDeviations, resumeDeviations, cidDeviations, afterDeviations,
)
