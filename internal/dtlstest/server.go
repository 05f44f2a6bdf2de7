package dtlstest

import (
	"crypto"
	"crypto/ecdh"
	"errors"
	"io"
	"slices"
)

// Config says what the server is. Nothing of it is changed by the server.
type Config struct {
	// Rand is where all randomness comes from. It must not run dry.
	Rand io.Reader
	// Suites are spoken in this order of preference.
	Suites []uint16
	// PKI is where deviations take other certificates and keys from.
	PKI *PKI
	// PSK is the key of the one identity that is known.
	Identity, PSK []byte
	PSKHint       []byte // a hint makes a ServerKeyExchange
	// Chain is the certificate with its intermediates, or the one raw public
	// key; Key is the private one.
	Chain        [][]byte
	RawPublicKey bool
	Key          crypto.Signer
	Curves       []uint16 // nil: X25519, P-256, P-384
	Schemes      []uint16 // nil: ECDSA with SHA-256, 384, 512
	// ClientAuth asks for the client's certificate, which must be the first
	// of ClientChain, or the raw public key there.
	ClientAuth bool
	ClientCert []byte
	ClientKey  crypto.PublicKey
	// CID is what the client has to put into its records; nil for none.
	CID []byte
	// NoCookie leaves the HelloVerifyRequest out.
	NoCookie bool
	NoEMS    bool
	// Session is one that a client may resume. Its ID is also given to new
	// sessions.
	Session *Session

	// NonceIsNumber faults a client whose explicit nonces are not epoch and
	// sequence number. Other people's clients draw them.
	NonceIsNumber bool

	Layout Layout
	// Resent is the layout of flights that are repeated; nil for the same.
	Resent *Layout
	Hooks  Hooks
}

// A Session that can be resumed by its ID.
type Session struct {
	ID     []byte
	Suite  uint16
	Master []byte
	EMS    bool
}

func (c *Config) certType() byte {
	if c.RawPublicKey {
		return CertRawPublicKey
	}
	return CertX509
}

func (c *Config) curves() []uint16 {
	if c.Curves != nil {
		return c.Curves
	}
	return curves
}

func (c *Config) schemes() []uint16 {
	if c.Schemes != nil {
		return c.Schemes
	}
	return []uint16{SchemeECDSAWithSHA256, SchemeECDSAWithSHA384, SchemeECDSAWithSHA512}
}

// Hooks change what an honest server would send. Each may be nil. The hooks of
// messages run once, when the message is made; those below run again for every
// repetition of the flight, which Server.Attempt counts.
type Hooks struct {
	HelloVerify        func(*Server, *HelloVerify)
	ServerHello        func(*Server, *ServerHello)
	Certificate        func(*Server, *Certificate)
	KeyExchange        func(*Server, *KeyExchange) // before it is signed
	CertificateRequest func(*Server, *CertificateRequest)
	// Finished gets the true verify_data, and returns what is sent.
	Finished func(*Server, []byte) []byte
	// Flight gets the messages without their sequence numbers being fixed:
	// Renumber gives them new ones. What it returns is what the Finished is
	// made over, so that a client that believes it gets through.
	Flight    func(*Server, FlightKind, []*Message) []*Message
	Fragments func(*Server, FlightKind, []*Fragment) []*Fragment
	Records   func(*Server, FlightKind, []*Record) []*Record
	Datagrams func(*Server, FlightKind, [][]byte) [][]byte
}

// An Alert that the client has sent.
type Alert struct {
	Epoch         uint16
	Level, Number byte
}

// A Server serves one client.
type Server struct {
	cfg    Config
	secret []byte // of the cookies

	hello     *ClientHello
	random    []byte // the server's, as sent
	suite     *Suite
	ems       bool
	resuming  bool
	ephemeral *ecdh.PrivateKey

	transcript  []byte
	master      []byte
	read, write *keys
	sendCID     []byte // what the client wants in the records to it; nil without

	in      inbox
	numbers seen
	clock   map[uint16]uint64 // the next sequence number of each epoch
	nextSeq uint16            // of the server's next message

	kind    FlightKind
	flight  []*Message
	attempt int
	state   state
	clients clientState

	alerts []Alert
	data   [][]byte
	errs   []error
}

type state int

const (
	waitHello state = iota
	waitFlight5
	waitFinished // of an abbreviated handshake
	done
)

// NewServer returns a server that waits for a ClientHello.
func NewServer(cfg Config) *Server {
	return &Server{cfg: cfg, secret: draw(cfg.Rand, 32), numbers: seen{}, clock: map[uint16]uint64{}, in: newInbox()}
}

