package dtlstest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
)

// What a client may be faulted for.
var (
	errHello       = errors.New("dtlstest: malformed ClientHello")
	errSuite       = errors.New("dtlstest: no suite in common")
	errOrder       = errors.New("dtlstest: a message of the client out of order")
	errIdentity    = errors.New("dtlstest: unknown PSK identity")
	errPublicKey   = errors.New("dtlstest: bad public key in the ClientKeyExchange")
	errCertificate = errors.New("dtlstest: not the client's certificate")
	errSignature   = errors.New("dtlstest: bad signature in the CertificateVerify")
	errFinished    = errors.New("dtlstest: wrong verify_data of the client")
	errCCS         = errors.New("dtlstest: no ChangeCipherSpec before the Finished")
)

// clientState is how far the client's flight has come.
type clientState struct {
	certificate, keyExchange, verified, ccs bool
	key                                     *ecdsa.PublicKey
}

// Receive takes a datagram of the client and returns what the server answers.
func (s *Server) Receive(datagram []byte) (out [][]byte) {
	repeated := false
	for len(datagram) > 0 {
		r, rest, err := parseRecord(datagram, len(s.cfg.CID))
		if err != nil {
			s.fault(err)
			return out
		}
		datagram = rest
		answer, again := s.receive(r)
		out, repeated = append(out, answer...), repeated || again
	}
	if repeated && len(out) == 0 && !s.concluded() {
		return s.Resend()
	}
	return out
}

// concluded reports whether the last flight of the handshake was the client's:
// nothing of the server's is repeated then (RFC 6347, 4.2.4).
func (s *Server) concluded() bool { return s.resuming && s.state == done }

func (s *Server) fault(err error) {
	if !slices.Contains(s.errs, err) {
		s.errs = append(s.errs, err)
	}
}

// receive takes one record. Again is true for a message that has been before.
func (s *Server) receive(r *Record) (out [][]byte, again bool) {
	if !s.numbers.add(r) {
		s.fault(ErrReused)
	}
	if r.Epoch > 0 && !s.opened(r) {
		return nil, false
	}
	switch r.Content {
	case ContentHandshake:
		return s.receiveHandshake(r)
	case ContentCCS:
		s.clients.ccs = s.clients.ccs || s.state != waitHello
	case ContentAlert:
		s.receiveAlert(r)
	case ContentData:
		return s.echo(r), false
	}
	return nil, false
}

func (s *Server) opened(r *Record) bool {
	if s.read == nil || r.Epoch != 1 {
		return false
	}
	if s.cfg.NonceIsNumber && !r.numbered() {
		s.fault(ErrExplicit)
	}
	if err := r.open(s.read); err != nil {
		s.fault(err)
		return false
	}
	return true
}

func (s *Server) receiveAlert(r *Record) {
	if len(r.Payload) == 2 {
		s.alerts = append(s.alerts, Alert{r.Epoch, r.Payload[0], r.Payload[1]})
	}
}

// echo answers application data with the same.
func (s *Server) echo(r *Record) [][]byte {
	if r.Epoch == 0 || s.state != done {
		return nil
	}
	s.data = append(s.data, r.Payload)
	return s.Send(r.Payload)
}

func (s *Server) receiveHandshake(r *Record) (out [][]byte, again bool) {
	for _, f := range parseFragments(r.Payload) {
		if f.Type == TypeClientHello && s.state == waitHello && s.in.parts[f.Seq] == nil {
			s.in.next = f.Seq // a stateless server takes the client's numbers
		}
		again = s.in.add(f) || again
	}
	for m := s.in.pop(); m != nil; m = s.in.pop() {
		m.Epoch = r.Epoch
		out = append(out, s.handle(m)...)
	}
	return out, again
}

func (s *Server) handle(m *Message) [][]byte {
	switch {
	case m.Type == TypeClientHello && s.state == waitHello:
		return s.handleHello(m)
	case m.Type == TypeFinished && s.state == waitFinished:
		return s.handleResumed(m)
	case s.state == waitFlight5:
		return s.handleFlight5(m)
	}
	return s.refuse(errOrder, AlertUnexpectedMessage)
}

// refuse notes a fault of the client, and tells it.
func (s *Server) refuse(err error, number byte) [][]byte {
	s.fault(err)
	return s.SendAlert(0, LevelFatal, number)
}

