package dtls

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// exchange is a server's flight that was accepted, and what follows from it.
type exchange struct {
	agreed *agreed
	served []byte // the flight as it is hashed; two with the same are the same
	next   uint16 // message_seq of the server's Finished

	transcript []byte // the messages of the handshake so far
	sequence   uint16 // message_seq of the client's next message
	master     []byte
	proof      Proof
	protector  *record.Protector
}

// terms is what a full flight of a server says beside its ServerHello.
type terms struct {
	premaster []byte
	// exchange is the body of the ClientKeyExchange that goes with it.
	exchange []byte
	// request is there when the server wants to see a certificate.
	request *handshake.CertificateRequest
	// proof is what the server has shown; its Finished completes it.
	proof Proof
}

// slot is a place in the order of a flight.
type slot struct {
	kind     handshake.Type
	optional bool
}

// The flights that a server may answer a ClientHello with, behind its
// ServerHello (RFC 5246 section 7.3, RFC 4279 section 2, RFC 8422 section 2).
var (
	pskOrder = []slot{
		{kind: handshake.TypeServerKeyExchange, optional: true},
		{kind: handshake.TypeServerHelloDone},
	}
	ecdheOrder = []slot{
		{kind: handshake.TypeCertificate},
		{kind: handshake.TypeServerKeyExchange},
		{kind: handshake.TypeCertificateRequest, optional: true},
		{kind: handshake.TypeServerHelloDone},
	}
)

// inOrder returns the bodies of a flight's messages, nil for one that is not
// there, if the flight consists of what the order demands and nothing else.
func inOrder(messages []handshake.Message, order []slot) (bodies [][]byte, err error) {
	for _, s := range order {
		switch {
		case len(messages) > 0 && messages[0].Type == s.kind:
			bodies = append(bodies, messages[0].Body)
			messages = messages[1:]
		case s.optional:
			bodies = append(bodies, nil)
		default:
			return nil, refusal(alertUnexpectedMessage, "the server's flight lacks %s in its place", s.kind)
		}
	}
	if len(messages) > 0 {
		return nil, refusal(alertUnexpectedMessage, "%s does not belong into the server's flight", messages[0].Type)
	}
	if len(bodies[len(bodies)-1]) > 0 {
		return nil, refusal(alertDecodeError, "ServerHelloDone is not empty")
	}
	return bodies, nil
}

// judge reads a full flight, verifies what its suite can verify, and computes
// the premaster secret.
func (h *Handshake) judge(now time.Time, a *agreed, rest []handshake.Message) (*terms, error) {
	if a.suite.psk {
		return h.judgePSK(rest)
	}
	bodies, err := inOrder(rest, ecdheOrder)
	if err != nil {
		return nil, err
	}
	key, proof, err := h.verifyServer(now, bodies[0])
	if err != nil {
		return nil, err
	}
	t, err := h.agreeKey(a, key, bodies[1])
	if err != nil {
		return nil, err
	}
	if t.proof = proof; bodies[2] == nil {
		return t, nil
	}
	request, err := handshake.ReadCertificateRequest(bodies[2])
	if err != nil {
		return nil, &RefusalError{Alert: alertDecodeError, Err: err}
	}
	t.request = &request
	return t, nil
}

func (h *Handshake) judgePSK(rest []handshake.Message) (*terms, error) {
	bodies, err := inOrder(rest, pskOrder)
	if err != nil {
		return nil, err
	}
	if bodies[0] != nil { // the hint is of no use: there is one identity
		if _, err := handshake.ReadIdentityHint(bodies[0]); err != nil {
			return nil, &RefusalError{Alert: alertDecodeError, Err: err}
		}
	}
	return &terms{
		premaster: pskPremaster(h.config.PSK.Key()),
		exchange:  handshake.Identity(h.config.PSK.Identity),
		proof:     Proof{Kind: ProofPSK},
	}, nil
}

