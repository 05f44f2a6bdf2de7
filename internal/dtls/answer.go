package dtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// ecdsaSign is the certificate type that goes with ECDSA keys (RFC 8422 section
// 5.5).
const ecdsaSign = 64

// add appends a message of the client to the transcript and returns it.
func (x *exchange) add(kind handshake.Type, body []byte) item {
	m := handshake.Message{Type: kind, Sequence: x.sequence, Body: body}
	x.sequence++
	x.transcript = m.Append(x.transcript)
	return item{message: m}
}

// answer makes the client's flight to a full flight of the server: RFC 5246
// section 7.3, from the client's Certificate to its Finished.
func (h *Handshake) answer(x *exchange, t *terms) ([]item, error) {
	var items []item
	var signing *scheme
	if t.request != nil {
		signing = h.signing(x.agreed, t.request)
		items = append(items, x.add(handshake.TypeCertificate, h.shown(signing)))
	}
	items = append(items, x.add(handshake.TypeClientKeyExchange, t.exchange))
	s := x.agreed.suite
	if x.agreed.extended {
		x.master = extendedMasterSecret(s.hash, t.premaster, x.transcript)
	} else {
		x.master = masterSecret(s.hash, t.premaster, h.random[:], x.agreed.serverRandom)
	}
	if signing != nil {
		body, err := h.sign(signing, x.transcript)
		if err != nil {
			return nil, err
		}
		items = append(items, x.add(handshake.TypeCertificateVerify, body))
	}
	if err := h.protect(x); err != nil {
		return nil, err
	}
	return append(items, h.finished(x)...), nil
}

// finished makes the messages that end a flight of the client.
func (h *Handshake) finished(x *exchange) []item {
	data := verifyData(x.agreed.suite.hash, x.master, clientFinished, x.transcript)
	last := x.add(handshake.TypeFinished, data)
	last.sealed = true
	return []item{{change: true}, last}
}

// protect derives the keys. Where an earlier answer of this handshake has used
// the same ones, their sequence numbers go on: none is used twice.
func (h *Handshake) protect(x *exchange) error {
	write, read := keyBlock(x.agreed.suite, x.master, h.random[:], x.agreed.serverRandom)
	if x.agreed.withCID {
		write.CID, read.CID = slices.Clone(x.agreed.cid), h.config.CID
	}
	var first uint64
	if h.exchange != nil {
		first = h.exchange.protector.Export().Next
	}
	p, err := record.Restore(record.State{Cipher: x.agreed.suite.cipher, Epoch: 1, Write: write, Read: read, Next: first})
	if err != nil {
		return &RefusalError{Alert: alertInternalError, Err: err}
	}
	x.protector = p
	return nil
}

// signing picks the first scheme that the server takes for the client's key;
// nil when there is none, and then there is no certificate to show.
func (h *Handshake) signing(a *agreed, r *handshake.CertificateRequest) *scheme {
	if h.config.raw() != a.rawClient || !slices.Contains(r.Types, ecdsaSign) {
		return nil
	}
	for _, s := range h.preferred() {
		if slices.Contains(r.Schemes, s.id) {
			return &s
		}
	}
	return nil
}

// preferred orders the schemes for the client's key: the hash of its size
// first.
func (h *Handshake) preferred() []scheme {
	own := slices.Clone(schemes)
	key, ok := h.config.Certificate.Signer.Public().(*ecdsa.PublicKey)
	switch {
	case ok && key.Curve == elliptic.P384():
		own[0], own[1] = own[1], own[0]
	case ok && key.Curve == elliptic.P521():
		own[0], own[2] = own[2], own[0]
	}
	return own
}

// shown is the body of the client's Certificate.
func (h *Handshake) shown(signing *scheme) []byte {
	chain := h.config.Certificate.Chain
	switch {
	case signing == nil:
		return handshake.Certificates(nil)
	case h.config.raw():
		return handshake.RawPublicKey(chain[0])
	}
	return handshake.Certificates(chain)
}

// sign composes the CertificateVerify over a transcript.
func (h *Handshake) sign(s *scheme, transcript []byte) ([]byte, error) {
	signature, err := h.config.Certificate.Signer.Sign(h.config.Random, digest(s.hash, transcript), s.hash)
	if err != nil {
		return nil, &RefusalError{Alert: alertInternalError, Err: &SignerError{err}}
	}
	return handshake.CertificateVerify(s.id, signature), nil
}