func (s *Server) handleHello(m *Message) [][]byte {
	s.hello = parseClientHello(m.Body)
	if s.hello == nil {
		return s.refuse(errHello, AlertDecodeError)
	}
	if cookie := s.cookie(); !s.cfg.NoCookie && !hmac.Equal(cookie, s.hello.Cookie) {
		return s.verify(cookie)
	}
	s.suite = s.chooseSuite()
	if s.suite == nil {
		return s.refuse(errSuite, AlertHandshakeFailure)
	}
	s.transcript = m.transcript()
	if s.resumes() {
		return s.resume()
	}
	s.state = waitFlight5
	return s.begin(FlightHello, s.helloFlight())
}

// cookie is stateless: made from the hello alone.
func (s *Server) cookie() []byte { return mac(sha256.New, s.secret, s.hello.params())[:20] }

func (s *Server) verify(cookie []byte) [][]byte {
	v := &HelloVerify{Version: VersionDTLS12, Cookie: cookie}
	if hook := s.cfg.Hooks.HelloVerify; hook != nil {
		hook(s, v)
	}
	s.nextSeq = 0
	m := handshake(TypeHelloVerifyRequest, v.encode())
	m.Silent = true
	return s.begin(FlightVerify, []*Message{m})
}

func (s *Server) chooseSuite() *Suite {
	for _, id := range s.cfg.Suites {
		if slices.Contains(s.hello.Suites, id) {
			return SuiteByID(id)
		}
	}
	return nil
}

func (s *Server) resumes() bool {
	k := s.cfg.Session
	return k != nil && k.Master != nil && bytes.Equal(k.ID, s.hello.SessionID) && slices.Contains(s.hello.Suites, k.Suite)
}

// sayHello makes the ServerHello, and takes from it what it says, so that the
// server stands by a lie.
func (s *Server) sayHello() *Message {
	h := s.serverHello()
	if hook := s.cfg.Hooks.ServerHello; hook != nil {
		hook(s, h)
	}
	s.random, s.ems = h.Random, h.Has(ExtExtendedMasterSecret)
	if suite := SuiteByID(h.Suite); suite != nil {
		s.suite = suite
	}
	if h.Has(ExtConnectionID) {
		s.sendCID = s.hello.cid()
	}
	return handshake(TypeServerHello, h.encode())
}

func (s *Server) helloFlight() []*Message {
	flight := []*Message{s.sayHello()}
	if !s.suite.PSK {
		flight = append(flight, s.certificateMessage())
	}
	if !s.suite.PSK || s.cfg.PSKHint != nil {
		flight = append(flight, s.keyExchangeMessage())
	}
	if !s.suite.PSK && s.cfg.ClientAuth {
		flight = append(flight, s.requestMessage())
	}
	return append(flight, handshake(TypeServerHelloDone, nil))
}

func (s *Server) certificateMessage() *Message {
	c := &Certificate{Chain: s.cfg.Chain, Raw: s.cfg.RawPublicKey}
	if hook := s.cfg.Hooks.Certificate; hook != nil {
		hook(s, c)
	}
	return handshake(TypeCertificate, c.encode())
}

func (s *Server) keyExchangeMessage() *Message {
	k := s.keyExchange()
	if hook := s.cfg.Hooks.KeyExchange; hook != nil {
		hook(s, k)
	}
	return handshake(TypeServerKeyExchange, k.encode(s.suite.PSK))
}

func (s *Server) requestMessage() *Message {
	r := s.certificateRequest()
	if hook := s.cfg.Hooks.CertificateRequest; hook != nil {
		hook(s, r)
	}
	return handshake(TypeCertificateRequest, r.encode())
}

// resume is the server's side of an abbreviated handshake (RFC 5246, 7.3).
func (s *Server) resume() [][]byte {
	s.resuming = true
	s.suite = SuiteByID(s.cfg.Session.Suite)
	hello := s.sayHello()
	s.master = s.cfg.Session.Master
	s.makeKeys()
	s.state = waitFinished
	return s.begin(FlightResume, []*Message{hello, changeCipherSpec(), finished()})
}

func (s *Server) makeKeys() {
	read, write := s.suite.expand(s.master, s.hello.Random, s.random)
	s.read, s.write = &read, &write
}

func (s *Server) handleFlight5(m *Message) [][]byte {
	handlers := map[byte]func(*Message) (byte, error){
		TypeCertificate:       s.handleCertificate,
		TypeClientKeyExchange: s.handleKeyExchange,
		TypeCertificateVerify: s.handleVerify,
		TypeFinished:          s.handleFinished,
	}
	handle := handlers[m.Type]
	if handle == nil {
		return s.refuse(errOrder, AlertUnexpectedMessage)
	}
	if number, err := handle(m); err != nil {
		return s.refuse(err, number)
	}
	if m.Type != TypeFinished {
		return nil
	}
	s.state = done
	return s.begin(FlightFinish, []*Message{changeCipherSpec(), finished()})
}