// verifyServer reads the server's Certificate, has it judged, and returns its
// key, and what it proves.
func (h *Handshake) verifyServer(now time.Time, body []byte) (*ecdsa.PublicKey, Proof, error) {
	own := h.config.Certificate
	if h.config.raw() {
		spki, err := handshake.ReadRawPublicKey(body)
		if err != nil {
			return nil, Proof{}, &RefusalError{Alert: alertDecodeError, Err: err}
		}
		key, err := judgeKey(spki, own.VerifyKey)
		return key, Proof{Kind: ProofRawKey, Digest: sha256.Sum256(spki)}, err
	}
	ders, err := handshake.ReadCertificates(body)
	if err != nil {
		return nil, Proof{}, &RefusalError{Alert: alertDecodeError, Err: &CertificateError{err}}
	}
	chain, err := parseChain(ders)
	if err != nil {
		return nil, Proof{}, &RefusalError{Alert: alertBadCertificate, Err: &CertificateError{err}}
	}
	key, err := signatureKey(chain[0].PublicKey)
	if err != nil {
		return nil, Proof{}, &RefusalError{Alert: alertUnsupportedCert, Err: &CertificateError{err}}
	}
	if err := own.VerifyChain(chain, now); err != nil {
		return nil, Proof{}, &RefusalError{Alert: alertBadCertificate, Err: &CertificateError{err}}
	}
	return key, Proof{Kind: ProofCertificate, Digest: sha256.Sum256(chain[0].Raw), Ends: chain[0].NotAfter}, nil
}

// scheme is a way to sign (RFC 5246 section 7.4.1.4.1): ECDSA with a hash.
type scheme struct {
	id   uint16
	hash crypto.Hash
}

// schemes are on offer, and no others count. All are ECDSA, as the suites are.
var schemes = []scheme{
	{0x0403, crypto.SHA256},
	{0x0503, crypto.SHA384},
	{0x0603, crypto.SHA512},
}

func schemeIDs() (ids []uint16) {
	for _, s := range schemes {
		ids = append(ids, s.id)
	}
	return ids
}

// agreeKey verifies the ServerKeyExchange and then, only then, computes with
// the server's point.
func (h *Handshake) agreeKey(a *agreed, key *ecdsa.PublicKey, body []byte) (*terms, error) {
	k, err := handshake.ReadServerKeyExchange(body)
	if err != nil {
		return nil, &RefusalError{Alert: alertDecodeError, Err: err}
	}
	c := slices.IndexFunc(curves, func(c curve) bool { return c.id == k.Curve })
	if c < 0 {
		return nil, refusal(alertIllegalParameter, "the server chose curve %d, which was not offered", k.Curve)
	}
	s := slices.IndexFunc(schemes, func(s scheme) bool { return s.id == k.Scheme })
	if s < 0 {
		return nil, refusal(alertIllegalParameter, "the server signs by scheme 0x%04x, which was not offered", k.Scheme)
	}
	signed := slices.Concat(h.random[:], a.serverRandom, k.Params)
	if !ecdsa.VerifyASN1(key, digest(schemes[s].hash, signed), k.Signature) {
		return nil, refusal(alertDecryptError, "the signature of the server's key exchange is not its certificate's")
	}
	return h.diffieHellman(curves[c], k.Point)
}

func (h *Handshake) diffieHellman(c curve, point []byte) (*terms, error) {
	theirs, err := c.curve.NewPublicKey(point)
	if err != nil {
		return nil, refusal(alertIllegalParameter, "the server's point: %w", err)
	}
	ours, err := h.drawKey(c)
	if err != nil {
		return nil, err
	}
	premaster, err := ours.ECDH(theirs)
	if err != nil {
		return nil, refusal(alertIllegalParameter, "the server's point: %w", err)
	}
	return &terms{premaster: premaster, exchange: handshake.PublicPoint(ours.PublicKey().Bytes())}, nil
}

// drawKey makes an ephemeral key from the injected randomness. A draw is out of
// range once in 2^32 at most.
func (h *Handshake) drawKey(c curve) (*ecdh.PrivateKey, error) {
	const draws = 8
	var err error
	for range draws {
		var key *ecdh.PrivateKey
		seed := make([]byte, c.size)
		if err = h.draw(seed); err != nil {
			return nil, err
		}
		if key, err = c.curve.NewPrivateKey(seed); err == nil {
			return key, nil
		}
	}
	return nil, &RefusalError{Alert: alertInternalError, Err: err}
}