// Done reports whether the handshake is complete: the client's Finished has
// been verified, and the server's sent.
func (s *Server) Done() bool { return s.state == done }

// Err has the faults of the client, each kind once; nil for none.
func (s *Server) Err() error { return errors.Join(s.errs...) }

// Alerts are what the client has sent, in order.
func (s *Server) Alerts() []Alert { return slices.Clone(s.alerts) }

// Data is the application data of the client, by record.
func (s *Server) Data() [][]byte { return slices.Clone(s.data) }

// Hello is what the client has offered last, nil before that.
func (s *Server) Hello() *ClientHello { return s.hello }

// Attempt is how often the present flight has been repeated: 0 when it is sent
// for the first time.
func (s *Server) Attempt() int { return s.attempt }

// Session is what can be resumed; only once Done.
func (s *Server) Session() Session {
	return Session{ID: s.cfg.Session.ID, Suite: s.suite.ID, Master: s.master, EMS: s.ems}
}

// Renumber gives the handshake messages of a flight sequence numbers as they
// stand.
func (s *Server) Renumber(messages []*Message) []*Message {
	n := s.nextSeq
	numbered := map[*Message]bool{}
	for _, m := range messages {
		if m.numbered() && !numbered[m] {
			m.Seq, numbered[m] = n, true
			n++
		}
	}
	return messages
}

// Resend repeats the last flight, in new records.
func (s *Server) Resend() [][]byte {
	if s.flight == nil {
		return nil
	}
	s.attempt++
	layout := s.cfg.Layout
	if s.cfg.Resent != nil {
		layout = *s.cfg.Resent
	}
	return s.emit(layout, s.kind, s.flight)
}

// Send protects application data.
func (s *Server) Send(data []byte) [][]byte {
	return s.emit(s.cfg.Layout, FlightData, []*Message{{Content: ContentData, Epoch: 1, Body: data}})
}

// SendAlert sends an alert, in clear at epoch 0.
func (s *Server) SendAlert(epoch uint16, level, number byte) [][]byte {
	return s.emit(s.cfg.Layout, FlightData, []*Message{alert(epoch, level, number)})
}

// begin sends a flight for the first time.
func (s *Server) begin(kind FlightKind, messages []*Message) [][]byte {
	s.kind, s.attempt = kind, 0
	s.Renumber(messages)
	if hook := s.cfg.Hooks.Flight; hook != nil {
		messages = hook(s, kind, messages)
	}
	s.flight = messages
	s.record(messages)
	return s.emit(s.cfg.Layout, kind, messages)
}

// record adds a flight to the transcript, and makes a Finished on the way.
func (s *Server) record(messages []*Message) {
	counted := map[*Message]bool{}
	for _, m := range messages {
		if !m.numbered() || counted[m] {
			continue
		}
		counted[m] = true
		s.nextSeq++
		if m.finished {
			m.Body = s.finishedBody()
		}
		if !m.Silent && s.kind != FlightVerify {
			s.transcript = append(s.transcript, m.transcript()...)
		}
	}
}

func (s *Server) finishedBody() []byte {
	data := s.suite.verifyData(s.master, "server finished", s.transcript)
	if hook := s.cfg.Hooks.Finished; hook != nil {
		data = hook(s, data)
	}
	return data
}

// emit cuts, protects and packs messages.
func (s *Server) emit(l Layout, kind FlightKind, messages []*Message) [][]byte {
	var fragments []*Fragment
	for _, m := range messages {
		fragments = append(fragments, l.cut(m)...)
	}
	if hook := s.cfg.Hooks.Fragments; hook != nil {
		fragments = hook(s, kind, fragments)
	}
	records := s.number(l.coalesce(fragments))
	if hook := s.cfg.Hooks.Records; hook != nil {
		records = hook(s, kind, records)
	}
	datagrams := l.pack(encodeAll(records))
	if hook := s.cfg.Hooks.Datagrams; hook != nil {
		datagrams = hook(s, kind, datagrams)
	}
	return datagrams
}

// number gives records their sequence numbers and their keys.
func (s *Server) number(records []*Record) []*Record {
	for _, r := range records {
		r.Number = s.clock[r.Epoch]
		s.clock[r.Epoch]++
		if r.Epoch > 0 {
			s.protect(r)
		}
	}
	return records
}

// protect chooses the keys of a record.
func (s *Server) protect(r *Record) {
	r.Keys = s.write
	if r.Keys == nil {
		r.Keys = strayKeys(s.cfg.Rand)
	}
	if len(s.sendCID) > 0 {
		r.CID = s.sendCID
	}
}

func encodeAll(records []*Record) (all [][]byte) {
	for _, r := range records {
		all = append(all, r.encode())
	}
	return all
}