func (s *Server) handleCertificate(m *Message) (byte, error) {
	if s.clients.certificate || s.clients.keyExchange || !s.cfg.ClientAuth {
		return AlertUnexpectedMessage, errOrder
	}
	r := reader{rest: m.Body}
	r = reader{rest: r.vec24()}
	der := r.rest
	if !s.cfg.RawPublicKey {
		der = r.vec24()
	}
	if r.bad || !bytes.Equal(der, s.cfg.ClientCert) {
		return AlertBadCertificate, errCertificate
	}
	s.clients.certificate = true
	s.transcript = append(s.transcript, m.transcript()...)
	return s.takeKey(der)
}

func (s *Server) takeKey(der []byte) (byte, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if !s.cfg.RawPublicKey {
		cert, parseErr := x509.ParseCertificate(der)
		if parseErr != nil {
			return AlertBadCertificate, errCertificate
		}
		key, err = cert.PublicKey, nil
	}
	s.clients.key, _ = key.(*ecdsa.PublicKey)
	if err != nil || s.clients.key == nil {
		return AlertBadCertificate, errCertificate
	}
	return 0, nil
}

func (s *Server) handleKeyExchange(m *Message) (byte, error) {
	needed := s.cfg.ClientAuth && !s.suite.PSK
	if s.clients.keyExchange || needed && !s.clients.certificate {
		return AlertUnexpectedMessage, errOrder
	}
	s.clients.keyExchange = true
	premaster, err := s.premaster(m.Body)
	if err != nil {
		return AlertIllegalParameter, err
	}
	s.transcript = append(s.transcript, m.transcript()...)
	if s.ems {
		s.master = s.suite.extendedMasterSecret(premaster, s.transcript)
	} else {
		s.master = s.suite.masterSecret(premaster, s.hello.Random, s.random)
	}
	s.makeKeys()
	return 0, nil
}

// premaster is the secret that a ClientKeyExchange leads to.
func (s *Server) premaster(body []byte) ([]byte, error) {
	r := reader{rest: body}
	if s.suite.PSK {
		if identity := r.vec16(); r.bad || len(r.rest) > 0 || !bytes.Equal(identity, s.cfg.Identity) {
			return nil, errIdentity
		}
		return pskPremaster(s.cfg.PSK), nil
	}
	point := r.vec8()
	if r.bad || len(r.rest) > 0 {
		return nil, errPublicKey
	}
	key, err := s.ephemeral.Curve().NewPublicKey(point)
	if err != nil {
		return nil, errPublicKey
	}
	shared, err := s.ephemeral.ECDH(key)
	if err != nil {
		return nil, errPublicKey
	}
	return shared, nil
}

func (s *Server) handleVerify(m *Message) (byte, error) {
	if !s.clients.keyExchange || s.clients.key == nil || s.clients.verified || s.clients.ccs {
		return AlertUnexpectedMessage, errOrder
	}
	r := reader{rest: m.Body}
	h, known := schemeHashes[uint16(r.u16())]
	signature := r.vec16()
	if r.bad || !known || len(r.rest) > 0 || !verifies(s.clients.key, h, s.transcript, signature) {
		return AlertDecryptError, errSignature
	}
	s.clients.verified = true
	s.transcript = append(s.transcript, m.transcript()...)
	return 0, nil
}

func verifies(key *ecdsa.PublicKey, h crypto.Hash, message, signature []byte) bool {
	return ecdsa.VerifyASN1(key, digestOf(h, message), signature)
}

func (s *Server) handleFinished(m *Message) (byte, error) {
	if m.Epoch != 1 || !s.clients.keyExchange || s.clients.key != nil && !s.clients.verified {
		return AlertUnexpectedMessage, errOrder
	}
	if !s.clients.ccs {
		return AlertUnexpectedMessage, errCCS
	}
	if !hmac.Equal(m.Body, s.suite.verifyData(s.master, "client finished", s.transcript)) {
		return AlertDecryptError, errFinished
	}
	s.transcript = append(s.transcript, m.transcript()...)
	return 0, nil
}

func (s *Server) handleResumed(m *Message) [][]byte {
	s.clients.keyExchange = true
	if number, err := s.handleFinished(m); err != nil {
		return s.refuse(err, number)
	}
	s.state = done
	return nil
}
